package idp

import (
	"context"
	"time"

	"github.com/focushq/idp/account"
)

// RecoverLife is how long a link of [IdP.RecoverLink] works.
const RecoverLife = time.Hour

// RecoverLink returns a one-time link that makes an administrator, whoever there is already: for the operator, when no
// administrator can sign in any more. It voids the one before, and is on record.
func (p *IdP) RecoverLink(ctx context.Context) (string, error) {
	token, err := p.Accounts.NewLink(ctx, account.PurposeRecover, "", RecoverLife)
	if err != nil {
		return "", err
	}
	return p.cfg.PublicURL + "/setup?token=" + token, nil
}
