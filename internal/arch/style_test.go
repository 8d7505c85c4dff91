package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// source is one parsed Go file of the module.
type source struct {
	path  string // from the module's root
	pkg   string // folder from the module's root, "" for the root
	test  bool
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

// at names a node's place.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// walk calls fn with every file of the module, without other modules inside it, test data and what is not ours.
func walk(t *testing.T, fn func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			fn(path)
			return nil
		}
		name := entry.Name()
		_, errModule := os.Stat(filepath.Join(path, "go.mod"))
		if path != root && (errModule == nil || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(path string) {
		if filepath.Ext(path) != ".go" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := source{fset: token.NewFileSet(), test: strings.HasSuffix(path, "_test.go"), lines: strings.Count(string(text), "\n")}
		s.path, _ = filepath.Rel(root, path)
		if s.pkg = filepath.ToSlash(filepath.Dir(s.path)); s.pkg == "." {
			s.pkg = ""
		}
		if s.ast, err = parser.ParseFile(s.fset, path, text, parser.ParseComments); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	})
	return all
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test && s.lines > 450 {
			t.Errorf("%s has %d lines: it is about two things", s.path, s.lines)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init hides work from the reader of main", s.at(f))
			}
		}
	}
}

func TestNoGoroutinesInDomains(t *testing.T) {
	domains := []string{"oauth", "account", "session", "consent", "audit", "mfa", "mfa/mfasql"}
	for _, s := range sources(t) {
		if s.test || !slices.Contains(domains, s.pkg) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: who waits for this goroutine? The assembly owns the ticker", s.at(g))
			}
			return true
		})
	}
}

func TestPackagesAreDescribed(t *testing.T) {
	described := make(map[string]bool)
	for _, s := range sources(t) {
		if !s.test {
			described[s.pkg] = described[s.pkg] || s.ast.Doc.Text() != ""
		}
	}
	for pkg, ok := range described {
		if !ok {
			t.Errorf("package %q has no package comment: what it does, what it refuses to know", pkg)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				checkFunc(t, s, d)
			case *ast.GenDecl:
				checkDecl(t, s, d)
			}
		}
	}
}

func checkFunc(t *testing.T, s source, f *ast.FuncDecl) {
	name := f.Name.Name
	if !ast.IsExported(name) || f.Recv != nil && !exportedReceiver(f) {
		return
	}
	if f.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "Is", "String"}, name) && f.Doc == nil {
		return // the language says what these do
	}
	checkDoc(t, s, f, name, f.Doc.Text())
}

func checkDecl(t *testing.T, s source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if ast.IsExported(spec.Name.Name) {
				checkDoc(t, s, spec, spec.Name.Name, d.Doc.Text()+spec.Doc.Text())
			}
		case *ast.ValueSpec:
			if ast.IsExported(spec.Names[0].Name) && d.Doc.Text()+spec.Doc.Text()+spec.Comment.Text() == "" {
				t.Errorf("%s: %s has no comment", s.at(spec), spec.Names[0].Name)
			}
		}
	}
}

func checkDoc(t *testing.T, s source, n ast.Node, name, doc string) {
	words := strings.Fields(doc)
	switch {
	case len(words) == 0:
		t.Errorf("%s: %s has no comment", s.at(n), name)
	case strings.TrimRight(words[0], ",:") != name && words[0] != "Deprecated:":
		t.Errorf("%s: the comment of %s begins with %q", s.at(n), name, words[0])
	}
}

func exportedReceiver(f *ast.FuncDecl) bool {
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if generic, ok := kind.(*ast.IndexExpr); ok {
		kind = generic.X
	}
	name, ok := kind.(*ast.Ident)
	return ok && ast.IsExported(name.Name)
}

// A test that is left out says nothing, but looks like one that passed.
func TestNoTestIsLeftOut(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := selector.X.(*ast.Ident)
			if !ok {
				return true
			}
			called := x.Name + "." + selector.Sel.Name
			if regexp.MustCompile(`^(t|b|f|tb)\.Skip(f|Now)?$|^testing\.Short$`).MatchString(called) {
				t.Errorf("%s: %s", s.at(n), called)
			}
			return true
		})
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	later := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	for _, s := range sources(t) {
		for _, group := range s.ast.Comments {
			if later.MatchString(group.Text()) {
				t.Errorf("%s: do it, or write an issue", s.at(group))
			}
		}
	}
	walk(t, func(path string) {
		if !slices.Contains([]string{".sql", ".html", ".css", ".js", ".txt", ".sh"}, filepath.Ext(path)) {
			return
		}
		if text, err := os.ReadFile(path); err != nil || later.Match(text) {
			t.Errorf("%s: do it, or write an issue (%v)", path, err)
		}
	})
}

var (
	// looksLikeSQL finds statements and the pieces that are joined to them.
	looksLikeSQL = regexp.MustCompile(`^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|WITH) |\b(WHERE|VALUES|SET|ORDER BY) `)
	// notPortable finds what runs on one engine only, or depends on a column order or on the server's clock. "?" is
	// rewritten by the driver wrapper wherever it stands, "::" breaks named parameters.
	notPortable = regexp.MustCompile(`\?|::|(?i:\bnow\(\))|\b(CURRENT_TIMESTAMP|AUTOINCREMENT|(BIG)?SERIAL|TIMESTAMPTZ?|JSONB?)\b|SELECT \*|\.\*`)
)

func TestSQLIsPortable(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(literal.Value)
			if bad := notPortable.FindString(text); bad != "" && looksLikeSQL.MatchString(text) {
				t.Errorf("%s: %q in %s", s.at(n), bad, text)
			}
			return true
		})
	}
	comment := regexp.MustCompile(`--.*`)
	walk(t, func(path string) {
		if filepath.Ext(path) != ".sql" {
			return
		}
		text, err := os.ReadFile(path)
		if bad := notPortable.Find(comment.ReplaceAll(text, nil)); err != nil || bad != nil {
			t.Errorf("%s: %q (%v)", path, bad, err)
		}
	})
}

// Migrations go forward only, and one file does one step for all its tables in one transaction; or it builds indexes while others
// write, which no transaction can: what else such a file may hold is the business of package migrations.
func TestMigrationsGoForward(t *testing.T) {
	walk(t, func(path string) {
		if filepath.Ext(path) != ".sql" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`/\d{5}_[a-z_]+\.sql$`).MatchString(filepath.ToSlash(path)) {
			t.Errorf("%s: the name is NNNNN_what.sql", path)
		}
		if !strings.Contains(string(text), "-- +goose Up\n") || strings.Contains(string(text), "-- +goose Down") ||
			strings.Contains(string(text), "NO TRANSACTION") && !strings.Contains(string(text), "INDEX CONCURRENTLY") {
			t.Errorf("%s: one part, Up, in a transaction", path)
		}
	})
}
