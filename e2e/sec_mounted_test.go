package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/console"
)

// secRoute is a mounted pattern.
type secRoute struct{ method, path string }

// secRoutes are the patterns that the provider mounts, read from the source: a route that is added tomorrow is in all
// generated tests tomorrow.
var secRoutes = sync.OnceValues(func() ([]secRoute, error) {
	var found []secRoute
	for _, folder := range []string{"..", "../oauth", "../login", "../profile", "../console", "../mfa/mfahttp"} {
		routes, err := secMounted(folder)
		if err != nil {
			return nil, err
		}
		found = append(found, routes...)
	}
	for _, route := range console.Routes() { // a table, parts of which are computed
		method, path, _ := strings.Cut(route.Pattern, " ")
		found = append(found, secRoute{method, path})
	}
	slices.SortFunc(found, func(a, b secRoute) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return slices.Compact(found), nil
})

// secMounted finds the patterns ("GET /login", or "GET "+pathStart with the constant's value) in one package.
func secMounted(folder string) (found []secRoute, err error) {
	names, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		return nil, err
	}
	constants := map[string]string{}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 && len(spec.Values) == 1 {
				constants[spec.Names[0].Name] = secText(spec.Values[0], nil)
			}
			return true
		})
	}
	add := func(text string) {
		method, path, ok := strings.Cut(text, " ")
		if ok && strings.HasPrefix(path, "/") && method == strings.ToUpper(method) && method != "" {
			found = append(found, secRoute{method, path})
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if expression, ok := n.(ast.Expr); ok {
				add(secText(expression, constants))
			}
			// for _, path := range []string{…} { mux.HandleFunc("GET "+path, …) }: the settings' way back
			if loop, ok := n.(*ast.RangeStmt); ok {
				if list, ok := loop.X.(*ast.CompositeLit); ok && loop.Value != nil {
					for _, each := range list.Elts {
						add("GET " + secText(each, constants))
					}
				}
			}
			return true
		})
	}
	return found, nil
}

func secText(e ast.Expr, constants map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, _ := strconv.Unquote(e.Value)
			return text
		}
	case *ast.Ident:
		return constants[e.Name]
	case *ast.BinaryExpr:
		if left, right := secText(e.X, constants), secText(e.Y, constants); left != "" && right != "" {
			return left + right
		}
	}
	return ""
}

// secMustRoutes returns the routes, and fails when the reading of the source has gone blind.
func secMustRoutes(t *testing.T) []secRoute {
	t.Helper()
	routes, err := secRoutes()
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []secRoute{
		{"GET", "/login"}, {"POST", "/mfa"}, {"POST", "/consent"}, {"POST", "/account/mfa/off"}, {"GET", "/account/mfa/off"},
		{"GET", "/oauth2/authorize"}, {"POST", "/oauth2/token"}, {"GET", "/account"}, {"POST", "/setup"}, {"GET", "/livez"}, {"POST", "/login/passkey"}, {"POST", "/login/passkey/options"}, {"POST", "/mfa/passkey"},
		{"GET", "/account/mfa/passkeys/add"}, {"POST", "/account/mfa/passkeys/add"}, {"POST", "/account/mfa/passkeys/options"}, {"POST", "/account/mfa/passkeys/rename"},
		{"POST", "/account/mfa/passkeys/remove"}, {"GET", "/account/mfa/passkeys/remove"}, {"GET", "/.well-known/passkey-endpoints"},
	} {
		if !slices.Contains(routes, known) {
			t.Fatalf("%v is not among the %d routes found", known, len(routes))
		}
	}
	return routes
}
