package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
)

// TestSec_SS07_SessionsByCommand lists and ends sessions beside the server that they are at.
func TestSec_SS07_SessionsByCommand(t *testing.T) {
	i := serve(t)
	browsers := map[string]*idptest.Browser{}
	for _, name := range []string{"alice", "bob"} {
		i.idp("plum lantern river 42\n", "user", "add", name)
		b := idptest.NewBrowser(t, i.url)
		if page := b.Get("/account").Submit("login-submit", "username", name, "password", "plum lantern river 42"); page.URL.Path != "/account" {
			t.Fatalf("%s: %s", name, page.URL)
		}
		browsers[name] = b
	}
	list := func(name string) (views []sessionView) {
		t.Helper()
		if err := json.Unmarshal([]byte(i.idp("", "user", "sessions", name, "--output", "json")), &views); err != nil {
			t.Fatal(err)
		}
		return views
	}
	hers, his := list("alice"), list("bob")
	if len(hers) != 1 || len(his) != 1 || hers[0].ID == his[0].ID {
		t.Fatalf("%+v %+v", hers, his)
	}
	if v := hers[0]; !slices.Equal(v.AMR, []string{"pwd"}) || v.Address != "127.0.0.1" || !strings.Contains(v.Agent, "Firefox") ||
		v.AuthTime.IsZero() || v.SeenAt.IsZero() || !v.ExpiresAt.After(v.AuthTime) {
		t.Errorf("%+v", v)
	}
	if text := i.idp("", "user", "sessions", "alice"); !strings.Contains(text, hers[0].ID+"  Firefox Linux  127.0.0.1  pwd") {
		t.Error(text)
	}
	refused := func(name, id string) string {
		t.Helper()
		var out, stderr bytes.Buffer
		status := run(t.Context(), []string{"user", "end-session", name, id}, strings.NewReader(""), &out, &stderr, i.getenv)
		if status != 1 || out.Len() != 0 {
			t.Errorf("%s, %s: %d %s", name, id, status, out.String())
		}
		return stderr.String()
	}
	if foreign, unknown := refused("alice", his[0].ID), refused("alice", "unknown"); foreign != unknown {
		t.Errorf("%q and %q", foreign, unknown)
	}
	if out := i.idp("", "user", "end-session", "alice", hers[0].ID); out != "session ended: alice\n" {
		t.Error(out)
	}
	if page := browsers["alice"].Get("/account"); page.URL.Path != "/login" {
		t.Errorf("the session goes on at %s", page.URL)
	}
	if page := browsers["bob"].Get("/account"); page.URL.Path != "/account" {
		t.Errorf("bob is at %s", page.URL)
	}
	if again := refused("alice", hers[0].ID); !strings.Contains(again, "no such session") {
		t.Error(again)
	}
}
