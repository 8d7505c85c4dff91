package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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
		if same, _ := rotated.Derive("session"); !bytes.Equal(same, derived) {
			t.Error("a derived key has changed")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*lock")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestParallelRotationsLoseNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	running, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			keys, err := seal.Rotate(path)
			if err != nil {
				return // refused: another one runs
			}
			done.Add(1)
			sealed, err := keys.Encrypt([]byte("secret"), place)
			if err != nil {
				t.Error(err)
			}
			if _, err := running.Decrypt(sealed, place); err != nil {
				t.Errorf("lost a key: %v", err)
			}
		})
	}
	all.Wait()
	keys, err := seal.Load(path)
	if err != nil || keys.Count() != int(done.Load())+1 || done.Load() == 0 {
		t.Errorf("%d keys after %d rotations, %v", keys.Count(), done.Load(), err)
	}
}

func TestRotateRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := seal.Rotate(path); err == nil {
		t.Error("a missing file is rotated")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a missing file is made")
	}
	if _, err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Rotate(path); err == nil {
		t.Error("a second rotation runs")
	}
}
