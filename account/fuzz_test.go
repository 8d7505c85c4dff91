package account

import (
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/focushq/idp/internal/dbxtest"
)

// FuzzPassword chooses arbitrary new passwords: each is taken or refused with a reason that there is a sentence for, and in
// every spelling of the same text alike.
func FuzzPassword(f *testing.F) {
	for _, text := range []string{good, "", "short", "Focus HQ Focus HQ", "ada ada ada ada ada", "e\u0301cole des arts et des lettres", "\xff\xfe", "a\x00b",
		strings.Repeat("😀", 20), strings.Repeat("x", maxPassword+1), "qwertzuiopasdfgh", "2023 2024 2025 2026"} {
		f.Add(text)
	}
	s := &Service{cfg: Config{MinPassword: 15}, common: commonWords()}
	ada := &Account{Username: "ada", Email: "lovelace@example.com", Name: "Ada Lovelace"}
	reasons := []string{"empty", "too_long", "characters", "too_short", "common", "personal"}
	f.Fuzz(func(t *testing.T, text string) {
		said := func(text string) string {
			err := s.CheckPassword(ada, text)
			var invalid *InvalidError
			switch {
			case err == nil:
				return ""
			case errors.As(err, &invalid) && invalid.Field == "password" && strings.Contains(strings.Join(reasons, " "), invalid.Reason):
				return invalid.Reason
			}
			t.Fatalf("%q: %v", text, err)
			return ""
		}
		got := said(text)
		if got == "" && (utf8.RuneCountInString(norm.NFC.String(text)) < 15 || len(text) > maxPassword) {
			t.Errorf("%q is taken", text)
		}
		if other := norm.NFD.String(text); len(other) <= maxPassword && len(text) <= maxPassword && said(other) != got {
			t.Errorf("%q: %q, decomposed %q", text, got, said(other))
		}
	})
}

// FuzzNames makes accounts of arbitrary names: what is taken stays as it is when it is read again, and nobody can take a name
// by which another one signs in.
func FuzzNames(f *testing.F) {
	f.Add("ada", "ada@example.com", "Ada Lovelace")
	f.Add("Ａｄａ", "", "\u202eevol")
	f.Add("ada@example.com", "ADA@example.com", "a\nb")
	f.Add("a\u200db", "\"a b\"@example.com", strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, username, email, name string) {
		address, bad := checkEmail(email)
		if again, err := checkEmail(address); bad == nil && (err != nil || again != address || !utf8.ValidString(address)) {
			t.Errorf("%q: %q, then %q, %v", email, address, again, err)
		}
		full, bad := checkName(name)
		if again, err := checkName(full); bad == nil && (err != nil || again != full || strings.ContainsAny(full, "\r\n\x00")) {
			t.Errorf("%q: %q, then %q, %v", name, full, again, err)
		}
		kept, bad := checkUsername(username, email)
		if bad != nil {
			return
		}
		if again, err := checkUsername(kept, email); err != nil || again != kept || Canonical(kept) == "" || strings.ContainsAny(kept, " \t\r\n\x00") {
			t.Errorf("%q: %q, then %q, %v", username, kept, again, err)
		}
		if strings.Contains(Canonical(kept), "@") && Canonical(kept) != Canonical(email) {
			t.Errorf("%q is somebody else's address", kept)
		}
	})
}

// FuzzLinks brings arbitrary tokens of one-time links, for reset, invitation and set-up: nobody's but the one that was made.
func FuzzLinks(f *testing.F) {
	s, err := New(Config{DB: dbxtest.SQLite(f, "account"), Hasher: NewHasher(cheap()), Key: make([]byte, 32)})
	if err != nil {
		f.Fatal(err)
	}
	a, err := s.Create(f.Context(), NewAccount{Username: "ada", Password: good})
	if err != nil {
		f.Fatal(err)
	}
	token, err := s.NewLink(f.Context(), PurposeReset, a.Subject, ResetLife)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{token, "", strings.ToLower(token), token + " ", token[:26], "' OR 1=1 --", "\x00", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, purpose := range []string{PurposeReset, PurposeInvite, PurposeSetup} {
			subject, err := s.Link(t.Context(), purpose, text)
			if right := text == token && purpose == PurposeReset; right != (err == nil && subject == a.Subject) || !right && !errors.Is(err, ErrNotFound) {
				t.Errorf("%s %q: %q, %v", purpose, text, subject, err)
			}
		}
	})
}

// FuzzBrowserToken shows arbitrary cookies of known browsers: none but the one that was made lets anybody out of a wait.
func FuzzBrowserToken(f *testing.F) {
	key := make([]byte, 32)
	rand.Read(key) // each process that fuzzes makes a token of its own
	s := &Service{cfg: Config{Key: key}}
	token := s.BrowserToken(&Account{Subject: "ada"})
	for _, text := range []string{token, "", token[1:], token + token, strings.ToUpper(token), strings.Repeat("A", browserToken)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := (&Account{}).PasswordAt.Unix()
		if got := s.browserOf("ada", at, text); (got != "") != (text == token) || s.browserOf("bob", at, text) != "" || s.browserOf("ada", at+1, text) != "" {
			t.Errorf("%q is the browser %q", text, got)
		}
	})
}

