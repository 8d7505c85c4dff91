package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"
	"golang.org/x/crypto/argon2"
)

var (
	// ErrOther says that another keyset stands there already.
	ErrOther = errors.New("seal: another keyset stands there")

	// ErrPassphrase says that a stream was not sealed under that passphrase, or was changed since.
	ErrPassphrase = errors.New("seal: another passphrase, or the data were changed")
)

// Text returns what the keyset file holds, for a backup. It refuses what [Load] refuses.
func Text(path string) ([]byte, error) {
	if _, err := Load(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return text, nil
}

// Parse returns the keys of what [Text] has read, without a file.
func Parse(text []byte) (*Keys, error) {
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("seal: that is no keyset: %w", err)
	}
	return keys, nil
}

// Place writes a keyset file that was read by [Text] elsewhere, with mode 0600, in a folder that it makes when missing.
// Another keyset that stands there is [ErrOther], unless it may be replaced; the same one is left alone.
func Place(path string, text []byte, replace bool) error {
	if _, err := Parse(text); err != nil {
		return err
	}
	there, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(there, text):
		return nil
	case err == nil && !replace:
		return fmt.Errorf("%w: %s", ErrOther, path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("seal: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	draft, err := writeDraft(path, text)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		os.Remove(draft)
		return fmt.Errorf("seal: %w", err)
	}
	return keep(filepath.Dir(path))
}

// segment is how much of a stream is sealed at once.
const segment = 1 << 20

// Writer seals what is written to it under a passphrase, as a stream that [Reader] opens: AES-256-GCM in numbered
// segments, the last one marked, by a key that Argon2id makes of passphrase and salt (16 random bytes). Its Close ends the
// stream and leaves w open.
func Writer(w io.Writer, passphrase string, salt []byte) (io.WriteCloser, error) {
	cipher, err := streaming(passphrase, salt)
	if err != nil {
		return nil, err
	}
	return cipher.NewEncryptingWriter(w, salt)
}

// Reader opens what [Writer] sealed. A stream that was cut, changed or sealed under another passphrase is
// [ErrPassphrase]; nothing of a segment is returned before it has been proved.
func Reader(r io.Reader, passphrase string, salt []byte) (io.Reader, error) {
	cipher, err := streaming(passphrase, salt)
	if err != nil {
		return nil, err
	}
	plain, err := cipher.NewDecryptingReader(r, salt)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	return proved{plain}, nil
}

// streaming makes the cipher. Somebody who has the file guesses as fast as they can pay for: the costs are far above those
// of a password that a server compares.
func streaming(passphrase string, salt []byte) (*subtle.AESGCMHKDF, error) {
	const times, memory, threads = 3, 128 << 10, 1
	key := argon2.IDKey([]byte(passphrase), salt, times, memory, threads, 32)
	cipher, err := subtle.NewAESGCMHKDF(key, "SHA256", 32, segment, 0)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return cipher, nil
}

// proved names the error of a segment that does not open.
type proved struct{ io.Reader }

func (p proved) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	return n, err
}
