package idp

import (
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// stood is somebody with a grant, whose ground is taken away bit by bit.
type stood struct {
	*IdP
	t       *testing.T
	person  *account.Account
	grant   oauth.Standing
	elapsed time.Duration
}

func stand(t *testing.T) *stood {
	t.Helper()
	s := &stood{t: t}
	s.IdP, _ = start(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(s.elapsed) } })
	s.must(s.Accounts.SetGroups(t.Context(), []account.Group{{Name: "staff"}, {Name: "board"}}))
	var err error
	s.person, err = s.Accounts.Create(t.Context(), account.NewAccount{Username: "alice", Email: "a@example.com", Groups: []string{"staff"}})
	s.must(err)
	s.grant = oauth.Standing{
		Subject: s.person.Subject, Scopes: []string{"openid", "email"}, ACR: "aal1", AMR: []string{"pwd"},
		Client: &oauth.Client{ID: "app", AuthMethod: "client_secret_basic", Consent: "ask", MFA: "optional"},
	}
	s.must(s.Consents.Decide(t.Context(), s.person.Subject, "app", []string{"openid", "email"}, []string{"profile"}))
	return s
}

func (s *stood) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// enrol turns MFA on, and the grant came of a sign-in with it.
func (s *stood) enrol() {
	s.t.Helper()
	ctx, owner := s.t.Context(), mfa.Owner{Subject: s.person.Subject, Session: "s1"}
	e, err := s.MFA.Enroll(ctx, owner, "alice")
	s.must(err)
	phone := mfatest.Phone{Key: e.Key, Clock: s.now}
	_, err = s.MFA.VerifyEnrollment(ctx, owner, e.ID, phone.Code(-1), phone.Code(0))
	s.must(err)
	_, set, err := s.MFA.NewRecoveryCodes(ctx, owner, e.ID)
	s.must(err)
	_, err = s.MFA.Confirm(ctx, owner, e.ID, set)
	s.must(err)
	s.grant.ACR, s.grant.AMR = "https://refeds.org/profile/mfa", []string{"pwd", "otp", "mfa"}
}

func (s *stood) policy(grace time.Duration, groups ...string) {
	s.t.Helper()
	s.must(s.Accounts.SetPolicy(s.t.Context(), account.Policy{MFARequiredGroups: groups, MFAGrace: grace}))
}

