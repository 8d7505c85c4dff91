package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"github.com/focushq/idp/internal/seal"
)

const (
	magic     = "idp backup 1\n" // the number is the format's
	cipher    = "argon2id-aes256gcm"
	trailer   = "sha256 " // and 64 hexadecimal digits and a line's end
	trailing  = len(trailer) + 2*sha256.Size + 1
	maxHeader = 4096
)

var (
	// ErrDamaged says that a file is no whole backup: cut, changed, or something else.
	ErrDamaged = errors.New("backup: the file is damaged, or no backup")

	// ErrFormat says that a newer program wrote the file.
	ErrFormat = errors.New("backup: the file is of a newer format than this program knows")

	// ErrShared says that others may read a file whose keys are not encrypted.
	ErrShared = errors.New("backup: others may read the file, which holds keys in clear: set its mode to 0600")
)

// Manifest says what a file holds.
type Manifest struct {
	Made      time.Time        `json:"made"`       // of this moment is all of it
	Program   string           `json:"program"`    // the version that wrote it
	Engine    string           `json:"engine"`     // sqlite or postgres
	PublicURL string           `json:"public_url"` // of the provider
	Schemas   map[string]int64 `json:"schemas"`    // the versions of the schema's parts
	Keyset    json.RawMessage  `json:"keyset"`     // all of the keyset file
}

// header is how the rest of a file is sealed.
type header struct {
	Cipher string `json:"cipher,omitempty"` // "": in clear
	Salt   []byte `json:"salt,omitempty"`
}

// sink writes a file.
type sink struct {
	out    io.Writer // the file
	sum    hash.Hash
	sealed io.WriteCloser // nil: in clear
	zip    *gzip.Writer
	json   *json.Encoder
}

// newSink begins a file, encrypted unless passphrase is "".
func newSink(out io.Writer, passphrase string) (*sink, error) {
	s := &sink{out: out, sum: sha256.New()}
	summed := io.MultiWriter(out, s.sum)
	var h header
	if passphrase != "" {
		h = header{Cipher: cipher, Salt: make([]byte, 16)}
		rand.Read(h.Salt) // never fails
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(summed, "%s%s\n", magic, line); err != nil {
		return nil, err
	}
	below := summed
	if passphrase != "" {
		if s.sealed, err = seal.Writer(summed, passphrase, h.Salt); err != nil {
			return nil, err
		}
		below = s.sealed
	}
	if s.zip, err = gzip.NewWriterLevel(below, gzip.BestSpeed); err != nil {
		return nil, err
	}
	s.json = json.NewEncoder(s.zip)
	s.json.SetEscapeHTML(false)
	return s, nil
}

// end finishes the file and returns its checksum.
func (s *sink) end() (string, error) {
	if err := s.zip.Close(); err != nil {
		return "", err
	}
	if s.sealed != nil {
		if err := s.sealed.Close(); err != nil {
			return "", err
		}
	}
	sum := hex.EncodeToString(s.sum.Sum(nil))
	_, err := fmt.Fprintf(s.out, "%s%s\n", trailer, sum)
	return sum, err
}

// File is a backup that is being read, whose checksum is right.
type File struct {
	Manifest
	Sum       string // hexadecimal, as the file ends with it
	Encrypted bool

	file *os.File
	json *json.Decoder
}

// Open checks the file of that name, all of it, and reads its manifest. Passphrase is called when the file is encrypted.
// It returns [ErrDamaged], [ErrFormat], [ErrShared], or [seal.ErrPassphrase]. The caller closes the File.
func Open(name string, passphrase func() (string, error)) (_ *File, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	f := &File{file: file}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	size, err := f.check()
	if err != nil {
		return nil, err
	}
	body, err := f.begin(size, passphrase)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(body)
	if err != nil {
		return nil, damaged(err)
	}
	f.json = json.NewDecoder(zip)
	f.json.UseNumber()
	if err := f.json.Decode(&f.Manifest); err != nil {
		return nil, damaged(err)
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// check compares the checksum and returns the size of what it is of.
func (f *File) check() (size int64, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	size = info.Size() - int64(trailing)
	if !info.Mode().IsRegular() || size < int64(len(magic)) {
		return 0, ErrDamaged
	}
	begin := make([]byte, len(magic))
	if _, err := f.file.ReadAt(begin, 0); err != nil {
		return 0, err
	}
	if text := string(begin); text != magic {
		if strings.HasPrefix(text, "idp backup ") {
			return 0, ErrFormat
		}
		return 0, ErrDamaged
	}
	end := make([]byte, trailing)
	if _, err := f.file.ReadAt(end, size); err != nil {
		return 0, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f.file, 0, size)); err != nil {
		return 0, err
	}
	f.Sum = hex.EncodeToString(sum.Sum(nil))
	if !bytes.Equal(end, []byte(trailer+f.Sum+"\n")) {
		return 0, ErrDamaged
	}
	return size, nil
}

// begin reads how the file is sealed and returns what is inside.
func (f *File) begin(size int64, passphrase func() (string, error)) (io.Reader, error) {
	body := bufio.NewReaderSize(io.NewSectionReader(f.file, int64(len(magic)), size-int64(len(magic))), maxHeader)
	line, err := body.ReadSlice('\n')
	if err != nil {
		return nil, damaged(err)
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, damaged(err)
	}
	f.Encrypted = h.Cipher != ""
	switch h.Cipher {
	case "":
		info, err := f.file.Stat()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = ErrShared
		}
		return body, err
	case cipher:
		words, err := passphrase()
		if err != nil {
			return nil, err
		}
		return seal.Reader(body, words, h.Salt)
	}
	return nil, ErrFormat
}

// damaged says so, unless err has a better reason.
func damaged(err error) error {
	if err == nil || errors.Is(err, seal.ErrPassphrase) || errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
