package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/focushq/idp/login"
	"github.com/focushq/idp/mfa/mfapasskey"
)

// wirePasskeys makes passkeys one of the factors. Where none is taken, because that was set or because browsers make
// none for the public URL, those that people have count all the same: otherwise their password alone would let them in.
func (p *IdP) wirePasskeys() (err error) {
	if p.cfg.MFA.Passkeys == PasskeysOff {
		return mfapasskey.Keep(p.MFA, p.db.SQLX())
	}
	p.Passkeys, err = mfapasskey.New(mfapasskey.Config{
		MFA: p.MFA, DB: p.db.SQLX(), Origin: p.cfg.PublicURL, Name: p.cfg.Product, Now: p.now,
	})
	if errors.Is(err, mfapasskey.ErrOrigin) {
		p.Passkeys, p.unasked = nil, err
		return mfapasskey.Keep(p.MFA, p.db.SQLX())
	}
	return err
}

// tellOfPasskeys says in the log that there are none although nobody has turned them off.
func (p *IdP) tellOfPasskeys(ctx context.Context) {
	if p.unasked != nil {
		p.log.InfoContext(ctx, "passkeys are off: browsers make none for this public_url", "public_url", p.cfg.PublicURL, "reason", p.unasked)
	}
}

// offerPasskeys gives the pages passkeys, as far as they are set to be of use. A nil service must not become an
// interface that isn't nil.
func (p *IdP) offerPasskeys(flow *login.Flow) {
	if p.Passkeys == nil {
		return
	}
	flow.Factor.Passkeys = p.Passkeys
	if p.cfg.MFA.Passkeys == PasskeysAlone {
		flow.Passkeys = p.Passkeys
	}
}

// passkeyEndpoints tells password managers where passkeys are made and managed (W3C, "A Well-Known URL for Relying Party
// Passkey Endpoints").
func (p *IdP) passkeyEndpoints(w http.ResponseWriter, _ *http.Request) {
	text, _ := json.Marshal(map[string]string{ // texts: it cannot fail
		"enroll": p.cfg.PublicURL + "/account/mfa/passkeys/add", "manage": p.cfg.PublicURL + "/account/mfa",
	})
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // whoever went away has no use for it
}
