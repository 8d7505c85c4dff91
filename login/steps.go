package login

import (
	"context"
	"slices"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// The names of steps in what [Flow.Steps] returns that the trail has no name for.
const (
	stepPasskey     = "passkey"      // in place of the password
	stepEnrollLater = "enroll_later" // an enrolment that may be postponed
)

// Steps returns what subject would meet at a sign-in with client for scopes that begins now, in a browser where nobody is
// signed in: password or passkey, second_factor, new_password, enroll, enroll_later, consent, remind; and refuse at the end
// where the app is not open to them. Passkey says that they sign in by a passkey alone, remembered that the browser is one of
// their remembered devices. It decides as [Flow.Authenticate] does, asks nobody and changes nothing. It returns
// [account.ErrNotFound].
func (f *Flow) Steps(ctx context.Context, client *oauth.Client, subject string, scopes []string, passkey, remembered bool) ([]string, error) {
	now := f.Now()
	s, err := f.imagine(ctx, client, subject, scopes, now)
	if err != nil {
		return nil, err
	}
	steps := []string{stepNames[Password]}
	if passkey {
		steps, s.FactorAt = []string{stepPasskey}, now
	}
	s.Remembered = remembered && s.Enrolled
	for {
		step, rule := Choose(s, now)
		name := stepNames[step]
		switch step {
		case Issue:
			return steps, nil
		case Refuse:
			return append(steps, name), nil
		case SecondFactor:
			s.FactorAt = now
		case NewPassword:
			s.Compromised = false
		case Enroll:
			if rule == ByPolicy && now.Before(s.GraceEnds) {
				name, s.Postponed = stepEnrollLater, true
				break
			}
			s.Enrolled, s.FactorAt, s.FewCodes, s.AskCodes = true, now, false, false
		case Consent:
			s.ConsentedAt = now
		case Remind:
			s.Reminded = true
		}
		steps = append(steps, name)
	}
}

// imagine loads the facts of a sign-in of subject that has just begun.
func (f *Flow) imagine(ctx context.Context, client *oauth.Client, subject string, scopes []string, now time.Time) (State, error) {
	a, err := f.Accounts.BySubject(ctx, subject)
	if err != nil {
		return State{}, err
	}
	who := &person{session: &session.Session{Subject: subject, AuthTime: now}, account: a}
	aal2, _ := f.demandedBy(client.DefaultACR)
	s := State{
		Asked: now, MaxAge: -1, AAL2: aal2, AuthTime: now, Compromised: a.Compromised, Excluded: !MayUse(client, a),
		MFA: need(client.MFA), SkipConsent: SkipsConsent(client), AskAlways: native(client) || scattered(client),
	}
	if err := f.factorFacts(ctx, &s, who); err != nil {
		return s, err
	}
	rules, err := f.Accounts.Policy(ctx)
	if err != nil {
		return s, err
	}
	s.PolicyMFA, s.GraceEnds = f.Accounts.MFAGrace(a, rules)
	asked := slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return f.Withheld != nil && f.Withheld(a, scope) })
	s.Excluded = s.Excluded || len(asked) == 0 && len(scopes) > 0
	decision, err := f.Consents.Decided(ctx, subject, client.ID, asked)
	if err != nil {
		return s, err
	}
	if s.ConsentedAt = decision.At; s.AskAlways {
		s.ConsentedAt = time.Time{} // a decision of today counts for its own request alone
	}
	return s, nil
}
