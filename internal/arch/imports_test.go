package arch

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/focushq/idp"

// rule says which of our packages one package may import, and why it is so. An entry that ends in "/..." allows a whole
// tree; "*" allows everything but packages for tests.
type rule struct {
	pkg string
	may string
	why string
}

var rules = []rule{
	// Leaves.
	{"internal/dbx", "", "one SQL text on two engines; knows no table"},
	{"internal/seal", "", "encrypts what it is given"},
	{"internal/throttle", "", "counts through an interface of its own"},
	{"internal/cookie", "", "one manner for all cookies"},
	{"internal/cursor", "", "seals places of lists; knows no list"},
	{"internal/mail", "internal/dbx", "the outbox is a table"},
	{"internal/tracing", "", "sends spans; knows routes and names of statements"},
	{"internal/backup", "internal/dbx internal/seal migrations", "rows and keys in one file; which tables there are, the schema says"},
	{"internal/arch", "", "tests only"},
	{"internal/secrows", "", "a program over the sources"},
	{"internal/vulngate", "", "a program over a scanner's output"},
	{"internal/focushq", "", "a relying party knows a provider by its URLs only"},
	{"migrations", "", "the schema; tables' owners import it through the assembly"},
	{"templates", "", "pages are filled with what they are given"},

	// Domains. They never import each other: what joins them is a func field that idp sets.
	{"oauth", "internal/cursor internal/dbx internal/seal internal/cookie internal/throttle", "the protocol; asks who somebody is through Interaction"},
	{"account", "internal/cursor internal/dbx internal/throttle", "who may sign in"},
	{"session", "internal/dbx internal/cookie", "which browser is signed in"},
	{"consent", "internal/dbx", "who decided what for which client"},
	{"audit", "internal/cursor internal/dbx", "what happened"},
	{"brand", "internal/dbx", "how the provider presents itself"},
	{"mfa", "internal/throttle", "pluggable into a stranger's server: no web, no database"},

	// Satellites of mfa: whoever plugs it in chooses them one by one.
	{"mfa/mfasql", "mfa internal/dbx", "its store"},
	{"mfa/mfapasskey", "mfa internal/dbx", "a factor, with its tables"},
	{"mfa/mfahttp", "mfa internal/cookie", "its pages; knows neither SQL nor OAuth"},
	{"mfa/mfatest", "mfa", "a phone and conformance tests"},
	{"mfa/mfapasskey/passkeytest", "", "a browser with an authenticator; knows the standard only"},

	// Across the domains, without a page.
	{"admin", "account audit brand consent internal/mail mfa oauth session templates", "what administrators may do, and who may do it; templates for the letters' data, mail for a trial's"},

	// Pages.
	{"login", "account audit consent mfa mfa/mfahttp oauth session templates internal/cookie internal/throttle",
		"between an authorization request and its answer; throttle for the error that account returns"},
	{"profile", "account admin audit mfa oauth session templates internal/throttle", "a person's own pages; the step-up they need from login is a func field"},

	{"console", "account admin audit brand internal/dbx internal/mail mfa oauth session templates", "administrators' pages, over the desk; a client of the provider like others; brand and mail for what a form changes and a trial told"},
	{"api", "account admin audit brand internal/dbx internal/throttle mfa oauth session", "programs' way to the desk; the domains for their types and errors"},

	// Assembly.
	{"", "account admin api audit brand consent console login mfa mfa/mfahttp mfa/mfapasskey mfa/mfasql migrations oauth profile session templates internal/cookie " +
		"internal/backup internal/dbx internal/mail internal/seal internal/throttle internal/tracing", "the one place that wires"},
	{"cmd/idp", "*", "commands, each over the assembly"},

	// For tests.
	{"internal/dbxtest", "internal/dbx migrations", "fresh databases, whose round trips can be counted"},
	{"internal/htmlcheck", "", "judges pages"},
	{"idptest", "* mfa/mfatest internal/dbxtest", "a provider for relying parties' tests"},
	{"e2e", "* idptest mfa/mfatest internal/dbxtest internal/htmlcheck", "the binary in a browser"},
	{"replicas", "* idptest mfa/mfatest internal/dbxtest", "the binary as several processes on one database"},
	{"conformance", "* idptest", "the official plans, over HTTPS"},
	{"interop", "* idptest mfa/mfatest", "relying parties of others at a provider; tests only"},
	{"bench", "* internal/dbxtest mfa/mfatest", "a command that measures the binary, with a server of its own and people who have phones"},
	{"bench/fill", "*", "crowds, made by the assembly and multiplied in the tables"},
	{"bench/seed", "bench/fill", "a command over bench/fill"},
	{"bench/scale", "* bench/fill internal/dbxtest", "a command that measures the assembly over crowds, on a server of its own"},
	{"examples/fosite", "mfa mfa/mfahttp mfa/mfapasskey mfa/mfasql migrations", "a stranger's server"},
	{"examples/rp", "", "a stranger's relying party"},
}

