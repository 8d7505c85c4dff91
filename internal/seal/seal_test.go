package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/internal/seal"
)

var place = []byte("mfa_authenticators/secret/42")

func random(t *testing.T) *seal.Keys {
	t.Helper()
	keys, err := seal.Random()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestRoundTrip(t *testing.T) {
	keys := random(t)
	for _, plain := range []string{"", "x", strings.Repeat("secret", 1000)} {
		one, err := keys.Encrypt([]byte(plain), place)
		if err != nil {
			t.Fatal(err)
		}
		two, _ := keys.Encrypt([]byte(plain), place)
		if bytes.Equal(one, two) {
			t.Error("the same secret twice gives the same bytes")
		}
		got, err := keys.Decrypt(one, place)
		if err != nil || string(got) != plain {
			t.Errorf("opened: %q, %v", got, err)
		}
	}
}

// TestSec_DR02_SealedSecretsStayInTheirPlace: what is moved, changed or sealed by other keys doesn't open.
func TestSec_DR02_SealedSecretsStayInTheirPlace(t *testing.T) {
	keys := random(t)
	sealed, err := keys.Encrypt([]byte("secret"), place)
	if err != nil {
		t.Fatal(err)
	}
	for _, aad := range []string{"mfa_authenticators/secret/43", "oauth_keys/secret/42", "", string(place) + " "} {
		if plain, err := keys.Decrypt(sealed, []byte(aad)); err == nil {
			t.Errorf("moved to %q it opens: %q", aad, plain)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := keys.Decrypt(changed, place); err == nil {
			t.Errorf("with byte %d changed it opens", i)
		}
	}
	for _, short := range [][]byte{nil, sealed[:4], sealed[:len(sealed)-1]} {
		if _, err := keys.Decrypt(short, place); err == nil {
			t.Errorf("%d of %d bytes open", len(short), len(sealed))
		}
	}
	if _, err := random(t).Decrypt(sealed, place); err == nil {
		t.Error("another keyset opens it")
	}
}

func TestDerive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	keys, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	for name, from := range map[string]*seal.Keys{"created": keys, "loaded": again, "other": random(t)} {
		for _, label := range []string{"session", "oauth"} {
			key, err := from.Derive(label)
			if err != nil || len(key) != 32 {
				t.Fatalf("%d bytes, %v", len(key), err)
			}
			seen[name+" "+label] = string(key)
		}
	}
	if seen["created session"] != seen["loaded session"] {
		t.Error("a reloaded keyset derives another key")
	}
	if seen["created session"] == seen["created oauth"] || seen["created session"] == seen["other session"] {
		t.Error("two labels or two keysets share a key")
	}
}

// TestSec_DR04_KeysetFileIsPrivate: made for its owner only, and refused when others may read it.
func TestSec_DR04_KeysetFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "keys.json")
	if _, err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %o", name, info.Mode(), err, want)
		}
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o602, 0o610} {
		os.Chmod(path, mode)
		if _, err := seal.Load(path); err == nil || !strings.Contains(err.Error(), "0600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	os.Chmod(path, 0o400)
	if _, err := seal.Load(path); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}

// TestSec_DR03_NoKeysetIsMadeSilently: a missing or unreadable keyset is an error, never a fresh one.
func TestSec_DR03_NoKeysetIsMadeSilently(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	if _, err := seal.Load(path); !errors.Is(err, seal.ErrMissing) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("Load made a file")
	}
	for _, text := range []string{"", "{}", "null", `{"aead":{},"prf":{}}`, "not JSON"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(path); err == nil || errors.Is(err, seal.ErrMissing) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := seal.Create(path); err == nil {
			t.Errorf("%q: Create accepts or replaces it", text)
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Errorf("%q was replaced", text)
		}
	}
}

func TestParallelCreatesShareOneKeyset(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	made := make([]*seal.Keys, 16)
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], err = seal.Create(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	sealed, err := made[0].Encrypt([]byte("secret"), place)
	if err != nil {
		t.Fatal(err)
	}
	for i, keys := range made {
		if _, err := keys.Decrypt(sealed, place); err != nil {
			t.Errorf("starter %d has other keys: %v", i, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(folder, ".keyset-*")); len(left) > 0 {
		t.Errorf("drafts left behind: %v", left)
	}
}

func BenchmarkKeys(b *testing.B) {
	keys, err := seal.Random()
	if err != nil {
		b.Fatal(err)
	}
	plain := make([]byte, 32)
	sealed, err := keys.Encrypt(plain, place)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.Encrypt(plain, place); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.Decrypt(sealed, place); err != nil {
				b.Fatal(err)
			}
		}
	})
}
