package replicas

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// folder holds the programs under test; TestMain removes it.
var folder string

func TestMain(m *testing.M) {
	if database := os.Getenv("REPLICAS_SWEEP"); database != "" {
		if err := sweep(database); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var err error
	if folder, err = os.MkdirTemp("", "idp-replicas-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// program builds the command, once for all tests.
var program = sync.OnceValues(func() (string, error) {
	file := filepath.Join(folder, "idp")
	out, err := exec.Command("go", "build", "-o", file, "github.com/focushq/idp/cmd/idp").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
})

// times is how often something is tried: short, or long in the torture run, which leaves nothing out and does more of it.
func times(short, long int) int {
	if os.Getenv("IDP_TORTURE") != "" {
		return long
	}
	return short
}
