package seal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/focushq/idp/internal/seal"
)

func TestAKeysetMoves(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "keys.json"), filepath.Join(t.TempDir(), "new", "keys.json")
	keys, err := seal.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := keys.Encrypt([]byte("secret"), place)
	text, err := seal.Text(from)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same again is fine
		if err := seal.Place(to, text, false); err != nil {
			t.Fatal(err)
		}
	}
	moved, err := seal.Load(to)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := moved.Decrypt(sealed, place); err != nil || string(plain) != "secret" {
		t.Error(string(plain), err)
	}
	if info, err := os.Stat(filepath.Dir(to)); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
	other := filepath.Join(t.TempDir(), "other.json")
	if _, err := seal.Create(other); err != nil {
		t.Fatal(err)
	}
	if err := seal.Place(other, text, false); !errors.Is(err, seal.ErrOther) {
		t.Error("another keyset is replaced", err)
	}
	if err := seal.Place(other, text, true); err != nil {
		t.Error(err)
	}
	if err := seal.Place(other, []byte("{}"), true); err == nil {
		t.Error("no keyset is placed")
	}
	os.Chmod(from, 0o644)
	if _, err := seal.Text(from); err == nil {
		t.Error("a keyset that others read is saved")
	}
}

// TestStreamsAreProved: what is cut, changed or swapped between streams is not read to its end.
func TestStreamsAreProved(t *testing.T) {
	salt := make([]byte, 16)
	plain := make([]byte, 3<<20) // more than a segment
	rand.Read(plain)
	var sealed bytes.Buffer
	w, err := seal.Writer(&sealed, "words", salt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(text []byte, words string, salt []byte) ([]byte, error) {
		r, err := seal.Reader(bytes.NewReader(text), words, salt)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	if got, err := read(sealed.Bytes(), "words", salt); err != nil || !bytes.Equal(got, plain) {
		t.Error(len(got), err)
	}
	changed := bytes.Clone(sealed.Bytes())
	changed[len(changed)/2] ^= 1
	for name, row := range map[string]struct {
		text  []byte
		words string
		salt  []byte
	}{
		"cut":             {sealed.Bytes()[:2<<20], "words", salt},
		"changed":         {changed, "words", salt},
		"other words":     {sealed.Bytes(), "word", salt},
		"of another salt": {sealed.Bytes(), "words", bytes.Repeat([]byte{1}, 16)},
		"empty":           {nil, "words", salt},
	} {
		if _, err := read(row.text, row.words, row.salt); !errors.Is(err, seal.ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
