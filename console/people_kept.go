package console

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbx"
)

// A file of people waits on the server between its preview and its import: a form of its size would cross the network twice
// more. It is encrypted under a key that nobody has but the form of that preview, so that it is nobody else's who reads the
// database, and an administrator has one at a time.

// importLife is how long one may look at a preview.
const importLife = time.Hour

// errPreview says that there is no such preview (any more).
var errPreview = errors.New("console: the preview is over")

// keptFile is a file that was previewed.
type keptFile struct {
	Secret  []byte `db:"secret"`
	File    []byte `db:"file"`
	Preview []byte `db:"preview"`
}

// keepImport stores a file with the digest of what its preview said and returns the handle for the form.
func (c *Console) keepImport(ctx context.Context, subject string, file, preview []byte) (handle string, err error) {
	handle = rand.Text()
	aead, err := importCipher(handle)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err = w.Write(file); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", fmt.Errorf("console: keep a file: %w", err)
	}
	// The key is for this one text: no other nonce is ever used with it.
	sealed := aead.Seal(nil, make([]byte, aead.NonceSize()), packed.Bytes(), []byte(subject))
	_, err = c.DB.Exec(ctx, `
		INSERT INTO console_imports (subject, secret, file, preview, expires_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (subject) DO UPDATE SET secret = excluded.secret, file = excluded.file, preview = excluded.preview, expires_at = excluded.expires_at`,
		subject, digest("import "+handle), sealed, preview, c.Now().Add(importLife).Unix())
	return handle, err
}

// keptImport returns the file of that handle, if it is the subject's, or [errPreview].
func (c *Console) keptImport(ctx context.Context, subject, handle string) (file, preview []byte, err error) {
	var k keptFile
	err = c.DB.Get(ctx, &k, `SELECT secret, file, preview FROM console_imports WHERE subject = $1 AND secret = $2 AND expires_at > $3`,
		subject, digest("import "+handle), c.Now().Unix())
	if dbx.IsNotFound(err) {
		return nil, nil, errPreview
	}
	if err != nil {
		return nil, nil, err
	}
	aead, err := importCipher(handle)
	if err != nil {
		return nil, nil, err
	}
	packed, err := aead.Open(nil, make([]byte, aead.NonceSize()), k.File, []byte(subject))
	if err != nil {
		return nil, nil, fmt.Errorf("console: a kept file: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, nil, fmt.Errorf("console: a kept file: %w", err)
	}
	file, err = io.ReadAll(io.LimitReader(r, account.ImportBytes+1))
	return file, k.Preview, err
}

// importCipher is the one of a handle.
func importCipher(handle string) (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("console import, key\x00" + handle))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// importBegun notes that a file is being imported: what its preview said is no longer so.
func (c *Console) importBegun(ctx context.Context, subject, handle string) error {
	_, err := c.DB.Exec(ctx, `UPDATE console_imports SET preview = $3 WHERE subject = $1 AND secret = $2`, subject, digest("import "+handle), []byte{})
	return err
}

// dropImport forgets a file.
func (c *Console) dropImport(ctx context.Context, subject, handle string) error {
	_, err := c.DB.Exec(ctx, `DELETE FROM console_imports WHERE subject = $1 AND secret = $2`, subject, digest("import "+handle))
	return err
}

// pruneImports removes files whose time is over.
func (c *Console) pruneImports(ctx context.Context) error {
	return c.DB.Prune(ctx, "console_imports", "expires_at", "expires_at <= $1", c.Now().Unix())
}
