package mfapasskey

import (
	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
)

// Keep registers the passkeys that people have as a factor of service, for a host that takes none now: whoever has one
// stays enrolled, and a reset takes it away. Without it a host that turns passkeys off would let those who have nothing
// else in by their password alone. It is for hosts that don't call [New]; db is the one that New takes.
func Keep(service *mfa.Service, db *sqlx.DB) error {
	return service.Register((*asFactor)(&Service{mfa: service, db: dbx.Wrap(db)}))
}