// forTests are our packages that only tests may import, and that may import package testing.
var forTests = []string{"internal/dbxtest", "internal/htmlcheck", "mfa/mfatest", "mfa/mfapasskey/passkeytest", "idptest", "e2e", "conformance", "replicas", "bench", "bench/fill", "bench/seed", "bench/scale"}

// foreign says where a package of others may be imported directly.
var foreign = []struct{ pkg, only, why string }{
	{"net/http", "oauth session api audit brand mfa/mfahttp login profile console templates idptest internal/cookie internal/focushq internal/htmlcheck internal/tracing " +
		"internal/mail e2e cmd/idp bench bench/fill bench/scale examples/fosite examples/rp", "domains can be tested and reused without a web server"},
	{"github.com/danielgtaylor/huma/v2/...", "api", "one package is described by OpenAPI"},
	{"github.com/ory/fosite/...", "oauth login examples/fosite", "one package knows the OAuth library; login its error values"},
	{"github.com/jmoiron/sqlx", "bench/fill internal/backup internal/dbx internal/dbxtest migrations mfa/mfasql mfa/mfapasskey examples/fosite cmd/idp", "SQL goes through dbx"},
	{"github.com/lib/pq/...", "internal/dbx internal/dbxtest cmd/idp", "dbx tells the engines apart"},
	{"modernc.org/...", "internal/dbx cmd/idp examples/fosite", "dbx tells the engines apart"},
	{"github.com/pressly/goose/v3/...", "migrations", "one place migrates"},
	{"github.com/tink-crypto/tink-go/v2/...", "internal/seal", "one place holds keys"},
	{"go.opentelemetry.io/otel/...", "internal/tracing", "one package traces, so that one place decides what is told"},
	{"github.com/skip2/go-qrcode", "mfa mfa/mfahttp", "one function draws QR codes"},
	{"github.com/go-webauthn/webauthn/...", "mfa/mfapasskey", "one package knows the WebAuthn library"},
	{"github.com/HdrHistogram/hdrhistogram-go", "bench", "one program measures latencies"},
	{"math/rand", "", "every random number here is a secret or an identifier: crypto/rand"},
	{"math/rand/v2", "", "as above"},
	{"unsafe", "", "nothing here is that urgent"},
}

// unreachable says what a package must not reach, not even through others.
var unreachable = []struct{ pkg, never, why string }{
	{"mfa", "net/http database/sql github.com/jmoiron/sqlx github.com/ory/fosite", "it fits into any server, over any store"},
	{"mfa/mfahttp", "database/sql github.com/jmoiron/sqlx github.com/ory/fosite", "it fits into any server, over any store"},
	{"account", "github.com/ory/fosite", "a domain"},
	{"session", "github.com/ory/fosite", "a domain"},
	{"internal/focushq", "github.com/ory/fosite", "a relying party shares no code with its provider"},
}

// pkg is one package as `go list` sees it.
type pkg struct {
	ImportPath string
	Imports    []string // of files that aren't tests
	Deps       []string
	Error      *struct{ Err string }
}

// name is the path below the module's root, "" for the root itself.
func (p pkg) name() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

// packages lists the module's packages. Errors in a package are for the compiler to report.
func packages(t *testing.T) []pkg { return list(t, "./...") }

