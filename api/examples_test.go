package api_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/focushq/idp/api"
)

const manual = "../docs/api.md"

// TestTheManualsExamplesRun runs the manual's commands one after the other, in one shell.
func TestTheManualsExamplesRun(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: install it (make deps)", err)
		}
	}
	f := start(t)
	for _, name := range []string{"alice", "carol", "dave"} {
		f.AddUser(name)
	}
	m := f.Machine("script", everything()...)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		script.WriteString(block[1] + "echo ---\n")
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(script.String(), "/tmp/headers", t.TempDir()+"/headers"))
	cmd.Env = append(os.Environ(), "IDP="+f.Issuer, "CLIENT_ID="+m.ID, "CLIENT_SECRET="+m.Secret)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, failed.String())
	}
	parts := strings.Split(string(out), "---\n")
	bob := f.call("GET", "/people?text=bob", nil)
	var found struct{ Items []struct{ ID string } }
	bob.into(t, &found)
	for i, want := range []string{"", "alice\n", found.Items[0].ID + "\n", "alice\nbob\ncarol\ndave\n", "Robert Example\n", "201\n201\n", ""} {
		if parts[i] != want {
			t.Errorf("example %d says %q instead of %q", i+1, parts[i], want)
		}
	}
}

// TestTheManualExplainsEveryProblem: a kind is a promise.
func TestTheManualExplainsEveryProblem(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range api.Problems() {
		if !strings.Contains(string(text), row) {
			t.Errorf("%s has no row like %q", manual, row)
		}
	}
	for _, scope := range everything() {
		if !strings.Contains(string(text), "| `"+scope+"` |") {
			t.Errorf("%s does not explain %s", manual, scope)
		}
	}
	if rows := strings.Count(string(text), "` | 4") + strings.Count(string(text), "` | 5"); rows != len(api.Problems()) {
		t.Errorf("%d rows, %d kinds", rows, len(api.Problems()))
	}
}
