package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/focushq/idp/internal/seal"
)

// TestSec_DR03_RotationIsFollowed: after a rotation old secrets open, new ones open for a process that has read the file
// before, and derived keys have not changed.
func TestSec_DR03_RotationIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	running, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := running.Encrypt([]byte("before"), place)
	derived, _ := running.Derive("session")
	for n := 2; n <= 4; n++ {
		rotated, err := seal.Rotate(path)
		if err != nil {
			t.Fatal(err)
		}
		if rotated.Count() != n {
			t.Errorf("%d keys, want %d", rotated.Count(), n)
		}
		if plain, err := rotated.Decrypt(before, place); err != nil || string(plain) != "before" {
			t.Errorf("after rotation %d: %q, %v", n, plain, err)
		}
		after, _ := rotated.Encrypt([]byte("after"), place)
		if bytes.Equal(after[:5], before[:5]) { // the key's id
			t.Error("the old key still encrypts")
		}
		if plain, err := running.Decrypt(after, place); err != nil || string(plain) != "after" {
			t.Errorf("the running process: %q, %v", plain, err)
		}
		if err := seal.Finish(path); err != nil {
			t.Fatal(err)
		}
		if same, _ := rotated.Derive("session"); !bytes.Equal(same, derived) {
			t.Error("a derived key has changed")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	// What the running process seals now needs no older key.
	newest, err := seal.Rotate(path)
	if err != nil {
		t.Fatal(err)
	}
	by, _ := newest.Encrypt(nil, place)
	if after, err := running.Encrypt(nil, place); err != nil || !bytes.Equal(after[:5], by[:5]) || running.Count() != 5 {
		t.Errorf("the running process seals by an old key (%d keys, %v)", running.Count(), err)
	}
}

// TestSec_DR03_AnInterruptedRotationGoesOn: until the secrets are sealed anew no further key is added, whoever tries.
func TestSec_DR03_AnInterruptedRotationGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	for round, want := range []int{2, 2, 2} {
		if keys, err := seal.Rotate(path); err != nil || keys.Count() != want {
			t.Errorf("round %d: %v", round, err)
		}
	}
	for range 2 {
		if err := seal.Finish(path); err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := seal.Rotate(path); err != nil || keys.Count() != 3 {
		t.Error("no further rotation", err)
	}
}

func TestParallelRotationsLoseNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	running, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var secrets [][]byte
	for range 8 {
		all.Go(func() {
			keys, err := seal.Rotate(path)
			if err != nil {
				t.Error(err)
				return
			}
			sealed, err := keys.Encrypt([]byte("secret"), place)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			secrets = append(secrets, sealed)
			mu.Unlock()
			if err := seal.Finish(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, sealed := range secrets {
		if _, err := running.Decrypt(sealed, place); err != nil {
			t.Errorf("lost a key: %v", err)
		}
	}
	if running.Count() < 2 {
		t.Errorf("%d keys", running.Count())
	}
}

func TestRotateRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := seal.Rotate(path); !errors.Is(err, seal.ErrMissing) {
		t.Errorf("a missing file is rotated: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
		t.Errorf("made: %v", left)
	}
	if _, err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o644)
	if _, err := seal.Rotate(path); err == nil {
		t.Error("a file that others read is rotated")
	}
}
