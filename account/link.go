package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// What a link is for. A token is good for its purpose only.
const (
	PurposeSetup  = "setup"  // make the first administrator, or another one after all are lost
	PurposeReset  = "reset"  // set a new password
	PurposeInvite = "invite" // set the first password
	// PurposeRecover is to make an administrator where those that there are cannot sign in any more: as setup, but whoever
	// there is. It is for a command of the operator's alone, who has the database anyway.
	PurposeRecover = "recover"
)

// works says which link is still good: $1 is its hash, $2 the purpose, $3 now. The one for the first administrator ends
// when there is one, however they became it.
const works = `hash = $1 AND purpose = $2 AND expires_at > $3
	AND (purpose <> '` + PurposeSetup + `' OR NOT EXISTS (SELECT 1 FROM accounts WHERE admin AND NOT disabled))`

// NewLink returns the token of a new one-time link for subject, "" when the link is to make the account. It voids the
// link of the same purpose and subject. The token has more than 128 random bits, is safe in a URL, and only its
// SHA-256 is kept.
func (s *Service) NewLink(ctx context.Context, purpose, subject string, life time.Duration) (token string, err error) {
	token = rand.Text() + rand.Text()
	event := Event{Kind: EventLinkMade, Subject: subject, Detail: map[string]string{"purpose": purpose}}
	err = s.change(ctx, event, func(ctx context.Context) error {
		_, err := s.cfg.DB.Exec(ctx, `
			INSERT INTO account_links (subject, purpose, hash, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (subject, purpose) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at`,
			subject, purpose, tokenHash(token), s.now().Add(life).Unix())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("account: new link: %w", err)
	}
	return token, nil
}

// Link returns whose link the token is, without using it up: for the page that shows the form. [ErrNotFound] says
// that it is unknown, used, replaced or out of date, or for a first administrator when there is one.
func (s *Service) Link(ctx context.Context, purpose, token string) (subject string, err error) {
	err = s.cfg.DB.Get(ctx, &subject, `
		SELECT subject FROM account_links WHERE `+works,
		tokenHash(token), purpose, s.now().Unix())
	return subject, linkError(err)
}

// UseLink returns whose link the token is and uses it up: of any number of callers at once only one gets an answer,
// the others [ErrNotFound].
func (s *Service) UseLink(ctx context.Context, purpose, token string) (subject string, err error) {
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		err := s.cfg.DB.Get(ctx, &subject, `
			DELETE FROM account_links WHERE `+works+` RETURNING subject`,
			tokenHash(token), purpose, s.now().Unix())
		if err != nil || s.cfg.Observe == nil {
			return linkError(err)
		}
		return s.cfg.Observe(ctx, Event{Kind: EventLinkUsed, Subject: subject, Detail: map[string]string{"purpose": purpose}})
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

// voidLinks ends what could still set subject's password.
func (s *Service) voidLinks(ctx context.Context, subject string) error {
	_, err := s.cfg.DB.Exec(ctx, `DELETE FROM account_links WHERE subject = $1 AND subject <> ''`, subject)
	return linkError(err)
}

func linkError(err error) error {
	switch {
	case err == nil:
		return nil
	case dbx.IsNotFound(err):
		return ErrNotFound
	}
	return fmt.Errorf("account: link: %w", err)
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
