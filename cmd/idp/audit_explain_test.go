package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
)

// TestExplainByCommand asks beside the server why a sign-in went the way it did, by the id of its event and by the person's name.
func TestExplainByCommand(t *testing.T) {
	i := serve(t)
	i.idp("plum lantern river 42\n", "user", "add", "alice")
	b := idptest.NewBrowser(t, i.url)
	page := b.Get("/account").Submit("login-submit", "username", "alice", "password", "wrong")
	page.Submit("login-submit", "username", "alice", "password", "plum lantern river 42")
	text := i.idp("", "audit", "explain", "alice")
	for _, want := range []string{"Asked for\n  No app asked: /account was to be opened.\n", "  The password was right.\n", "\nThe person was let in, to /account.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	var entries []struct{ ID, Action, Result string }
	if err := json.Unmarshal([]byte(i.idp("", "audit", "list", "--output", "json")), &entries); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, e := range entries {
		ids[strings.TrimSpace(e.Action+" "+e.Result)] = e.ID
	}
	var x struct {
		Asked   []struct{ ID, Text string }
		Steps   []struct{ ID, Action, Result string }
		Outcome struct{ Text string }
	}
	if err := json.Unmarshal([]byte(i.idp("", "audit", "explain", ids["sign_in password"], "--output", "json")), &x); err != nil {
		t.Fatal(err)
	}
	if len(x.Asked) != 1 || x.Asked[0].ID != "explain.asked.page" || len(x.Steps) != 1 || x.Steps[0].ID != ids["sign_in password"] || x.Outcome.Text == "" {
		t.Errorf("%+v", x)
	}
	if text := i.idp("", "audit", "explain", ids["sign_in refused"]); !strings.Contains(text, "A wrong password was refused.") {
		t.Error(text)
	}
	for arg, want := range map[string]string{ids["account.created"]: "no part of a sign-in", "nobody": "neither an event"} {
		var out, stderr bytes.Buffer
		status := run(t.Context(), []string{"audit", "explain", arg}, strings.NewReader(""), &out, &stderr, i.getenv)
		if status != 1 || out.Len() != 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: %d %s%s", arg, status, out.String(), stderr.String())
		}
	}
}
