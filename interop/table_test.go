package interop

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// write renews the document: go test ./interop -args -write.
var write = flag.Bool("write", false, "write the results to docs/interop.md")

// table is what came of the scenarios, and how it is written down.
type table struct {
	parties   []party
	providers []provider
	mu        sync.Mutex
	versions  map[string]string
	results   map[result]bool
}

type result struct{ party, provider, scenario string }

func newTable(parties []party, providers []provider) *table {
	return &table{parties: parties, providers: providers, versions: map[string]string{}, results: map[result]bool{}}
}

// version notes which version of a relying party runs.
func (x *table) version(party, version string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.versions[party] = version
}

// note notes what came of a scenario.
func (x *table) note(r result, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.results[r] = ok
}

// complete reports whether every scenario has run: with -run, only some of them do.
func (x *table) complete() bool {
	for _, p := range x.parties {
		for _, op := range x.providers {
			for _, s := range p.scenarios() {
				if _, ran := x.results[result{p.name, op.name(), s.name}]; !ran {
					return false
				}
			}
		}
	}
	return true
}

// check fails unless docs/interop.md says what has just been seen.
func (x *table) check(t *testing.T) {
	t.Helper()
	file := filepath.Join("..", "docs", "interop.md")
	if !x.complete() {
		if *write {
			t.Error("only some scenarios have run: there is nothing to write")
		}
		return
	}
	if *write {
		if err := os.WriteFile(file, []byte(x.document()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	said, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range x.parties { // another release of the system brings another version of these
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(p.name) + ` \| ([^|]+) \|`).FindSubmatch(said)
		if p.system && row != nil {
			x.versions[p.name] = string(row[1])
		}
	}
	if string(said) != x.document() {
		t.Errorf("docs/interop.md says something else: see the difference after `go test ./interop -args -write`\n%s", x.document())
	}
}

// document returns the text of docs/interop.md.
func (x *table) document() string {
	var out strings.Builder
	out.WriteString(`# Interoperability

Relying parties that others wrote, unchanged, and what came of them. ` + "`go test ./interop`" + ` runs all of this: each of them
first with oidc-provider, which is certified, so that a failure points at the right side, then with ours. The test fails when this
page says anything else than what it has just seen; ` + "`go test ./interop -args -write`" + ` renews it.

`)
	for i := len(x.providers) - 1; i >= 0; i-- { // ours first
		op := x.providers[i]
		fmt.Fprintf(&out, "## With %s\n\n", op.title())
		x.section(&out, op)
		out.WriteString("\n")
	}
	out.WriteString("`–`: the client does not offer that; see below.\n\n## What each column shows\n\n")
	for _, s := range slices.Concat(scenarios(), extras()) {
		fmt.Fprintf(&out, "- **%s**: %s.\n", s.title, s.shows)
	}
	out.WriteString("\nWhenever somebody is signed in, `amr` and `acr` are compared with what they did: `pwd` and `aal1`,\n" +
		"or `pwd` `otp` `mfa` and `aal2`.\n")
	out.WriteString("\n## What a client does not offer\n\n")
	for _, p := range x.parties {
		for _, s := range scenarios() {
			if why := p.lacks[s.name]; why != "" {
				fmt.Fprintf(&out, "- %s, %s: %s.\n", p.name, s.title, why)
			}
		}
	}
	return out.String()
}

// section writes the table of one provider.
func (x *table) section(out *strings.Builder, op provider) {
	columns := []string{"client", "version", "language", "authenticates by"}
	for _, s := range scenarios() {
		columns = append(columns, s.title)
	}
	columns = append(columns, "also")
	fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, p := range x.parties {
		row := []string{p.name, x.versions[p.name], p.language, p.authenticates()}
		for _, s := range scenarios() {
			row = append(row, x.cell(p, op, s))
		}
		var also []string
		for _, s := range extras() {
			switch x.cell(p, op, s) {
			case "ok":
				also = append(also, s.title)
			case "fails":
				also = append(also, s.title+" fails")
			}
		}
		fmt.Fprintf(out, "| %s | %s |\n", strings.Join(row, " | "), strings.Join(also, ", "))
	}
}

func (x *table) cell(p party, op provider, s scenario) string {
	switch ok, ran := x.results[result{p.name, op.name(), s.name}]; {
	case !ran:
		return "–"
	case ok:
		return "ok"
	}
	return "fails"
}
