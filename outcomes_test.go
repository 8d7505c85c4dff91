package idp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// factorKinds are the kinds of events that package mfa declares.
func factorKinds(t *testing.T) (kinds []mfa.Kind) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "mfa/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Kind" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, mfa.Kind(text))
		}
		return true
	})
	if len(kinds) < 20 {
		t.Fatalf("only %v", kinds)
	}
	return kinds
}

// told is an IdP, what its figures say and what its audit log holds about one person.
type told struct {
	*IdP
	t       *testing.T
	person  *account.Account
	elapsed time.Duration
	phone   mfatest.Phone
	codes   []string
	secrets []string // what must stand nowhere
}

func tell(t *testing.T) *told {
	t.Helper()
	s := &told{t: t}
	began := time.Unix(1_800_000_000, 0)
	s.IdP, _ = start(t, func(c *Config) { c.Now = func() time.Time { return began.Add(s.elapsed) } })
	var err error
	s.person, err = s.Accounts.Create(t.Context(), account.NewAccount{Username: "alice", Email: "a@example.com"})
	s.must(err)
	return s
}

func (s *told) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *told) owner() mfa.Owner { return mfa.Owner{Subject: s.person.Subject, Session: "s1"} }

// enrol adds an authenticator; a first one comes with recovery codes.
func (s *told) enrol(first bool) {
	s.t.Helper()
	ctx, set := s.t.Context(), ""
	e, err := s.MFA.Enroll(ctx, s.owner(), "alice")
	s.must(err)
	phone := mfatest.Phone{Key: e.Key, Clock: s.now}
	_, err = s.MFA.VerifyEnrollment(ctx, s.owner(), e.ID, phone.Code(-1), phone.Code(0))
	s.must(err)
	if first {
		s.phone = phone
		s.codes, set, err = s.MFA.NewRecoveryCodes(ctx, s.owner(), e.ID)
		s.must(err)
	}
	_, err = s.MFA.Confirm(ctx, s.owner(), e.ID, set)
	s.must(err)
	s.secrets = append(s.secrets, e.Key)
	s.secrets = append(s.secrets, s.codes...)
	s.elapsed += time.Minute
}

// code gives a code of the first app, whatever comes of it.
func (s *told) code(code string) {
	s.secrets = append(s.secrets, code)
	_ = s.MFA.VerifyTOTP(s.t.Context(), s.person.Subject, code)
}

