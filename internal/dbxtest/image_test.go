package dbxtest_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
)

func TestImageIsMadeOnce(t *testing.T) {
	made := 0
	image := dbxtest.Image{Make: func(folder string) error {
		made++
		return errors.Join(
			os.WriteFile(filepath.Join(folder, "one"), []byte("1"), 0o600), os.WriteFile(filepath.Join(folder, "two"), []byte("2"), 0o600))
	}}
	for range 2 {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "two"), []byte("the test's own"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := image.Copy(folder); err != nil {
			t.Fatal(err)
		}
		one, errOne := os.ReadFile(filepath.Join(folder, "one"))
		two, errTwo := os.ReadFile(filepath.Join(folder, "two"))
		if err := errors.Join(errOne, errTwo); err != nil || string(one) != "1" || string(two) != "the test's own" {
			t.Errorf("%q, %q, %v", one, two, err)
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

func TestImageThatCannotBeMade(t *testing.T) {
	broken := errors.New("broken")
	image := dbxtest.Image{Make: func(string) error { return broken }}
	for range 2 {
		if err := image.Copy(t.TempDir()); !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}
