package migrations_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// released returns the version of each stream that the last release has. Until there is one it stands for the state from which
// on the rule of [TestMigrationsOnlyAdd] holds.
func released(t *testing.T) map[string]int {
	t.Helper()
	file, err := os.Open("testdata/released.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := lines.Text(); line != "" && line[0] != '#' {
			var stream string
			var version int
			if _, err := fmt.Sscan(line, &stream, &version); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			out[stream] = version
		}
	}
	return out
}

var (
	makesTable = regexp.MustCompile(`(?i)\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	indexes    = regexp.MustCompile(`(?i)\bCREATE (UNIQUE )?INDEX (CONCURRENTLY IF NOT EXISTS )?.*? ON (\w+)`)
	alters     = regexp.MustCompile(`(?i)\bALTER TABLE (\w+) (.*)`)
	takesAway  = regexp.MustCompile(`(?i)^\s*(DROP TABLE|TRUNCATE|DELETE FROM|UPDATE)\b|\b(RENAME|DROP COLUMN|ALTER COLUMN|ADD CONSTRAINT|ADD PRIMARY KEY|DROP CONSTRAINT)\b`)
	demands    = regexp.MustCompile(`(?i)\bADD COLUMN\b.*\bNOT NULL\b`)
	defaults   = regexp.MustCompile(`(?i)\bDEFAULT\b`)
	remark     = regexp.MustCompile(`--[^\n]*`)
)

// narrows returns what a statement does that a program of the release before could not live with, "" for nothing. made are the
// tables of the same upgrade, which that program does not know.
func narrows(statement string, made map[string]bool) string {
	statement = strings.Join(strings.Fields(remark.ReplaceAllString(statement, "")), " ")
	if found := makesTable.FindStringSubmatch(statement); found != nil {
		made[found[1]] = true
	}
	if found := indexes.FindStringSubmatch(statement); found != nil && !made[found[3]] {
		switch {
		case found[1] != "":
			return "it makes something unique that it may write twice"
		case found[2] == "":
			return "it waits until the index is built: CREATE INDEX CONCURRENTLY IF NOT EXISTS"
		}
	}
	found := alters.FindStringSubmatch(statement)
	switch {
	case found != nil && made[found[1]]:
		return ""
	case takesAway.MatchString(statement):
		return "it takes away or changes what it uses"
	case demands.MatchString(statement) && !defaults.MatchString(statement):
		return "it demands a value that it does not write"
	}
	return ""
}

// alone tells whether a file, without its remarks, has nothing but indexes that are built beside those who write, or none of them:
// PostgreSQL builds them outside of a transaction, where a file that is interrupted is run again from its beginning.
func alone(up string) bool {
	var beside, others int
	for statement := range strings.SplitSeq(remark.ReplaceAllString(up, ""), ";") {
		if found := indexes.FindStringSubmatch(statement); found != nil && found[2] != "" {
			beside++
		} else if strings.TrimSpace(statement) != "" {
			others++
		}
	}
	return beside == 0 || others == 0
}

// While replicas are upgraded one by one, programs of the last release work on the new schema: what came since then adds, and keeps
// none of their writes waiting until an index is built. What is taken away goes with a release after the one that stopped using it;
// the statement then says so, in a comment "contracts: why".
func TestMigrationsOnlyAdd(t *testing.T) {
	last := released(t)
	files, err := filepath.Glob("*/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	made := map[string]bool{}
	for _, name := range files {
		var version int
		stream, file := filepath.Split(filepath.ToSlash(name))
		if _, err := fmt.Sscanf(file, "%d", &version); err != nil {
			t.Fatal(name, err)
		}
		if version <= last[strings.TrimSuffix(stream, "/")] {
			continue
		}
		text, err := fs.ReadFile(os.DirFS("."), filepath.ToSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		if outside := strings.Contains(up, "-- +goose NO TRANSACTION\n"); outside != strings.Contains(up, "INDEX CONCURRENTLY") || !alone(up) {
			t.Errorf("%s: indexes are built CONCURRENTLY in files of their own, and nothing else is done outside of a transaction", name)
		}
		for statement := range strings.SplitSeq(up, ";") {
			if why := narrows(statement, made); why != "" && !strings.Contains(statement, "-- contracts: ") {
				t.Errorf("%s: %s: %s", name, why, strings.TrimSpace(statement))
			}
		}
	}
}

func TestNarrows(t *testing.T) {
	for statement, want := range map[string]bool{
		"CREATE TABLE a (id TEXT PRIMARY KEY, n BIGINT NOT NULL)": false,
		"CREATE INDEX mine_n ON mine (n) WHERE n > 0":             false,
		"CREATE INDEX CONCURRENTLY IF NOT EXISTS b_n ON b (n)":    false,
		"DROP INDEX a_n": false, // slower is not wrong
		"ALTER TABLE b ADD COLUMN n BIGINT NOT NULL DEFAULT 0":         false,
		"ALTER TABLE b ADD COLUMN n BIGINT":                            false,
		"INSERT INTO a (id, n) SELECT id, 1 FROM b":                    false,
		"ALTER TABLE mine RENAME COLUMN x TO y":                        false,
		"CREATE UNIQUE INDEX mine_n ON mine (n)":                       false,
		"ALTER TABLE b ADD COLUMN n BIGINT NOT NULL":                   true,
		"-- DEFAULT\nALTER TABLE b\n\tADD COLUMN n\n\tBIGINT NOT NULL": true,
		"ALTER TABLE b DROP COLUMN n":                                  true,
		"alter table b rename to c":                                    true,
		"DROP TABLE b":                                                 true,
		"UPDATE b SET n = 1":                                           true,
		"DELETE FROM b":                                                true,
		"CREATE INDEX b_n ON b (n)":                                    true,
		"CREATE INDEX CONCURRENTLY b_n ON b (n)":                       true, // not to be done twice
		"CREATE UNIQUE INDEX b_n ON b (n)":                             true,
		"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS b_n ON b (n)":  true,
	} {
		if got := narrows(statement, map[string]bool{"mine": true}) != ""; got != want {
			t.Errorf("%q: %v, want %v", statement, got, want)
		}
	}
}

func TestAlone(t *testing.T) {
	for up, want := range map[string]bool{
		"-- +goose Up\nCREATE INDEX CONCURRENTLY IF NOT EXISTS b_n ON b (n);\n":                                  true,
		"CREATE TABLE a (id TEXT); CREATE INDEX a_id ON a (id)":                                                  true,
		"CREATE TABLE a (id TEXT); CREATE INDEX CONCURRENTLY IF NOT EXISTS b_n ON b (n);":                        false,
		"CREATE INDEX CONCURRENTLY IF NOT EXISTS b_n ON b (n); CREATE INDEX CONCURRENTLY IF NOT EXISTS b_m ON b": true,
	} {
		if got := alone(up); got != want {
			t.Errorf("%q: %v, want %v", up, got, want)
		}
	}
}
