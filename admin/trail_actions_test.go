package admin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/templates"
)

// composedActions are put together at run time, of a factor's name and what happened to it; all others stand in the source.
var composedActions = []string{
	"mfa.passkey_accepted", "mfa.passkey_added", "mfa.passkey_cloned", "mfa.passkey_refused", "mfa.passkey_removed", "mfa.passkey_renamed",
}

// The list of what the trail may hold is complete: it is compared with every event that the source names.
func TestSec_AU01_EveryActionIsListed(t *testing.T) {
	listed := map[string]string{}
	for _, g := range admin.TrailGroups() {
		for _, action := range g.Actions {
			if other := listed[action]; other != "" {
				t.Errorf("%s is in %s and in %s", action, other, g.ID)
			}
			listed[action] = g.ID
		}
		if name := templates.English("trail.group."+g.ID, nil); strings.HasPrefix(name, "trail.") {
			t.Errorf("the group %s has no name", g.ID)
		}
	}
	named := actionsOfTheSource(t)
	if len(named) < 60 {
		t.Fatalf("only %v", named)
	}
	for _, action := range named {
		if listed[action] == "" {
			t.Errorf("%s is recorded, and stands in no group of admin.TrailGroups", action)
		}
		delete(listed, action)
	}
	for action := range listed {
		t.Errorf("%s is listed, and nothing records it", action)
	}
}

// Every action has words, which pages show.
func TestEveryActionHasWords(t *testing.T) {
	for _, g := range admin.TrailGroups() {
		for _, action := range g.Actions {
			for _, result := range []string{"", "refused"} {
				e := audit.Entry{Event: audit.Event{Action: action, Result: result}}
				if text := admin.TrailWords(e).String(); strings.HasPrefix(text, "trail.") || strings.Contains(text, "<no value>") || text == "" {
					t.Errorf("%s %s: %q", action, result, text)
				}
			}
		}
	}
	for _, e := range []audit.Event{
		{Action: "sign_in", Result: "password", Detail: map[string]string{"browser": "new"}}, {Action: "sign_in", Result: "passkey"},
		{Action: "sign_in", Result: "passkey", Detail: map[string]string{"browser": "new"}}, {Action: "sign_in", Result: "factor"},
		{Action: "sign_in", Result: "refused", Detail: map[string]string{"with": "passkey"}},
		{Action: "sign_in", Result: "refused", Detail: map[string]string{"cause": "disabled"}}, {Action: "sign_in.asked", Result: "enroll"},
		{Action: "consent", Result: "allowed"}, {Action: "consent", Result: "denied"}, {Action: "oauth.device_answered", Detail: map[string]string{"answer": "allowed"}},
		{Action: "oauth.device_answered", Detail: map[string]string{"answer": "refused"}}, {Action: "of another", Result: "release"},
	} {
		if text := admin.TrailWords(audit.Entry{Event: e}).String(); strings.HasPrefix(text, "trail.") || strings.HasPrefix(text, "explain.") {
			t.Errorf("%+v: %q", e, text)
		}
	}
}

// actionForm is what an action looks like.
var actionForm = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)*$`)

// actionsOfTheSource returns the actions that the source names: constants called Event… and of mfa.Kind, and the actions of
// events that are written where they happen.
func actionsOfTheSource(t *testing.T) []string {
	t.Helper()
	found := slices.Clone(composedActions)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{"examples", "e2e", "interop", "conformance", "third_party", "idptest", "testdata", ".git"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			found = append(found, actionsAt(n, file.Name.Name)...)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func actionsAt(n ast.Node, pkg string) (found []string) {
	text := func(e ast.Expr) string {
		literal, ok := e.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return ""
		}
		value, _ := strconv.Unquote(literal.Value)
		return value
	}
	switch n := n.(type) {
	case *ast.ValueSpec:
		kind, _ := n.Type.(*ast.Ident)
		for i, name := range n.Names {
			if i >= len(n.Values) {
				break
			}
			value := text(n.Values[i])
			switch {
			case kind != nil && kind.Name == "Kind" && pkg == "mfa":
				found = append(found, "mfa."+value)
			case strings.HasPrefix(strings.ToLower(name.Name), "event") && actionForm.MatchString(value):
				found = append(found, value)
			}
		}
	case *ast.CompositeLit:
		kind, ok := n.Type.(*ast.SelectorExpr)
		if !ok || kind.Sel.Name != "Event" {
			return nil
		}
		for _, element := range n.Elts {
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Action" && actionForm.MatchString(text(pair.Value)) {
				found = append(found, text(pair.Value))
			}
		}
	}
	return found
}
