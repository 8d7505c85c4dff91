package oauth

import (
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// LookAtKeys returns the signing keys of a database for [Keys.List] alone, whose error says that they don't open with that
// cipher. It makes none.
func LookAtKeys(db *dbx.DB, cipher Cipher, now func() time.Time) *Keys {
	return (*Keys)(&keyring{db: db, seal: cipher, now: now})
}
