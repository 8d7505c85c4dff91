// Package seal encrypts the secrets that the database keeps, with a keyset of its own file, and derives the keys for
// everything that is only compared.
//
// The file holds two Tink keysets: AEAD keys, of which the newest encrypts and the others still decrypt, and a
// pseudo-random function whose outputs never change. Processes that share the file follow a rotation by themselves. It
// knows nothing of tables: the caller binds a secret to its place by the associated data ("table/column/row").
package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keys encrypts, decrypts and derives. It is safe for concurrent use.
type Keys struct {
	prf  *prf.Set
	path string // "" for keys without a file

	mu    sync.RWMutex
	aead  tink.AEAD
	asOf  fs.FileInfo // the file when it was read
	count int         // AEAD keys
}

// file is the keyset file.
type file struct {
	AEAD      json.RawMessage `json:"aead"`
	PRF       json.RawMessage `json:"prf"`
	Resealing bool            `json:"resealing,omitempty"` // since Rotate, until Finish
}

// ErrMissing says that there is no keyset file.
var ErrMissing = errors.New("seal: no keyset file")

// Load reads the keyset file. It refuses one that others may read, and returns [ErrMissing] when there is none.
func Load(path string) (*Keys, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s", ErrMissing, path)
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("seal: %s may be read by others: set its mode to 0600", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("seal: %s is no keyset: %w", path, err)
	}
	keys.path, keys.asOf = path, info
	return keys, nil
}

// Create makes a new keyset file with mode 0600, in a folder that it makes when missing, and returns its keys. It
// never replaces a file: whoever comes second reads what the first one wrote.
func Create(path string) (*Keys, error) {
	text, err := generate()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	// Written aside and linked into place: nobody ever reads half a keyset, and the link fails where one exists.
	draft, err := writeDraft(path, text)
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft)
	if err := os.Link(draft, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := keep(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return Load(path)
}

// writeDraft writes text to a file of mode 0600 beside path and returns its name.
func writeDraft(path string, text []byte) (string, error) {
	draft, err := os.CreateTemp(filepath.Dir(path), ".keyset-*")
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	_, err = draft.Write(text)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		os.Remove(draft.Name())
		return "", fmt.Errorf("seal: %w", err)
	}
	return draft.Name(), nil
}

// Random returns keys that live as long as the process, for tests.
func Random() (*Keys, error) {
	text, err := generate()
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// Encrypt seals plain so that it opens only with the same aad. The key is the newest in the file, also when another process
// has just put it there: what is sealed from then on needs no older one.
func (k *Keys) Encrypt(plain, aad []byte) ([]byte, error) {
	k.reload()
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.aead.Encrypt(plain, aad)
}

// Decrypt opens what Encrypt sealed under the same aad, by this process or by one that has rotated the file since.
func (k *Keys) Decrypt(sealed, aad []byte) ([]byte, error) {
	plain, err := k.decrypt(sealed, aad)
	if err != nil && k.reload() {
		plain, err = k.decrypt(sealed, aad)
	}
	if err != nil {
		return nil, fmt.Errorf("seal: not sealed by this keyset, or moved from its place: %w", err)
	}
	return plain, nil
}

func (k *Keys) decrypt(sealed, aad []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.aead.Decrypt(sealed, aad)
}

// Derive returns the 32-byte key called label. The same keyset always gives the same key; rotating the encryption
// keys doesn't change it.
func (k *Keys) Derive(label string) ([]byte, error) {
	return k.prf.ComputePrimaryPRF([]byte(label), 32)
}

func generate() ([]byte, error) {
	var out file
	for template, into := range map[*tinkpb.KeyTemplate]*json.RawMessage{
		aead.AES256GCMKeyTemplate():    &out.AEAD,
		prf.HKDFSHA256PRFKeyTemplate(): &out.PRF,
	} {
		handle, err := keyset.NewHandle(template)
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		var text bytes.Buffer
		if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		*into = text.Bytes()
	}
	return json.MarshalIndent(out, "", "  ")
}

func parse(text []byte) (*Keys, error) {
	var in file
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(in.AEAD)))
	if err != nil {
		return nil, err
	}
	derive, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(in.PRF)))
	if err != nil {
		return nil, err
	}
	keys := &Keys{count: handle.Len()}
	if keys.aead, err = aead.New(handle); err != nil {
		return nil, err
	}
	keys.prf, err = prf.NewPRFSet(derive)
	return keys, err
}