// list lists packages with what they import and reach.
func list(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,Deps,Error"}, patterns...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p pkg
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// matches reports whether path is one of the blank-separated patterns.
func matches(path, patterns string) bool {
	for pattern := range strings.FieldsSeq(patterns) {
		tree, isTree := strings.CutSuffix(pattern, "/...")
		if path == pattern || isTree && (path == tree || strings.HasPrefix(path, tree+"/")) {
			return true
		}
	}
	return false
}

func TestImportsOfOurs(t *testing.T) {
	for _, p := range packages(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.pkg == p.name() })
		if i < 0 {
			t.Errorf("%s has no row in the table", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			ours, ok := strings.CutPrefix(path, module)
			if !ok {
				continue
			}
			ours = strings.TrimPrefix(ours, "/")
			all := strings.HasPrefix(rules[i].may, "*") && !slices.Contains(forTests, ours)
			if !all && (ours == "" || !matches(ours, rules[i].may)) {
				t.Errorf("%s imports %s\n\t%s", p.ImportPath, path, rules[i].why)
			}
		}
	}
}

func TestImportsOfOthers(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			for _, f := range foreign {
				if matches(path, f.pkg) && p.name() != "" && !matches(p.name(), f.only) {
					t.Errorf("%s imports %s\n\t%s", p.ImportPath, path, f.why)
				}
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	for _, p := range packages(t) {
		for _, u := range unreachable {
			for _, path := range p.Deps {
				if p.name() == u.pkg && matches(path, u.never) {
					t.Errorf("%s reaches %s\n\t%s", p.ImportPath, path, u.why)
				}
			}
		}
	}
}

// TestSec_SC03_NoTestingCodeIsLinked: neither our packages nor the binary carry test doubles, debug handlers or cloud
// clients. The OAuth library brings some test doubles along, which nobody can take out from here; we add none.
func TestSec_SC03_NoTestingCodeIsLinked(t *testing.T) {
	const (
		never = "net/http/pprof google.golang.org/grpc/... pgregory.net/rapid/... github.com/google/go-cmp/... " +
			"github.com/rogpeppe/go-internal/... github.com/chromedp/... github.com/ory/x/..."
		neverOurs = "testing/... net/http/httptest github.com/stretchr/testify/... go.uber.org/mock/... github.com/ory/fosite/storage"
		shim      = "github.com/ory/x/errorsx github.com/ory/x/otelx github.com/ory/x/randx" // our own, in third_party
	)
	var brought []string
	for _, p := range list(t, "github.com/ory/fosite/handler/oauth2") {
		brought = append(brought, p.Deps...)
	}
	for _, p := range packages(t) {
		if slices.Contains(forTests, p.name()) || strings.HasPrefix(p.name(), "examples/") {
			continue
		}
		viaFosite := slices.Contains(p.Deps, "github.com/ory/fosite/handler/oauth2")
		for _, path := range p.Deps {
			ours := strings.TrimPrefix(path, module+"/")
			switch {
			case matches(path, shim), matches(path, neverOurs) && viaFosite && slices.Contains(brought, path):
			case matches(path, never), matches(path, neverOurs), slices.Contains(forTests, ours):
				t.Errorf("%s links %s", p.ImportPath, path)
			}
		}
		for _, path := range p.Imports {
			// The metrics library links expvar, whose handler hangs on a mux that nobody serves.
			if matches(path, neverOurs) || path == "expvar" {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
	}
}

// The pages before an authorization speak OAuth only by naming what went wrong.
func TestLoginKnowsOnlyErrorsOfFosite(t *testing.T) {
	for _, f := range sources(t) {
		if f.pkg != "login" || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := selector.X.(*ast.Ident)
			if ok && x.Name == "fosite" && !regexp.MustCompile("^Err|^RFC6749Error$").MatchString(selector.Sel.Name) {
				t.Errorf("%s: fosite.%s", f.at(n), selector.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryRuleIsASentence(t *testing.T) {
	for _, r := range rules {
		if r.why == "" || filepath.ToSlash(filepath.Clean("/" + r.pkg))[1:] != r.pkg {
			t.Errorf("rule %+v", r)
		}
	}
}