// counted returns the counted kinds.
func (s *told) counted() map[mfa.Kind]int {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	out := map[mfa.Kind]int{}
	for line := range strings.Lines(w.Body.String()) {
		if rest, ok := strings.CutPrefix(line, `idp_mfa_events_total{kind="`); ok {
			kind, value, _ := strings.Cut(rest, `"} `)
			out[mfa.Kind(kind)], _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return out
}

// audited returns the kinds in the audit log, all rows of which must be free of secrets.
func (s *told) audited() map[mfa.Kind]int {
	s.t.Helper()
	rows, err := s.Audit.List(s.t.Context(), audit.Filter{Limit: 1000})
	s.must(err)
	out := map[mfa.Kind]int{}
	for _, row := range rows {
		if kind, ok := strings.CutPrefix(row.Action, "mfa."); ok {
			out[mfa.Kind(kind)]++
		}
		for name, value := range row.Detail {
			for _, secret := range s.secrets {
				if value == secret || len(secret) > 6 && strings.Contains(value, secret) {
					s.t.Errorf("%s: %s holds a secret", row.Action, name)
				}
			}
		}
	}
	return out
}

// Every kind of event there is becomes a row of the audit log and counts, whoever adds one.
func TestEveryKindIsCountedAndAudited(t *testing.T) {
	t.Parallel()
	s := tell(t)
	for _, kind := range factorKinds(t) {
		s.must(s.factorChanged(t.Context(), mfa.Event{At: s.now(), Subject: s.person.Subject, Kind: kind}))
	}
	counted, audited := s.counted(), s.audited()
	for _, kind := range factorKinds(t) {
		if counted[kind] != 1 || audited[kind] != 1 {
			t.Errorf("%s: counted %d times, audited %d times", kind, counted[kind], audited[kind])
		}
	}
}

// What happens to somebody's factors in the course of a life, and that figures and audit log say the same of it.
func TestOutcomesAreCountedAndAuditedWithoutACode(t *testing.T) {
	t.Parallel()
	s := tell(t)
	ctx, subject := t.Context(), s.person.Subject
	s.enrol(true)
	s.code(s.phone.Code(0))   // right
	s.code(s.phone.Code(0))   // again
	s.code(s.phone.Code(-15)) // slow
	s.code("000000")
	token, _, err := s.MFA.RememberDevice(ctx, subject, mfa.Label{Browser: "Firefox", System: "Linux"})
	s.must(err)
	_, secret, _ := strings.Cut(token, ".")
	s.secrets = append(s.secrets, secret)
	_, _, err = s.MFA.DeviceRemembered(ctx, subject, token)
	s.must(err)
	for range 2 {
		s.code("000000")
	}
	s.code(s.phone.Code(0)) // not looked at
	_, _ = s.MFA.VerifyRecoveryCode(ctx, subject, "0000-0000-0000-0000")
	_, err = s.MFA.VerifyRecoveryCode(ctx, subject, s.codes[3])
	s.must(err)
	s.enrol(false)
	status, err := s.MFA.Status(ctx, subject)
	s.must(err)
	s.must(s.MFA.Rename(ctx, subject, status.Authenticators[1].ID, "Tablet"))
	s.must(s.MFA.Remove(ctx, subject, status.Authenticators[1].ID))
	_, set, err := s.MFA.NewRecoveryCodes(ctx, s.owner(), "")
	s.must(err)
	s.must(s.MFA.ConfirmRecoveryCodes(ctx, s.owner(), set))
	for range 60 {
		s.code("000000")
		s.elapsed += time.Hour
	}
	s.must(s.Actions().Unseal(ctx, subject, "asked on the phone"))
	s.must(s.Actions().ResetMFA(ctx, subject, "lost the phone"))

	counted, audited := s.counted(), s.audited()
	for kind, least := range map[mfa.Kind]int{
		mfa.Enrolled: 1, mfa.CodeAccepted: 1, mfa.CodeReplayed: 1, mfa.ClockWrong: 1, mfa.CodeRefused: 62, mfa.Warned: 2,
		mfa.Throttled: 1, mfa.RecoveryRefused: 1, mfa.RecoveryUsed: 1, mfa.DeviceRemembered: 1, mfa.DeviceUsed: 1,
		mfa.DevicesForgotten: 1, mfa.AuthenticatorAdded: 1, mfa.AuthenticatorRenamed: 1, mfa.AuthenticatorRemoved: 1,
		mfa.CodesReplaced: 1, mfa.Sealed: 1, mfa.Unsealed: 1, mfa.WasReset: 1,
	} {
		if counted[kind] < least || counted[kind] != audited[kind] {
			t.Errorf("%s: counted %d times, audited %d times; want %d", kind, counted[kind], audited[kind], least)
		}
	}
}

// An event that cannot be recorded undoes what it tells of.
func TestSec_AU02_WhatCannotBeAuditedDoesNotHappen(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.enrol(true)
	if _, err := s.db.Exec(t.Context(), `ALTER TABLE audit RENAME TO audit_away`); err != nil {
		t.Fatal(err)
	}
	ctx, subject := t.Context(), s.person.Subject
	if err := s.MFA.VerifyTOTP(ctx, subject, s.phone.Code(0)); err == nil {
		t.Error("a code was accepted without a record")
	}
	if _, err := s.MFA.VerifyRecoveryCode(ctx, subject, s.codes[0]); err == nil {
		t.Error("a recovery code was accepted without a record")
	}
	if err := s.Actions().ResetMFA(ctx, subject, "lost the phone"); err == nil {
		t.Error("a reset without a record")
	}
	if _, err := s.db.Exec(t.Context(), `ALTER TABLE audit_away RENAME TO audit`); err != nil {
		t.Fatal(err)
	}
	if status, err := s.MFA.Status(ctx, subject); err != nil || !status.Enrolled || status.CodesLeft != 10 {
		t.Errorf("%+v, %v", status, err)
	}
	s.elapsed += time.Minute
	s.must(s.MFA.VerifyTOTP(ctx, subject, s.phone.Code(0)))
}
