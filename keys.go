package idp

import (
	"context"
	"errors"
	"strconv"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/seal"
)

// renewKeys replaces signing keys that are due. Failures are tried again later and logged.
func (p *IdP) renewKeys(ctx context.Context) {
	if err := p.OAuth.Keys().Renew(audit.WithActor(ctx, audit.Server)); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "signing keys wait for their renewal", "error", err)
	}
}

// RotateEncryption adds an encryption key to the keyset file and seals everything anew by it, while this and other
// processes serve: they read the file again by themselves. It returns how many secrets there were and how many keys the
// file now holds; the older ones stay, because backups need them. Whoever was interrupted calls it again: it goes on with
// the key that there is. A secret that no key opens is left as it is and part of the error, after all the others.
func (p *IdP) RotateEncryption(ctx context.Context) (secrets, keys int, err error) {
	path := p.cfg.keyset()
	rotated, err := seal.Rotate(path)
	if err != nil {
		return 0, 0, err
	}
	keys = rotated.Count()
	event := audit.Event{Action: "keyset.rotated", Detail: map[string]string{"keys": strconv.Itoa(keys)}}
	if err := p.Audit.Record(ctx, event); err != nil {
		return 0, keys, err
	}
	var broken error
	for _, reseal := range []func(context.Context) (int, error){p.MFA.Reseal, p.outbox.Reseal, p.OAuth.Keys().Reseal} {
		n, err := reseal(ctx)
		secrets, broken = secrets+n, errors.Join(broken, err)
	}
	if broken != nil {
		return secrets, keys, broken
	}
	event = audit.Event{Action: "keyset.resealed", Detail: map[string]string{"secrets": strconv.Itoa(secrets)}}
	return secrets, keys, errors.Join(p.Audit.Record(ctx, event), seal.Finish(path))
}
