package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A stranger's module can import nothing internal. This one holds the example's server and every program of the manual
// of the mfa library, and has to compile.
func TestStrangersCanUseMFA(t *testing.T) {
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join(top, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	folder := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mod := strings.Replace(read("go.mod"), "module "+module, "module example.com/stranger", 1)
	mod = strings.ReplaceAll(mod, "=> ./", "=> "+top+"/")
	write("go.mod", mod+"\nrequire "+module+" v0.0.0\nreplace "+module+" => "+top+"\n")
	write("go.sum", read("go.sum"))

	files, err := filepath.Glob(filepath.Join(top, "examples/fosite/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of the example, %v", len(files), err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			write("server/"+filepath.Base(file), read("examples/fosite/"+filepath.Base(file)))
		}
	}
	blocks := regexp.MustCompile("(?s)```go\n(package ([a-z]+)\n.*?)```").FindAllStringSubmatch(read("docs/mfa-library.md"), -1)
	if all := strings.Count(read("docs/mfa-library.md"), "```go\n"); all == 0 || all != len(blocks) {
		t.Errorf("%d of %d programs of the manual begin with their package", len(blocks), all)
	}
	for _, block := range blocks {
		write(block[2]+"/"+block[2]+".go", block[1])
	}
	cmd := exec.Command("go", "build", "-mod=mod", "./...")
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
