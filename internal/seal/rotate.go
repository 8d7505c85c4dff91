package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// Count returns how many encryption keys there are: 1 until the first rotation.
func (k *Keys) Count() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.count
}

// Rotate adds a new encryption key to the file, which encrypts from now on, and returns the keys. Everything that was
// sealed before still opens; derived keys stay what they are. The caller seals anew what the old keys sealed, and then
// calls [Finish]: until then Rotate adds no other key, so that whoever was interrupted begins again without harm.
func Rotate(path string) (*Keys, error) {
	err := change(path, func(f *file) error {
		if f.Resealing {
			return nil
		}
		f.Resealing = true
		return f.addKey()
	})
	if err != nil {
		return nil, err
	}
	return Load(path)
}

// Finish notes that nothing needs the keys any more that were there before the last [Rotate]. They stay: backups do.
func Finish(path string) error {
	return change(path, func(f *file) error {
		f.Resealing = false
		return nil
	})
}

// change rewrites the file as edit says, one process at a time. The file is the old or the new one at each moment, also
// through a crash or a loss of power.
func change(path string, edit func(*file) error) error {
	if _, err := Load(path); err != nil { // the same refusals
		return err
	}
	// Of two that read the same file the second would drop the first one's key, and what it has sealed meanwhile. The
	// lock on the folder ends with its process, however that ends.
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	defer folder.Close()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("seal: %s: %w", folder.Name(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	var f file
	if err := errors.Join(json.Unmarshal(text, &f), edit(&f)); err != nil {
		return fmt.Errorf("seal: %s: %w", path, err)
	}
	changed, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if bytes.Equal(changed, text) {
		return nil
	}
	draft, err := writeDraft(path, changed)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		os.Remove(draft)
		return fmt.Errorf("seal: %w", err)
	}
	return keep(filepath.Dir(path))
}

// keep makes what happened to a folder's names outlive a loss of power. Without it a secret that is sealed by a new key
// could be there afterwards, and the key not.
func keep(folder string) error {
	handle, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := errors.Join(handle.Sync(), handle.Close()); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// addKey adds an AEAD key that encrypts from then on.
func (f *file) addKey() error {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.AEAD)))
	if err != nil {
		return err
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := manager.SetPrimary(id); err != nil {
		return err
	}
	if handle, err = manager.Handle(); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return err
	}
	f.AEAD = out.Bytes()
	return nil
}

// reload reads the file again when it has changed, and reports whether it did.
func (k *Keys) reload() bool {
	if k.path == "" {
		return false
	}
	info, err := os.Stat(k.path)
	if err != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if os.SameFile(info, k.asOf) && info.ModTime().Equal(k.asOf.ModTime()) {
		return false
	}
	fresh, err := Load(k.path)
	if err != nil {
		return false // the keys at hand go on
	}
	k.aead, k.asOf, k.count = fresh.aead, fresh.asOf, fresh.count
	return true
}
