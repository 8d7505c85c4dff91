package arch

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSec_SC02_ReplacedCodeIsFrozen: what stands in for a module of others changes knowingly, with its checksums
// (`sha256sum` over the files, in third_party/SHA256SUMS), and nothing else is replaced. The go command verifies the
// other modules by go.sum, `make test` what lies in the module cache.
func TestSec_SC02_ReplacedCodeIsFrozen(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := regexp.MustCompile(`(?m)^(?:replace |\t)(\S.* => .*)$`).FindAllStringSubmatch(string(mod), -1)
	if len(replaced) != 1 || replaced[0][1] != "github.com/ory/x => ./third_party/oryx" {
		t.Errorf("replaced modules: %q", replaced)
	}

	folder := filepath.Join(root, "third_party")
	list, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]string)
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		known[name] = sum
	}
	err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "SHA256SUMS" {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		if sum := fmt.Sprintf("%x", sha256.Sum256(text)); known[name] != sum {
			t.Errorf("%s has the checksum %s, the list says %q", name, sum, known[name])
		}
		delete(known, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range known {
		t.Errorf("%s is listed and missing", name)
	}
}

// TestSec_SC06_SecurityPolicy: SECURITY.md says how to report, what is supported and how soon a fix comes, and each of
// our advisories names a regression test that exists.
func TestSec_SC06_SecurityPolicy(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range []string{"## Reporting", "## Supported versions", "## How soon", "## Advisories"} {
		if !strings.Contains(string(text), "\n"+heading+"\n") {
			t.Errorf("SECURITY.md lacks %q", heading)
		}
	}
	tests := make(map[string]bool)
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test {
				tests[f.Name.Name] = true
			}
		}
	}
	advisory, name := regexp.MustCompile(`GHSA(-[0-9a-z]{4}){3}`), regexp.MustCompile(`\bTest\w+`)
	for line := range strings.Lines(string(text)) {
		if !advisory.MatchString(line) {
			continue
		}
		if !tests[name.FindString(line)] {
			t.Errorf("the advisory names no regression test that exists: %s", line)
		}
	}
}
