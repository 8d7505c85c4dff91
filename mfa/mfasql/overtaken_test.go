package mfasql_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfasql"
)

// overtaken is a store where wrong codes reach the seal after a right one was counted, and before it is used up.
type overtaken struct {
	*mfasql.Store
	reach func() error
}

// AdvanceStep implements [mfa.Store].
func (o overtaken) AdvanceStep(ctx context.Context, subject, id string, a mfa.Advance) (bool, error) {
	if err := o.reach(); err != nil {
		return false, err
	}
	return o.Store.AdvanceStep(ctx, subject, id, a)
}

// TestARightCodeThatIsOvertaken: parallel wrong codes reach the seal while a right one is looked at. It is accepted, and the trail,
// which tells of the seal, tells that it is gone.
func TestARightCodeThatIsOvertaken(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := &clock{now: time.Unix(1_800_000_000, 0)}
		store := mfasql.On(db)
		phone, _ := enroll(t, serviceOn(t, store, now), "alice", now)
		cipher, err := mfa.NewCipher(make([]byte, 32))
		must(t, err)
		var kinds []mfa.Kind
		reach := sync.OnceValue(func() error {
			_, err := store.CountAttempt(context.Background(), "totp/alice", 1, 59, now.read())
			return err
		})
		service, err := mfa.New(mfa.Config{
			Store: overtaken{store, reach}, Cipher: cipher, Issuer: "Focus HQ", RememberFor: time.Hour, Now: now.read,
			Observe: func(ctx context.Context, e mfa.Event) error {
				db.AfterCommit(ctx, func() { kinds = append(kinds, e.Kind) })
				return nil
			},
		})
		must(t, err)
		must(t, service.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
		if want := []mfa.Kind{mfa.Unsealed, mfa.CodeAccepted}; !slices.Equal(kinds, want) {
			t.Errorf("on record: %v, want %v", kinds, want)
		}
		if n, _, err := store.Attempts(t.Context(), "totp/alice"); err != nil || n != 0 {
			t.Errorf("%d are counted, %v", n, err)
		}
	}, "mfa")
}
