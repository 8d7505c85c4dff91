// Command secrows tells which rows of the security checklist and which of the OAuth library's traps have a test.
//
// A row's test is any function called TestSec_PW01 or TestSec_PW01_What (FuzzSec_… too; several rows:
// TestSec_MF05_RC05_What), a trap's TestTrap07_What. It reads names only: whether the tests pass is for `go test` to say.
//
//	go run ./internal/secrows          prints the counts
//	go run ./internal/secrows -write   renews docs/security-tests.md
package main

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed rows.txt
var rowsText string

const (
	traps    = 37
	document = "docs/security-tests.md"
)

func main() {
	write := flag.Bool("write", false, "renew "+document)
	flag.Parse()
	found, err := scan(".")
	if err == nil && *write {
		err = os.WriteFile(document, found.markdown(), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "secrows:", err)
		os.Exit(1)
	}
	fmt.Printf("security rows with a test: %d of %d\n", len(found.rows), len(rows()))
	fmt.Printf("library traps with a test: %d of %d\n", len(found.traps), traps)
	if len(found.unknown) > 0 {
		fmt.Fprintln(os.Stderr, "secrows: no such row:", strings.Join(found.unknown, ", "))
		os.Exit(1)
	}
}

// row is one line of the checklist: "PW-01" and what it demands.
type row struct{ id, title string }

func rows() []row {
	var all []row
	for line := range strings.Lines(rowsText) {
		id, title, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, row{id, title})
	}
	return all
}

// tests are the names found, by row ("PW-01") and trap ("07"), each as "package.Name".
type tests struct {
	rows, traps map[string][]string
	unknown     []string
}

var (
	secName  = regexp.MustCompile(`^(?:Test|Fuzz)Sec((?:_[A-Z]{2}\d{2})+)(?:_|$)`)
	trapName = regexp.MustCompile(`^(?:Test|Fuzz)Trap(\d{2})`)
	wanted   = regexp.MustCompile(`^(?:Test|Fuzz)(?:Sec_|Trap\d)`)
)

// scan reads the names of all tests below root.
func scan(root string) (*tests, error) {
	found := &tests{rows: make(map[string][]string), traps: make(map[string][]string)}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				found.add(filepath.ToSlash(folder), f.Name.Name)
			}
		}
		return nil
	})
	return found, err
}

func (t *tests) add(folder, name string) {
	if !wanted.MatchString(name) {
		return
	}
	if folder == "." {
		folder = "idp"
	}
	place := folder + "." + name
	if m := trapName.FindStringSubmatch(name); m != nil && m[1] >= "01" && m[1] <= fmt.Sprint(traps) {
		t.traps[m[1]] = append(t.traps[m[1]], place)
		return
	}
	m := secName.FindStringSubmatch(name)
	if m == nil {
		t.unknown = append(t.unknown, place)
		return
	}
	for id := range strings.SplitSeq(m[1][1:], "_") {
		id = id[:2] + "-" + id[2:]
		if !slices.ContainsFunc(rows(), func(r row) bool { return r.id == id }) {
			t.unknown = append(t.unknown, place)
			continue
		}
		t.rows[id] = append(t.rows[id], place)
	}
}

// markdown renders the document.
func (t *tests) markdown() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `# Security requirements and their tests

Made by `+"`make docs`"+`; `+"`make test`"+` runs all of these. A row without a test is not claimed.

%d of %d rows and %d of %d traps of the OAuth library have a test.

| row | requirement | tests |
|---|---|---|
`, len(t.rows), len(rows()), len(t.traps), traps)
	for _, r := range rows() {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", r.id, r.title, list(t.rows[r.id]))
	}
	out.WriteString("\n## Traps of the OAuth library\n\n| trap | tests |\n|---|---|\n")
	for n := 1; n <= traps; n++ {
		fmt.Fprintf(&out, "| %d | %s |\n", n, list(t.traps[fmt.Sprintf("%02d", n)]))
	}
	return out.Bytes()
}

func list(names []string) string {
	slices.Sort(names)
	var out []string
	for _, name := range names {
		out = append(out, "`"+name+"`")
	}
	return strings.Join(out, "<br>")
}
