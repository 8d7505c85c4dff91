package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/oauth"
)

var (
	// ErrNoMail says that no mail is sent here: there is no smtp_url.
	ErrNoMail = errors.New("admin: no mail is sent here")
	// ErrNoAddress says that whoever wants to try the mail has no e-mail address to which it could go.
	ErrNoAddress = errors.New("admin: there is no e-mail address to send to")
)

// EventMailTried is the action of the audit row of a trial of the mail. Detail: server, reached, and fault if there was one.
const EventMailTried = "mail.tried"

// Policy returns the policy in force.
func (d *Desk) Policy(ctx context.Context) (account.Policy, error) {
	if err := d.read(ctx, ReadSettings, "read the policy"); err != nil {
		return account.Policy{}, err
	}
	return d.Accounts.Policy(ctx)
}

// PolicyPreview returns whom want would ask for a second factor, compared with the policy in force. It changes nothing.
// [*account.InvalidError] says that want could not be set.
func (d *Desk) PolicyPreview(ctx context.Context, want account.Policy) (account.Reach, error) {
	if err := d.read(ctx, ReadSettings, "look where a policy reaches"); err != nil {
		return account.Reach{}, err
	}
	return d.Accounts.PolicyReach(ctx, want)
}

// SetPolicy puts p in force, whose Version is that of the policy that the actor saw. It returns [*account.InvalidError] and
// [account.ErrStale].
func (d *Desk) SetPolicy(ctx context.Context, p account.Policy) error {
	return d.do(ctx, WriteSettings, "set the policy", func(ctx context.Context, d *Desk) error {
		if p.Version == 0 { // which would be whichever there is
			return account.ErrStale
		}
		return d.Accounts.SetPolicy(ctx, p)
	})
}

// Brand returns how the provider presents itself, as far as that is not left to the configuration.
func (d *Desk) Brand(ctx context.Context) (brand.Brand, error) {
	if err := d.read(ctx, ReadSettings, "read the brand"); err != nil {
		return brand.Brand{}, err
	}
	return d.Brands.Get(ctx)
}

// SetBrand stores b, which was read by [Desk.Brand] and changed since. A picture becomes the logo; without one the logo stays, or
// goes where b.Logo is the zero value. It returns [*brand.InvalidError] and [brand.ErrStale].
func (d *Desk) SetBrand(ctx context.Context, b brand.Brand, picture []byte) error {
	return d.do(ctx, WriteSettings, "set the brand", func(ctx context.Context, d *Desk) error { return d.Brands.Set(ctx, b, picture) })
}

// MailTest sends a letter to the actor, who is a person, at their own address and nobody else's, and returns how the session with
// the mail server went. It takes up to 20 seconds. It returns [ErrNoMail] and [ErrNoAddress].
func (d *Desk) MailTest(ctx context.Context) (mail.Trial, error) {
	const what = "try the mail"
	if err := d.do(ctx, WriteSettings, what, func(context.Context, *Desk) error { return nil }); err != nil {
		return mail.Trial{}, err
	}
	if d.by.Subject == "" {
		return mail.Trial{}, ErrNoAddress
	}
	ctx = d.ctx(ctx)
	trial, err := d.TryMail(ctx, d.by.Subject) // not in a transaction: it may take long
	if err != nil {
		return trial, err
	}
	detail := map[string]string{"server": trial.Server, "reached": string(trial.Reached)}
	event := audit.Event{Action: EventMailTried, Subject: d.by.Subject, Detail: detail}
	if !trial.OK() {
		detail["fault"], event.Result = string(trial.Fault), "failed"
	}
	return trial, d.Audit.Record(ctx, event)
}

// Keys returns the signing keys of the last year, see [oauth.Keys.List].
func (d *Desk) Keys(ctx context.Context) ([]oauth.KeyRow, error) {
	if err := d.read(ctx, ReadSettings, "list the signing keys"); err != nil {
		return nil, err
	}
	return d.OAuth.Keys().List(ctx)
}

// RotateKeys makes a new signing key for each algorithm and returns them, see [oauth.Keys.Rotate]; [oauth.ErrKeyWaits].
func (d *Desk) RotateKeys(ctx context.Context) (made []oauth.KeyRow, err error) {
	err = d.do(ctx, WriteSettings, "rotate the signing keys", func(ctx context.Context, d *Desk) error {
		made, err = d.OAuth.Keys().Rotate(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// RetireKey revokes a signing key at once, for a reason that is recorded, because somebody else may have it: see
// [oauth.Keys.Retire]. It returns the key that was made in its place, nil when none was needed, [ErrReason], [oauth.ErrNoKey] and
// [oauth.ErrKeyRace].
func (d *Desk) RetireKey(ctx context.Context, kid, reason string) (made *oauth.KeyRow, err error) {
	err = d.do(ctx, WriteSettings, "retire a signing key", func(ctx context.Context, d *Desk) error {
		if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason {
			return ErrReason
		}
		made, err = d.OAuth.Keys().Retire(ctx, kid, reason)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}