func TestSec_TK08_WhatAGrantStandsOn(t *testing.T) {
	t.Parallel()
	const lives, ended = true, false
	for name, c := range map[string]struct {
		change func(*stood)
		want   bool
	}{
		"as it was":         {func(*stood) {}, lives},
		"disabled":          {func(s *stood) { s.must(s.Accounts.Disable(s.t.Context(), s.person.Subject)) }, ended},
		"unknown":           {func(s *stood) { s.grant.Subject = "nobody" }, ended},
		"session over":      {func(s *stood) { s.grant.SessionID = "gone" }, ended},
		"app of my group":   {func(s *stood) { s.grant.Client.Groups = []string{"board", "staff"} }, lives},
		"app of another":    {func(s *stood) { s.grant.Client.Groups = []string{"board"} }, ended},
		"consent withdrawn": {func(s *stood) { s.must(s.Consents.Revoke(s.t.Context(), s.person.Subject, "app")) }, ended},
		"one scope declined": {func(s *stood) {
			s.must(s.Consents.Decide(s.t.Context(), s.person.Subject, "app", nil, []string{"email"}))
		}, ended},
		"never allowed":   {func(s *stood) { s.grant.Scopes = append(s.grant.Scopes, "phone") }, ended},
		"consent skipped": {func(s *stood) { s.grant.Client.ID, s.grant.Client.Consent = "other", "skip" }, lives},
		"a public client's consent is never skipped": {func(s *stood) {
			s.grant.Client.ID, s.grant.Client.Consent, s.grant.Client.AuthMethod = "other", "skip", "none"
		}, ended},
		"no scopes, never asked":      {func(s *stood) { s.grant.Client.ID, s.grant.Scopes = "other", nil }, ended},
		"MFA required, none there":    {func(s *stood) { s.grant.Client.MFA = "required" }, ended},
		"MFA required and there":      {func(s *stood) { s.enrol(); s.grant.Client.MFA = "required" }, lives},
		"MFA required, older sign-in": {func(s *stood) { s.enrol(); s.grant.AMR = []string{"pwd"}; s.grant.Client.MFA = "required" }, lives},
		"MFA always and given":        {func(s *stood) { s.enrol(); s.grant.Client.MFA = "always" }, lives},
		"MFA always, older sign-in":   {func(s *stood) { s.enrol(); s.grant.AMR = []string{"pwd"}; s.grant.Client.MFA = "always" }, ended},
		"MFA as nobody knows":         {func(s *stood) { s.grant.Client.MFA = "sometimes" }, ended},
		"MFA reset, app doesn't mind": {func(s *stood) { s.enrol(); s.must(s.MFA.Reset(s.t.Context(), s.person.Subject, "lost")) }, lives},
		"MFA reset, required": {func(s *stood) {
			s.enrol()
			s.grant.Client.MFA = "required"
			s.must(s.MFA.Reset(s.t.Context(), s.person.Subject, "lost"))
		}, ended},
		"MFA reset, always": {func(s *stood) {
			s.enrol()
			s.grant.Client.MFA = "always"
			s.must(s.MFA.Reset(s.t.Context(), s.person.Subject, "lost"))
		}, ended},
		"policy for others":    {func(s *stood) { s.policy(0, "board") }, lives},
		"policy without grace": {func(s *stood) { s.policy(0, "staff") }, ended},
		"policy in its grace":  {func(s *stood) { s.policy(time.Hour, "staff") }, lives},
		"policy after its grace": {func(s *stood) {
			s.policy(time.Hour, "staff")
			s.must(s.alive(s.t.Context(), s.grant)) // the first use under the policy begins the grace
			s.elapsed = time.Hour
		}, ended},
		"policy for everybody": {func(s *stood) {
			s.must(s.Accounts.SetPolicy(s.t.Context(), account.Policy{MFARequired: account.MFAEverybody}))
		}, ended},
		"an administrator, under any policy": {func(s *stood) {
			s.person.Admin = true
			s.must(s.Accounts.Update(s.t.Context(), s.person))
		}, ended},
		"an administrator who is enrolled": {func(s *stood) {
			s.enrol()
			s.person.Admin = true
			s.must(s.Accounts.Update(s.t.Context(), s.person))
		}, lives},
		"policy kept": {func(s *stood) { s.enrol(); s.policy(0, "staff") }, lives},
		"policy, and MFA reset": {func(s *stood) {
			s.enrol()
			s.policy(0, "staff")
			s.must(s.MFA.Reset(s.t.Context(), s.person.Subject, "lost"))
		}, ended},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stand(t)
			c.change(s)
			err := s.alive(t.Context(), s.grant)
			if c.want == lives && err != nil || c.want == ended && !errors.Is(err, oauth.ErrEnded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whoever looks at a grant, by userinfo or introspection, changes nothing: the time to enrol begins with its next tokens.
func TestSec_SS11_LookingAtAGrantBeginsNothing(t *testing.T) {
	t.Parallel()
	s := stand(t)
	s.policy(time.Hour, "staff")
	due := func() (at int64) {
		t.Helper()
		s.must(s.db.Get(t.Context(), &at, `SELECT mfa_due_at FROM accounts WHERE subject = $1`, s.person.Subject))
		return at
	}
	look := s.grant
	look.Looking = true
	s.must(s.alive(t.Context(), look))
	if due() != 0 {
		t.Error("a look began the time to enrol")
	}
	s.must(s.alive(t.Context(), s.grant))
	if due() == 0 {
		t.Error("tokens did not begin it")
	}
	s.elapsed = time.Hour
	if err := s.alive(t.Context(), look); !errors.Is(err, oauth.ErrEnded) {
		t.Errorf("a look after the end: %v", err)
	}
}
