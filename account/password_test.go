package account

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbxtest"
)

func TestAHashedPasswordIsAPassword(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		hashed, err := f.HashPassword(ctx, &Account{Username: "ada"}, good)
		check(t, err)
		runs := f.cfg.Hasher.Runs()
		a, err := f.Create(ctx, NewAccount{Username: "ada", Hashed: hashed})
		check(t, err)
		if !a.PasswordAt.Equal(f.now) {
			t.Errorf("set at %v", a.PasswordAt)
		}
		other, err := f.HashPassword(ctx, a, good+" 2")
		check(t, err)
		link, err := f.NewLink(ctx, PurposeReset, a.Subject, time.Hour)
		check(t, err)
		f.now = f.now.Add(time.Minute)
		check(t, f.SetHashed(ctx, a.Subject, other))
		if f.cfg.Hasher.Runs() != runs+1 || !f.read(a.Subject).PasswordAt.Equal(f.now) {
			t.Errorf("%d more hashes, set at %v", f.cfg.Hasher.Runs()-runs, f.read(a.Subject).PasswordAt)
		}
		_, err = f.Link(ctx, PurposeReset, link)
		want(t, err, ErrNotFound)
		check(t, f.signIn("ada", good+" 2"))
		want(t, f.signIn("ada", good), ErrCredentials)
		_, err = f.HashPassword(ctx, &Account{Username: "ada"}, "short")
		if got := reason(t, err); got != "password/too_short" {
			t.Error(got)
		}
		if got := reason(t, f.SetHashed(ctx, a.Subject, Hashed{})); got != "password/empty" {
			t.Error(got)
		}
	})
}

