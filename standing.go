package idp

import (
	"context"
	"errors"
	"slices"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/login"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
)

// alive says whether a grant may live on. What a sign-in would be asked today, the grant is asked at every use: the
// person and the session must be there, the app open to them, the consent not withdrawn, the sign-in strong enough.
func (p *IdP) alive(ctx context.Context, s oauth.Standing) error {
	person, err := p.Accounts.Active(ctx, s.Subject)
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) {
		return oauth.ErrEnded
	}
	if err != nil {
		return err
	}
	if person.Compromised || !login.MayUse(s.Client, person) {
		return oauth.ErrEnded
	}
	for _, holds := range []func(context.Context, oauth.Standing, *account.Account) (bool, error){
		p.signedIn, p.consented, p.strong,
	} {
		ok, err := holds(ctx, s, person)
		if err != nil {
			return err
		}
		if !ok {
			return oauth.ErrEnded
		}
	}
	return nil
}

// signedIn reports whether the session that the grant belongs to goes on.
func (p *IdP) signedIn(ctx context.Context, s oauth.Standing, _ *account.Account) (bool, error) {
	if s.SessionID == "" {
		return true, nil
	}
	return p.Sessions.Alive(ctx, s.Subject, s.SessionID)
}

// consented reports whether the person still allows the client all that was granted.
func (p *IdP) consented(ctx context.Context, s oauth.Standing, _ *account.Account) (bool, error) {
	if login.SkipsConsent(s.Client) {
		return true, nil
	}
	decision, err := p.Consents.Decided(ctx, s.Subject, s.Client.ID, s.Scopes)
	if err != nil || decision.At.IsZero() {
		return false, err
	}
	return !slices.ContainsFunc(s.Scopes, func(scope string) bool { return !slices.Contains(decision.Granted, scope) }), nil
}

// strong reports whether the sign-in is as strong as the client and the policy want it now. A remembered device or an
// older sign-in may stand for the code, but not for a factor that is gone.
func (p *IdP) strong(ctx context.Context, s oauth.Standing, person *account.Account) (bool, error) {
	switch s.Client.MFA {
	case "", "optional":
		return p.due(ctx, person, s.Looking)
	case "required":
	default: // always, and what is unknown: every failure closes
		if mfa.ACR(s.AMR) != "aal2" {
			return false, nil
		}
	}
	return p.MFA.Enrolled(ctx, s.Subject)
}

// due reports whether the person has the factor that the policy wants of them, or time left to enrol one. That time
// begins when a grant gives tokens, not when somebody looks at one.
func (p *IdP) due(ctx context.Context, person *account.Account, looking bool) (bool, error) {
	if !person.MayBeAsked() {
		return true, nil
	}
	rules, err := p.Accounts.Rules(ctx)
	if err != nil {
		return false, err
	}
	required, ends := p.Accounts.MFAGrace(person, rules)
	if !required {
		return true, nil
	}
	if enrolled, err := p.MFA.Enrolled(ctx, person.Subject); err != nil || enrolled {
		return enrolled, err
	}
	if !looking {
		_, ends, err = p.Accounts.MFADue(ctx, person, rules)
	}
	return p.now().Before(ends), err
}
