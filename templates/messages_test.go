package templates

import (
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Ids that are put together while rendering: by their prefix.
var composed = []string{"problem.", "notice.", "scope.", "steps.mfa_", "mail.", "form.", "request.", "setup.gone.", "device_code.", "reset.", "explain.", "activity.", "trail.", "admin.room.", "admin.keys.state.", "admin.client.", "admin.tokens.", "admin.policy.", "admin.role.", "admin.deed.", "admin.bulk.", "admin.export.column.", "admin.import.column.",
	"admin.preview.row.", "admin.people.column.", "admin.link.lead."}

func TestEveryIDIsThereAndUsed(t *testing.T) {
	s := newSet(t, Options{})
	used := map[string]bool{"duration.seconds": true}
	call := regexp.MustCompile(`(?:\{\{-?|\()\s*t "([a-z0-9_.]+)"`)
	inGo := regexp.MustCompile(`"([a-z_]+\.[a-z0-9_.]+)"`)
	for _, pattern := range []string{"*.html", "*.txt", "*.go", "../console/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			find := call
			if strings.HasSuffix(file, ".go") {
				find = inGo
			}
			for _, m := range find.FindAllStringSubmatch(string(text), -1) {
				used[m[1]] = true
				if find == call && !s.texts.ids[m[1]] {
					t.Errorf("%s: no message %q", file, m[1])
				}
			}
		}
	}
	for id := range s.texts.ids {
		dynamic := slices.ContainsFunc(composed, func(p string) bool { return strings.HasPrefix(id, p) })
		if !used[id] && !dynamic {
			t.Errorf("message %q is not used", id)
		}
	}
}

// Ids that other packages choose are in the catalogue too.
func TestHandlersChooseWhatIsThere(t *testing.T) {
	s := newSet(t, Options{})
	chosen := regexp.MustCompile(`"((?:problem|notice|request|form|setup|reset)\.[a-z0-9_.]*[a-z0-9])"|(?:Title|Text|Label): +"([a-z_]+\.[a-z_.]+)"`)
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range chosen.FindAllStringSubmatch(string(text), -1) {
			if id := m[1] + m[2]; !s.texts.ids[id] {
				t.Errorf("%s: no message %q", file, id)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The head of the catalogue is what handlers choose problems from: it names each of them.
func TestProblemsAreListed(t *testing.T) {
	files, err := filepath.Glob("messages/*en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"problem.unknown": true, "problem.tries_left": true, "problem.wait": true, "problem.pair.single": true, "problem.enrol.clock_zone": true}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				break
			}
			if _, ids, ok := strings.Cut(line[1:], "   "); ok {
				for _, id := range strings.Fields(ids) {
					listed["problem."+id] = true
				}
			}
		}
	}
	s := newSet(t, Options{})
	for _, id := range slices.Sorted(maps.Keys(s.texts.ids)) {
		if strings.HasPrefix(id, "problem.") && !listed[id] {
			t.Errorf("%s is not listed at the head", id)
		}
	}
	said := map[string]string{}
	for id := range listed {
		if !s.texts.ids[id] {
			continue // a word of the explanation
		}
		words := s.texts.problem("en", id, map[string]any{"Wait": time.Minute, "Offset": 6 * time.Minute, "Help": "H",
			"Name": "N", "Other": "O", "Min": 8, "Max": 5, "Count": 1})
		if strings.Contains(words, "<no value>") || !strings.HasSuffix(words, ".") && !strings.HasSuffix(words, "recover") {
			t.Errorf("%s says %q", id, words)
		}
		if other := said[words]; other != "" && !strings.HasSuffix(id, ".malformed") {
			t.Errorf("%s and %s say the same", id, other)
		}
		said[words] = id
	}
}

func TestProblemWords(t *testing.T) {
	s := newSet(t, Options{})
	tests := []struct {
		id   string
		args map[string]any
		want []string
	}{
		{"problem.throttled", map[string]any{"Wait": 59*time.Second + 1}, []string{"Wait 60 seconds,"}},
		{"problem.throttled", map[string]any{"Wait": 61 * time.Second}, []string{"Wait 2 minutes,"}},
		{"problem.throttled", map[string]any{"Wait": time.Minute}, []string{"Wait 1 minute,"}},
		{"problem.code.wrong", map[string]any{"Left": 1}, []string{"not right", "1 try left"}},
		{"problem.code.wrong", map[string]any{"Wait": time.Minute}, []string{"not right", "Wait 1 minute before"}},
		{"problem.code.wrong", map[string]any{"Left": 3}, []string{"3 tries left"}},
		{"problem.code.clock", map[string]any{"Offset": -6*time.Minute - 10*time.Second}, []string{"clock", "about 6 minutes slow"}},
		{"problem.enrol.clock", map[string]any{"Offset": 61 * time.Minute}, []string{"clock", "61 minutes fast", "time zone"}},
		{"problem.enrol.clock", map[string]any{"Offset": -2*time.Hour - 2*time.Minute}, []string{"2 hours and 2 minutes slow", "time zone"}},
		{"problem.enrol.other_entry", map[string]any{"Other": "Tablet"}, []string{`"Tablet"`}},
		{"problem.no_such", nil, []string{"did not work"}},
	}
	for _, test := range tests {
		got := s.texts.problem("en", test.id, test.args)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s %v says %q, want %q in it", test.id, test.args, got, want)
			}
		}
	}
	if got := s.texts.problem("en", "problem.enrol.clock", map[string]any{"Offset": 25 * time.Minute}); strings.Contains(got, "zone") {
		t.Errorf("25 minutes are no time zone: %s", got)
	}
	if got := s.texts.problem("en", "problem.code.wrong", map[string]any{"Left": 0}); strings.Contains(got, "left") {
		t.Errorf("no tries left, yet %s", got)
	}
}

func TestWords(t *testing.T) {
	c := newSet(t, Options{}).texts
	durations := map[time.Duration]string{time.Second: "1 second", 90 * time.Minute: "90 minutes", time.Hour: "1 hour", time.Hour - time.Second: "1 hour", time.Hour + time.Second: "61 minutes",
		91 * time.Minute: "2 hours", 720 * time.Hour: "30 days", 49 * time.Hour: "3 days"}
	for d, want := range durations {
		if got := c.duration("en", d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	offsets := map[time.Duration]string{45 * time.Second: "about 45 seconds fast", -90 * time.Second: "about 2 minutes slow",
		14 * time.Hour: "about 14 hours fast"}
	for d, want := range offsets {
		if got := c.offset("en", d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := c.date("en", noon.In(time.FixedZone("", 3600))); got != "24 November 2026, 12:00 UTC" {
		t.Errorf("moment %q", got)
	}
	r := httptest.NewRequest("GET", "/?ui_locales=%00+tlh", nil)
	r.Header.Set("Accept-Language", ";;;")
	if got := c.match(r); got != "en" || c.direction("ar") != "rtl" || c.direction("en") != "ltr" {
		t.Errorf("language %q", got)
	}
}
