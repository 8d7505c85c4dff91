package cursor_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/focushq/idp/internal/cursor"
)

func TestSec_AD08_OnlyOursOpen(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	text, err := cursor.Seal(key, []byte("place"), []byte("list"))
	if err != nil {
		t.Fatal(err)
	}
	if place, err := cursor.Open(key, text, []byte("list"), len(text)); err != nil || string(place) != "place" {
		t.Fatal(string(place), err)
	}
	for name, try := range map[string]func() ([]byte, error){
		"another key":  func() ([]byte, error) { return cursor.Open(other, text, []byte("list"), 999) },
		"another list": func() ([]byte, error) { return cursor.Open(key, text, []byte("lists"), 999) },
		"too long":     func() ([]byte, error) { return cursor.Open(key, text, []byte("list"), len(text)-1) },
		"cut":          func() ([]byte, error) { return cursor.Open(key, text[:8], []byte("list"), 999) },
		"no base64":    func() ([]byte, error) { return cursor.Open(key, text+"=", []byte("list"), 999) },
		"nothing":      func() ([]byte, error) { return cursor.Open(key, "", []byte("list"), 999) },
	} {
		if _, err := try(); !errors.Is(err, cursor.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cursor.Seal([]byte("short"), nil, nil); err == nil {
		t.Error("a key that is none")
	}
}