// FuzzImport reads arbitrary files: each is read or refused with an error that there is a sentence for, and whoever an
// export writes is the same when it is imported.
func FuzzImport(f *testing.F) {
	for _, text := range []string{importCSV, "username\n", "username,name\nada,'=1\n", "\"", "username,name\r\n\"a\nb\",c", "\x00", "\xff\xfeu\x00",
		`{"username":"ada","groups":["staff"],"email":null}`, `{"username":1}`, "{}\n[]\nnull", `{"username":{"a":[1,2]}}`} {
		f.Add(text, true)
		f.Add(text, false)
	}
	s := &Service{cfg: Config{MinPassword: 15, Now: time.Now}}
	f.Fuzz(func(t *testing.T, text string, isCSV bool) {
		format := JSONLines
		if isCSV {
			format = CSV
		}
		people, err := ReadImport(strings.NewReader(text), format)
		var invalid *InvalidError
		if err != nil {
			if !errors.As(err, &invalid) && !errors.Is(err, ErrImportSize) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, in := range once(people) {
			if in.Err != nil {
				if !errors.As(in.Err, &invalid) {
					t.Errorf("%q, line %d: %v", text, in.Line, in.Err)
				}
				continue
			}
			next, err := s.incoming(in, nil, known{})
			if err != nil {
				if !errors.As(err, &invalid) {
					t.Errorf("%q, line %d: %v", text, in.Line, err)
				}
				continue
			}
			if next.Role() != "" || next.Disabled || !next.PasswordAt.IsZero() {
				t.Errorf("%q, line %d: %+v", text, in.Line, next)
			}
			again, err := ReadImport(strings.NewReader(exported(t, next, format)), format)
			if err != nil || len(again) != 1 || again[0].Err != nil {
				t.Fatalf("%q: %+v, exported: %v, %v", text, next, again, err)
			}
			if same, err := s.incoming(again[0], nil, known{}); err != nil || len(differences(next, same)) > 0 || same.Username != next.Username {
				t.Errorf("%q: %+v, then %+v, %v", text, next, same, err)
			}
		}
	})
}

// exported returns a as an export writes it.
func exported(t *testing.T, a *Account, format Format) string {
	var out bytes.Buffer
	if format == JSONLines {
		if err := a.object(&out, importColumns()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	writer := csv.NewWriter(&out)
	for _, line := range [][]string{importColumns(), a.line(importColumns())} {
		if err := writer.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	writer.Flush()
	for _, cell := range a.line(importColumns()) {
		if formula(cell) {
			t.Errorf("%q would be computed", cell)
		}
	}
	return out.String()
}

// FuzzSec_AD08_Cursors brings arbitrary cursors: none is taken but those that were made, each for its list.
func FuzzSec_AD08_Cursors(f *testing.F) {
	key := make([]byte, 32)
	rand.Read(key) // each process that fuzzes makes a cursor of its own
	s := &Service{cfg: Config{Key: key}}
	q, err := Query{Text: "ada", Sort: ByName}.tidy()
	if err != nil {
		f.Fatal(err)
	}
	ours, err := s.sealCursor(q, cursor{Text: "ada", Subject: "s1"})
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{ours, "", ours[1:], ours + "A", "' OR 1=1 --", strings.Repeat("A", 100), "\x00", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := s.openCursor(q, text)
		if right := text == ours; right != (err == nil && c == cursor{Text: "ada", Subject: "s1"}) || !right && !errors.Is(err, ErrCursor) {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
		other := q
		other.Descending = true
		if _, err := s.openCursor(other, text); !errors.Is(err, ErrCursor) {
			t.Errorf("%q, of another list: %v", text, err)
		}
	})
}

// FuzzSearch types arbitrary text: folding it again changes nothing, whatever is found in a name is found by its beginnings,
// and every list that can be asked for is a statement of our own words.
func FuzzSearch(f *testing.F) {
	for _, text := range []string{"Søren Ærø", "O'Neill", "Ada.Lovelace@example.com", "山田 太郎", "İstanbul ﬁn ß", "a\u200db", "\xff", "' OR 1=1 --", "ᾳ̈ ǅ", "Ⓐ ﷺ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		folded := fold(text)
		if fold(folded) != folded {
			t.Errorf("%q: %q, then %q", text, folded, fold(folded))
		}
		words := wordsOf("", "", text)
		if len(words) > maxWords {
			t.Errorf("%q has %d words", text, len(words))
		}
		if len(words) == maxWords {
			return
		}
		for _, word := range typed(text) {
			if !slices.ContainsFunc(words, func(w []byte) bool { return bytes.HasPrefix(w, []byte(word)) }) {
				t.Errorf("%q: %q is in none of %q", text, word, words)
			}
			for _, w := range words {
				within := bytes.Compare(w, []byte(word)) >= 0 && bytes.Compare(w, beyond(word)) < 0
				if within != bytes.HasPrefix(w, []byte(word)) {
					t.Errorf("%q and %q: in the range %v", w, word, within)
				}
			}
		}
		if key := nameKey(text); len(key) > maxNameKey || !utf8.ValidString(key) {
			t.Errorf("%q: %q", text, key)
		}
	})
}
