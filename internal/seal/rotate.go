package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

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
// sealed before still opens; derived keys stay what they are. It refuses while another rotation runs.
func Rotate(path string) (*Keys, error) {
	// Of two that read the same file the second would drop the first one's key, and what it has sealed meanwhile.
	guard, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("seal: another rotation is running; if none is, remove %s.lock", path)
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	guard.Close()
	defer os.Remove(guard.Name())

	if _, err := Load(path); err != nil { // the same refusals
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if text, err = withNewKey(text); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	draft, err := writeDraft(path, text)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(draft, path); err != nil {
		os.Remove(draft)
		return nil, fmt.Errorf("seal: %w", err)
	}
	return Load(path)
}

func withNewKey(text []byte) ([]byte, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.AEAD)))
	if err != nil {
		return nil, err
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, err
	}
	if handle, err = manager.Handle(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, err
	}
	f.AEAD = out.Bytes()
	return json.MarshalIndent(f, "", "  ")
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
	if info.ModTime().Equal(k.asOf.ModTime()) && info.Size() == k.asOf.Size() { // each rotation makes it longer
		return false
	}
	fresh, err := Load(k.path)
	if err != nil {
		return false // the keys at hand go on
	}
	k.aead, k.asOf, k.count = fresh.aead, fresh.asOf, fresh.count
	return true
}
