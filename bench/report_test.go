package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	s, err := parseStat("4711 (a) b (c) S 42 4711 4711 0 -1 4194560 900 0 0 0 150 25 10 5 20 0 9 0 100 1 1")
	if err != nil || s != (stat{parent: 42, own: 1750 * time.Millisecond, children: 150 * time.Millisecond}) {
		t.Errorf("%+v %v", s, err)
	}
	for _, bad := range []string{"", "1 (x) S", "1 (x) S a b c d e f g h i j k l m n o p"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTree(t *testing.T) {
	all := map[int]stat{1: {}, 2: {parent: 1}, 3: {parent: 2}, 4: {parent: 1}, 5: {parent: 4}}
	if got := tree(all, 2); len(got) != 2 {
		t.Error(got)
	}
	if got := tree(all, 1); len(got) != 5 {
		t.Error(got)
	}
}

// sampled are results as a run may have them: a code flow that costs 0.86 beside 1.29, and a refresh that is too dear.
func sampled() *results {
	return &results{Rows: []row{
		{"code", "code", onPostgres, figures{Server: 0.5, Database: 0.36, Work: &work{Statements: 5, Transactions: 2, WAL: 6000, Syncs: 1.2}}},
		{"code", "code", peerName, figures{Server: 1.29}},
		{"refresh", "refresh", onPostgres, figures{Server: 0.9}},
		{"refresh", "refresh", peerName, figures{Server: 0.9}},
	}}
}

func TestReportSaysWhatWasMissed(t *testing.T) {
	text := sampled().report()
	for _, row := range []string{
		"| code | 10.43 | 1.29 | 0.860 | 1/12.1, at most 1/10.0: met | 1/1.5, at most 1/1.5: met |",
		"times 1.00,",
		"| refresh | 7.19 | 0.90 | 0.900 | 1/8.0, at most 1/12.0: **missed**: 1.50 × as much | 1/1.0, at most 1/1.5: **missed**: 1.50 × as much |",
		"| syncs of the database in a whole code flow | 1.20 | 2 | met |",
		"| code | 5.00 | 2.00 | 6000 | 1.20 |",
	} {
		if !strings.Contains(text, row) {
			t.Errorf("%s is not in\n%s", row, text)
		}
	}
}

// TestSmallTablesMayBeReadAsAWhole: only what is read of a table that is big counts.
func TestSmallTablesMayBeReadAsAWhole(t *testing.T) {
	var r results
	r.scanned(map[string]table{"grown": {scans: 3, read: 5000, live: 2}}, map[string]table{
		"grown": {scans: 5, read: 5010, live: 9000}, "read": {scans: 1, read: 2000, live: 2000}, "small": {scans: 900, read: 9000, live: 10},
	})
	if len(r.Big) != 2 || len(r.Scans) != 1 || r.Scans[0] != "read (1 times, 2000 rows)" {
		t.Errorf("%v %v", r.Big, r.Scans)
	}
}

func TestReportReplacesItsPartAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	for _, before := range []string{"", "something old\n"} {
		if err := os.WriteFile(path, []byte("# Head\n"+begin+"\n"+before+end+"\nTail\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := sampled().write(path); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(path)
		if !strings.HasPrefix(string(text), "# Head\n"+begin+"\n") || !strings.HasSuffix(string(text), "\n"+end+"\nTail\n") ||
			strings.Contains(string(text), "old") || !strings.Contains(string(text), "### Targets") {
			t.Errorf("%s", text)
		}
	}
	if err := os.WriteFile(path, []byte("# Head\n"), 0o644); err != nil || sampled().write(path) == nil {
		t.Errorf("a document without the marks was written (%v)", err)
	}
	if text, err := os.ReadFile("../docs/performance.md"); err != nil || strings.Count(string(text), begin+"\n") != 1 || strings.Count(string(text), end+"\n") != 1 {
		t.Errorf("docs/performance.md has not one measured part: %v", err)
	}
}

// TestThePeerIsPinned: what is installed from npm is one exact version of everything, known by its checksum, and nothing of it
// runs when it is installed.
func TestThePeerIsPinned(t *testing.T) {
	var lock struct {
		Packages map[string]struct{ Version, Integrity, Resolved, License string }
	}
	text, err := os.ReadFile("oidc-provider/package-lock.json")
	if err == nil {
		err = json.Unmarshal(text, &lock)
	}
	if err != nil {
		t.Fatal(err)
	}
	free := regexp.MustCompile(`^(0BSD|Apache-2\.0|BSD-[23]-Clause|ISC|MIT)$`)
	for path, p := range lock.Packages {
		if path != "" && (p.Version == "" || p.Resolved != "" || !strings.HasPrefix(p.Integrity, "sha512-") || !free.MatchString(p.License)) {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if settings, err := os.ReadFile("oidc-provider/.npmrc"); err != nil || !strings.Contains(string(settings), "ignore-scripts=true\n") {
		t.Errorf(".npmrc lets packages run scripts: %s %v", settings, err)
	}
}
