package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the signing keys."`
	Rotate keyRotateCmd `cmd:"" help:"Make new signing keys, which sign after 15 minutes; or with --encryption a new key for secrets at rest."`
	Retire keyRetireCmd `cmd:"" help:"Revoke a signing key at once, because somebody else may have it."`
}

type keyListCmd struct{ output }

// Run lists the keys of the last year.
func (c *keyListCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		keys, err := p.OAuth.Keys().List(a)
		if err != nil {
			return err
		}
		views, rows := []keyView{}, [][]string{}
		for _, k := range keys {
			views = append(views, keyView{k.KID, k.Alg, k.Serial, k.State, at(k.CreatedAt), at(k.ActiveAt), at(k.RetiredAt)})
			rows = append(rows, []string{k.KID, k.Alg, k.State, moment(k.CreatedAt), moment(k.ActiveAt), moment(k.RetiredAt)})
		}
		return c.print(a, views, "KEY\tALGORITHM\tSTATE\tMADE\tSIGNS FROM\tPUBLISHED UNTIL", rows)
	})
}

// keyView is a key as the command line shows it.
type keyView struct {
	KID            string     `json:"kid"`
	Alg            string     `json:"alg"`
	Serial         int64      `json:"serial"`
	State          string     `json:"state"`
	CreatedAt      *time.Time `json:"created_at"`
	SignsFrom      *time.Time `json:"signs_from"`
	PublishedUntil *time.Time `json:"published_until"` // null: no younger key has taken its place yet
}

// at returns Unix seconds as a time, 0 as none.
func at(seconds int64) *time.Time {
	if seconds == 0 {
		return nil
	}
	moment := time.Unix(seconds, 0).UTC()
	return &moment
}

// moment writes Unix seconds for people, 0 as a dash.
func moment(seconds int64) string {
	if seconds == 0 {
		return "-"
	}
	return at(seconds).Format(time.RFC3339)
}

type keyRotateCmd struct {
	Encryption bool `help:"Make a new key for secrets at rest, and seal everything anew by it, while the provider runs."`
}

// Run makes the new keys.
func (c *keyRotateCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		if c.Encryption {
			return rotateEncryption(a, p)
		}
		made, err := p.OAuth.Keys().Rotate(a)
		for _, k := range made {
			fmt.Fprintf(a.out, "made: %s %s, published now, signs from %s\n", k.Alg, k.KID, moment(k.ActiveAt))
		}
		if errors.Is(err, oauth.ErrKeyWaits) {
			return errors.New("the keys before these wait still until they may sign: see idp key list")
		}
		return err
	})
}

func rotateEncryption(a *app, p *idp.IdP) error {
	secrets, keys, err := p.RotateEncryption(a)
	if keys > 0 {
		fmt.Fprintf(a.out, "the keyset file holds %d keys: the newest one encrypts, the others open older backups\n", keys)
		fmt.Fprintf(a.out, "sealed anew: %d secrets\n", secrets)
	}
	if err != nil && keys > 0 {
		return fmt.Errorf("not everything is sealed anew; run the command again when this is mended: %w", err)
	}
	return err
}

type keyRetireCmd struct {
	KID    string `arg:"" help:"The key's id, as idp key list shows it."`
	Reason string `help:"Why; stands in the audit log."`
}

// Run revokes the key.
func (c *keyRetireCmd) Run(a *app) error {
	return a.with(func(p *idp.IdP, _ *admin.Actions) error {
		made, err := p.OAuth.Keys().Retire(a, c.KID, c.Reason)
		if errors.Is(err, oauth.ErrNoKey) {
			return fmt.Errorf("there is no key %s, or it is revoked: see idp key list", c.KID)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "revoked: %s; within two seconds no token of it is taken any more\n", c.KID)
		if made != nil {
			fmt.Fprintf(a.out, "made: %s %s, published now, signs from %s\n", made.Alg, made.KID, moment(made.ActiveAt))
		}
		return nil
	})
}
