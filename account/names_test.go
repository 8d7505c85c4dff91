package account

import (
	"strings"
	"testing"
)

func TestSec_PW11_Canonical(t *testing.T) {
	for in, want := range map[string]string{
		"ada": "ada", "ADA": "ada", " Ada\t": "ada", "Ａｄａ": "ada", "Straße": "strasse", "STRASSE": "strasse",
		"ﬁle": "file", "É": "é", "e\u0301": "é", "Σίσυφος": "σίσυφοσ", "ΣΊΣΥΦΟΣ": "σίσυφοσ", "①": "1", "": "", "\u00a0": "",
		"ada＠example.com": "ada@example.com", "İ": "i̇", "Ꭷ": "ꭷ", "ꭷ": "ꭷ",
	} {
		if got := Canonical(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"Ａｄａ", "\u1e9e", "\u0345a", "\xff", "ǰ", " \u3000x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once := Canonical(s); len(once) < 4*maxEmail && Canonical(once) != once {
			t.Errorf("%q: %q, then %q", s, once, Canonical(once))
		}
	})
}

func TestNamesThatAreRefused(t *testing.T) {
	f := onSQLite(t)
	tests := []struct {
		n    NewAccount
		want string
	}{
		{NewAccount{}, "username/empty"},
		{NewAccount{Username: " \u3000 "}, "username/empty"},
		{NewAccount{Username: "ada lovelace"}, "username/characters"},
		{NewAccount{Username: "ada\u202eb"}, "username/characters"},
		{NewAccount{Username: "ada\u200db"}, "username/characters"},
		{NewAccount{Username: "a\x00b"}, "username/characters"},
		{NewAccount{Username: "a\xffb"}, "username/characters"},
		{NewAccount{Username: strings.Repeat("a", 129)}, "username/too_long"},
		{NewAccount{Username: "bob@example.com"}, "username/at_sign"},
		{NewAccount{Username: "bob＠example.com"}, "username/at_sign"},
		{NewAccount{Username: "bob@example.com", Email: "eve@example.com"}, "username/at_sign"},
		{NewAccount{Username: "bob", Email: "bob"}, "email/format"},
		{NewAccount{Username: "bob", Email: "Bob <bob@example.com>"}, "email/format"},
		{NewAccount{Username: "bob", Email: "bob@example.com\r\nBcc: x@example.com"}, "email/format"},
		{NewAccount{Username: "bob", Email: strings.Repeat("a", 250) + "@example.com"}, "email/too_long"},
		{NewAccount{Username: "bob", Name: "Bob\u202e"}, "name/characters"},
		{NewAccount{Username: "bob", Name: strings.Repeat("x", 257)}, "name/too_long"},
		{NewAccount{Username: "bob", Groups: []string{"staff"}}, "groups/unknown"},
		{NewAccount{Username: "bob", Password: "short"}, "password/too_short"},
		{NewAccount{Username: "bob", Password: "bobbobbobbobbob"}, "password/common"},
	}
	for _, tt := range tests {
		_, err := f.Create(t.Context(), tt.n)
		if got := reason(t, err); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.n, got, tt.want)
		}
	}
	if n, err := f.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d accounts, %v", n, err)
	}
	for _, n := range []NewAccount{
		{Username: "Bob", Name: "Zoë 猫"}, {Username: "eve@example.com", Email: "Eve@Example.com"},
		{Username: "猫", Email: "猫@example.com"}, {Username: "کیان", Name: "می\u200cخواهم"},
	} {
		if _, err := f.Create(t.Context(), n); err != nil {
			t.Errorf("%+v: %v", n, err)
		}
	}
}
