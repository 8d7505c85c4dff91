package idp

import (
	"context"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/consent"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/login"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfasql"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// What the domains will be asked is read in one round trip. Here stands nothing but what they are asked most often: what is
// missing in these lists costs a round trip, what is too much a look at an index.

// aheadOfGrant is what [IdP.alive] and [IdP.claims] are going to ask about a grant.
func aheadOfGrant(client *oauth.Client) []dbx.Lookup {
	lookups := []dbx.Lookup{account.Lookup(dbx.Of("subject")), session.Lookup(dbx.Of("subject"), dbx.Of("session_id"))}
	if client == nil || !login.SkipsConsent(client) {
		lookups = append(lookups, consent.Lookup(dbx.Of("subject"), dbx.Of("client_id")))
	}
	if client != nil && client.MFA != "" && client.MFA != "optional" {
		lookups = append(lookups, mfasql.HoldingLookup(dbx.Of("subject")), mfapasskey.Lookup(dbx.Of("subject")))
	}
	return lookups
}

// aheadOfSignIn reads along with the session what a sign-in for that client is decided by.
func (p *IdP) aheadOfSignIn(ctx context.Context, client string) context.Context {
	return p.Sessions.Ahead(ctx, account.Lookup(dbx.Of("subject")), mfasql.HoldingLookup(dbx.Of("subject")),
		mfapasskey.Lookup(dbx.Of("subject")), consent.Lookup(dbx.Of("subject"), dbx.Arg{Value: client}))
}

// aheadOfFactor reads along with the session what the second factor's page shows of the person, or what a code is compared with.
func (p *IdP) aheadOfFactor(ctx context.Context, shows bool) context.Context {
	lookups := []dbx.Lookup{account.Lookup(dbx.Of("subject"))}
	if shows {
		lookups = append(append(lookups, mfapasskey.Lookup(dbx.Of("subject"))), mfasql.StatusLookups("subject")...)
	} else {
		lookups = append(lookups, mfasql.AuthenticatorsLookup(dbx.Of("subject")))
	}
	return p.Sessions.Ahead(ctx, lookups...)
}