func TestSec_PW01_LeastLength(t *testing.T) {
	f := onSQLite(t)
	for password, want := range map[string]string{
		"": "password/empty", "14 quiet chars": "password/too_short", "15 quiet chars!": "",
		strings.Repeat("é", 14): "password/too_short", "猫が窓の外を見ている静かな午後": "",
	} {
		if got := reason(t, f.CheckPassword(&Account{}, password)); got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
	eight := onSQLite(t, func(c *Config) { c.MinPassword = 8 })
	if got := reason(t, eight.CheckPassword(&Account{}, "kw6-tzpx")); got != "" {
		t.Error(got)
	}
	for _, min := range []int{-1, 7, 65} {
		if _, err := New(Config{DB: f.cfg.DB, Hasher: f.cfg.Hasher, MinPassword: min}); err == nil {
			t.Errorf("a least length of %d is accepted", min)
		}
	}
}

func TestSec_PW02_LongPasswordsAreComparedWhole(t *testing.T) {
	f := onSQLite(t)
	a := f.add("ada")
	for _, size := range []int{64, 73, 200, 1024} {
		password := strings.Repeat("the owl flies to the old oak; ", 40)[:size-1] + "x"
		check(t, f.SetPassword(t.Context(), a.Subject, password))
		check(t, f.signIn("ada", password))
		want(t, f.signIn("ada", password[:size-1]+"y"), ErrCredentials)
		want(t, f.signIn("ada", password[:size-1]), ErrCredentials)
	}
	before := f.cfg.Hasher.Runs()
	long := strings.Repeat("é", 512) + "x"
	if got := reason(t, f.SetPassword(t.Context(), a.Subject, long)); got != "password/too_long" {
		t.Error(got)
	}
	want(t, f.signIn("ada", long), ErrCredentials)
	if runs := f.cfg.Hasher.Runs() - before; runs != 0 {
		t.Errorf("%d hashes of 1025 bytes", runs)
	}
}

func TestSec_PW03_AnyTextInOneNormalForm(t *testing.T) {
	f := onSQLite(t)
	a := f.add("ada")
	for _, tt := range []struct{ set, enter string }{
		{"é la lune est belle", "e\u0301 la lune est belle"},
		{"e\u0301 la lune est belle", "é la lune est belle"},
		{"🦉🌳🌙🍄🦊🌲🐌🍂🌧🐝🌻🦋🐞🍁🌾", "🦉🌳🌙🍄🦊🌲🐌🍂🌧🐝🌻🦋🐞🍁🌾"},
		{" spaces at both ends ", " spaces at both ends "},
		{"all lower case words are fine", "all lower case words are fine"},
	} {
		check(t, f.SetPassword(t.Context(), a.Subject, tt.set))
		if err := f.signIn("ada", tt.enter); err != nil {
			t.Errorf("%q: %v", tt.enter, err)
		}
	}
	want(t, f.signIn("ada", "All lower case words are fine"), ErrCredentials)
	for _, password := range []string{
		"a quiet corner\x00of the library", "a quiet corner\xffof the library", "a quiet\ncorner of the library",
	} {
		if got := reason(t, f.CheckPassword(a, password)); got != "password/characters" {
			t.Errorf("%q: %q", password, got)
		}
	}
}

func TestSec_PW04_GuessablePasswordsAreRefused(t *testing.T) {
	f := onSQLite(t)
	ada := &Account{Username: "alovelace", Email: "ada.byron@analytical.example", Name: "Ada Lovelace"}
	tests := map[string][]string{
		"password/common": {
			"passwordpassword", "Password1234567", "P@$$w0rdP@$$w0rd", "qwertyuiopasdfgh", "1q2w3e4r5t6y7u8i",
			"123456789012345", "aaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc", "iloveyouiloveyou", "letmeinletmein2026",
			"Superman12345678", "monkey1monkey1monkey1", "0987654321098765", "correcthorsebatterystaple",
			"SummerSummer2026!", "dragondragon20252026", "welcome123welcome123", "byronbyronbyron", "abcdefghijklmnopqrst",
		},
		"password/personal": {
			"alovelacealovelace", "AdaLovelace1815!", "FocusHQFocusHQ1!", "Focus HQ Focus HQ", "lovelace.lovelace",
			"ada.byron@analytical.example", "analytical-lovelace", "FocusHQ-alovelace",
		},
		"": {
			"a quiet corner of the library", "my dragon sleeps under the stairs", "the password for the garden shed",
			"rain on the tin roof", "kzvqj-hgwmx-tpbrd", "oranges are not the only fruit", "ada counts every engine",
			"seven tall geese in a row", "j8Qw!z0pLm4#vRt2", "Ostseewind und Möwen",
		},
	}
	for want, passwords := range tests {
		for _, password := range passwords {
			if got := reason(t, f.CheckPassword(ada, password)); got != want {
				t.Errorf("%q: %q, want %q", password, got, want)
			}
		}
	}
}

// Famous phrases are refused however they are written; a sentence that quotes one and goes on is not.
func TestSec_PW04_FamousPhrases(t *testing.T) {
	f := onSQLite(t)
	lines := strings.Split(strings.TrimSpace(phrases), "\n")
	for _, phrase := range append(lines, "Correct Horse Battery Staple!", "c0rrect h0rse b@ttery $taple", "correct_horse.battery staple 2026") {
		for _, password := range []string{
			phrase, strings.ToUpper(phrase), strings.ReplaceAll(phrase, " ", ""), strings.ReplaceAll(phrase, " ", "-"), phrase + "1", phrase + " 123",
		} {
			if len([]rune(password)) < 15 {
				continue
			}
			if got := reason(t, f.CheckPassword(&Account{}, password)); got != "password/common" {
				t.Errorf("%q: %q", password, got)
			}
		}
	}
	for _, password := range []string{"once upon a time my owl ate a sock", "a horse with a correct battery", "staple battery, horse incorrect"} {
		if got := reason(t, f.CheckPassword(&Account{}, password)); got != "" {
			t.Errorf("%q: %q", password, got)
		}
	}
}

// Every listed word is refused, alone or made long enough by what people append.
func TestSec_PW04_EveryListedWord(t *testing.T) {
	f := onSQLite(t)
	words := strings.Fields(common)
	if len(words) < 900 || !slices.IsSorted(words) {
		t.Fatalf("%d words, sorted: %v", len(words), slices.IsSorted(words))
	}
	for _, word := range words {
		for _, password := range []string{
			word + word + word + word, strings.ToUpper(word[:1]) + word[1:] + "12345678901", word + "2026" + word + "2026",
		} {
			if len(password) < 15 {
				continue
			}
			if got := reason(t, f.CheckPassword(&Account{}, password)); got != "password/common" {
				t.Errorf("%q: %q", password, got)
			}
		}
	}
}

func TestSec_PW07_StoredHash(t *testing.T) {
	f := onSQLite(t, func(c *Config) { c.Hasher = NewHasher(Params{}) })
	one, two := f.add("one"), f.add("two")
	first, second := f.storedHash(one.Subject), f.storedHash(two.Subject)
	p, salt, key, err := decodePHC(first)
	check(t, err)
	if p.MemoryKiB < 19*1024 || p.Time < 2 || p.Threads != 1 || len(salt) != 16 || len(key) != 32 {
		t.Errorf("%s", first)
	}
	if first == second {
		t.Error("one hash for two people")
	}
}

func TestSec_PW07_HigherCostsAtTheNextSignIn(t *testing.T) {
	db := dbxtest.SQLite(t, "account")
	f := fixtureOn(t, db)
	a := f.add("ada")
	old := f.storedHash(a.Subject)
	check(t, f.signIn("ada", good))
	if f.storedHash(a.Subject) != old {
		t.Error("made anew under the same costs")
	}
	raised := fixtureOn(t, db, func(c *Config) { c.Hasher = NewHasher(Params{MemoryKiB: 64, Time: 1}) })
	want(t, raised.signIn("ada", "wrong"), ErrCredentials)
	if f.storedHash(a.Subject) != old {
		t.Error("made anew after a wrong password")
	}
	check(t, raised.signIn("ada", good))
	renewed := f.storedHash(a.Subject)
	if renewed == old || !strings.Contains(renewed, "m=64,") {
		t.Errorf("%s", renewed)
	}
	check(t, f.signIn("ada", good)) // lower costs again: the dearer hash stays
	if f.storedHash(a.Subject) != renewed {
		t.Error("costs were lowered")
	}
}

func TestHashes(t *testing.T) {
	h := NewHasher(cheap())
	made, err := h.Hash(t.Context(), "secret")
	check(t, err)
	// From the test vectors of the reference implementation, version 1.3.
	foreign := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	parts := strings.Split(made, "$")
	with := func(i int, s string) string {
		changed := slices.Clone(parts)
		changed[i] = s
		return strings.Join(changed, "$")
	}
	tests := []struct {
		name, hash, password string
		ok                   bool
	}{
		{"right", made, "secret", true},
		{"wrong", made, "Secret", false},
		{"reference implementation", foreign, "password", true},
		{"empty", "", "", false},
		{"only dollars", "$$$$$", "", false},
		{"argon2i", with(1, "argon2i"), "secret", false},
		{"version", with(2, "v=16"), "secret", false},
		{"no memory", with(3, "m=0,t=1,p=1"), "secret", false},
		{"too much memory", with(3, "m=4294967295,t=1,p=1"), "secret", false},
		{"too long", with(3, "m=32,t=4294967295,p=1"), "secret", false},
		{"no lane", with(3, "m=32,t=1,p=0"), "secret", false},
		{"leading zero", with(3, "m=032,t=1,p=1"), "secret", false},
		{"short salt", with(4, "AAAA"), "secret", false},
		{"no key", with(5, ""), "", false},
		{"text behind", made + "$", "secret", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := h.Runs()
			ok, _, err := h.Verify(t.Context(), tt.hash, tt.password)
			check(t, err)
			if ok != tt.ok || h.Runs()-before != 1 {
				t.Errorf("%v after %d hashes", ok, h.Runs()-before)
			}
		})
	}
}

func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, hash string) {
		p, salt, key, err := decodePHC(hash)
		if err == nil && (encodePHC(p, salt, key) != hash || p.MemoryKiB > maxMemoryKiB || p.Time > maxTime || p.Threads == 0) {
			t.Errorf("%q passed as %+v", hash, p)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := NewHasher(Params{})
	hash, err := h.Hash(b.Context(), good)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, _, err := h.Verify(b.Context(), hash, good); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkGuessable(b *testing.B) {
	s := &Service{common: commonWords()}
	a := &Account{Username: "alovelace", Email: "ada.byron@analytical.example", Name: "Ada Lovelace"}
	long := strings.Repeat("the owl flies to the old oak; ", 34)
	for b.Loop() {
		s.guessable(a, long)
	}
}
