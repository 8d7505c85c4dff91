package arch

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const standards = "docs/standards.md"

// A span of code in the document: a place in the sources, `oauth/par.go push`, or a test, `oauth.TestPush` or
// `conformance.TestPlanBasic/oidcc-server`.
var (
	span        = regexp.MustCompile("`[^`]+`")
	placeForm   = regexp.MustCompile(`^([\w/]+\.go) (\w+)$`)
	testForm    = regexp.MustCompile(`^([\w/]+)\.((?:Test|Fuzz|Example)\w*)(?:/([\w-]+))?$`)
	looksLikeIt = regexp.MustCompile(`\.go\b|\b(Test|Fuzz)[A-Z_]`)
)

// TestStandardsNameWhatExists: the table of standards names code and tests that are there, and each of its rows names
// some, or says that something is not offered.
func TestStandardsNameWhatExists(t *testing.T) {
	declared, tests := declarations(t)
	subtests := map[string]string{} // the sources of a folder's tests
	for n, line := range strings.Split(document(t), "\n") {
		named := 0
		for _, quoted := range span.FindAllString(line, -1) {
			text := strings.Trim(quoted, "`")
			if place := placeForm.FindStringSubmatch(text); place != nil {
				named++
				if !slices.Contains(declared[place[1]], place[2]) {
					t.Errorf("%s:%d: %s has no %s", standards, n+1, place[1], place[2])
				}
			} else if test := testForm.FindStringSubmatch(text); test != nil {
				named++
				if !slices.Contains(tests[test[1]], test[2]) {
					t.Errorf("%s:%d: %s has no %s", standards, n+1, test[1], test[2])
				} else if test[3] != "" && !strings.Contains(testSources(t, subtests, test[1]), `"`+test[3]+`"`) {
					t.Errorf("%s:%d: %s knows no %q", standards, n+1, test[1], test[3])
				}
			} else if looksLikeIt.MatchString(text) {
				t.Errorf("%s:%d: what is %s?", standards, n+1, quoted)
			}
		}
		row := strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| section |")
		if row && named == 0 && !strings.Contains(line, "not offered") {
			t.Errorf("%s:%d names no code and no test: %s", standards, n+1, line)
		}
	}
}

// TestStandardsAreComplete: whatever RFC package oauth refers to is in the document.
func TestStandardsAreComplete(t *testing.T) {
	text := document(t)
	rfc := regexp.MustCompile(`RFC \d{4}`)
	for _, s := range sources(t) {
		if s.pkg != "oauth" || s.test {
			continue
		}
		for _, group := range s.ast.Comments {
			for _, name := range rfc.FindAllString(group.Text(), -1) {
				if !strings.Contains(text, name) {
					t.Errorf("%s refers to %s, which %s does not name", s.at(group), name, standards)
				}
			}
		}
	}
}

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, standards))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// declarations returns what every file declares by its path, and the tests of every folder; the module's root is idp.
func declarations(t *testing.T) (declared, tests map[string][]string) {
	t.Helper()
	declared, tests = map[string][]string{}, map[string][]string{}
	for _, s := range sources(t) {
		file := filepath.ToSlash(s.path)
		folder := s.pkg
		if folder == "" {
			folder = "idp"
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				declared[file] = append(declared[file], d.Name.Name)
				if s.test && d.Recv == nil {
					tests[folder] = append(tests[folder], d.Name.Name)
				}
			case *ast.GenDecl:
				declared[file] = append(declared[file], names(d)...)
			}
		}
	}
	return declared, tests
}

// names returns the names that d declares.
func names(d *ast.GenDecl) (all []string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			all = append(all, spec.Name.Name)
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				all = append(all, name.Name)
			}
		}
	}
	return all
}

func testSources(t *testing.T, read map[string]string, folder string) string {
	t.Helper()
	if read[folder] == "" {
		files, err := filepath.Glob(filepath.Join(root, path.Clean(folder), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			read[folder] += string(text)
		}
	}
	return read[folder]
}
