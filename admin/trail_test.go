package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
)

// Whose trail each role reads.
func TestSec_AD04_WhoReadsTheTrail(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	ctx := t.Context()
	alice := p.AddUser("alice")
	_, boss := staff(p, "boss", account.Administrator)
	entry := func(subject string) string {
		t.Helper()
		entries, err := p.Audit.List(ctx, audit.Filter{Subject: subject, Action: account.EventCreated})
		if err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		return entries[0].ID
	}
	for role, may := range map[account.Role]struct{ all, alice, boss bool }{
		account.Administrator: {true, true, true}, account.Auditor: {true, true, true}, account.HelpDesk: {false, true, false}, "": {},
	} {
		d := p.Actions().Desk(admin.Actor{Subject: "of no account", Role: role})
		for what, try := range map[string]struct {
			may bool
			do  func() error
		}{
			"all":               {may.all, func() error { _, err := d.Trail(ctx, admin.TrailQuery{}); return err }},
			"of a client":       {may.all, func() error { _, err := d.Trail(ctx, admin.TrailQuery{Client: "app"}); return err }},
			"of a person":       {may.alice, func() error { _, err := d.Trail(ctx, admin.TrailQuery{Subject: alice.Subject}); return err }},
			"of staff":          {may.boss, func() error { _, err := d.Trail(ctx, admin.TrailQuery{Subject: boss.Subject}); return err }},
			"entry of a person": {may.alice, func() error { _, err := d.TrailEntry(ctx, entry(alice.Subject)); return err }},
			"entry of staff":    {may.boss, func() error { _, err := d.TrailEntry(ctx, entry(boss.Subject)); return err }},
			"why, of staff":     {may.boss, func() error { _, _, err := d.Explain(ctx, entry(boss.Subject)); return err }},
			"verify":            {may.all, func() error { _, err := d.VerifyTrail(ctx); return err }},
			"figures":           {role != "", func() error { _, err := d.SignInFigures(ctx, p.Clock.Now()); return err }},
		} {
			if err := try.do(); (err == nil) != try.may || err != nil && !errors.Is(err, admin.ErrForbidden) {
				t.Errorf("%q, %s: %v", role, what, err)
			}
		}
		if _, err := d.TrailEntry(ctx, "none"); role != "" && !errors.Is(err, audit.ErrNotFound) {
			t.Errorf("%q, an entry that there is not: %v", role, err)
		}
	}
	if refused, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventRefused}); err != nil || len(refused) != 16 {
		t.Errorf("%d refusals on record, %v", len(refused), err)
	}
}

// A process verifies once at a time, whoever wants it by whichever way, and whoever may not is told that first.
func TestOneVerifiesTheTrailAtATime(t *testing.T) {
	p := idptest.Start(t)
	auditor := p.Actions().Desk(admin.Actor{Subject: "a", Role: account.Auditor})
	other := p.Actions().Desk(admin.Actor{Client: "m", Scopes: []admin.Permission{admin.ReadTrail}})
	done, ok := p.Audit.TurnToVerify()
	if !ok {
		t.Fatal("a verification goes on")
	}
	for _, d := range []*admin.Desk{auditor, other} {
		if _, err := d.VerifyTrail(t.Context()); !errors.Is(err, admin.ErrVerifying) {
			t.Error(err)
		}
	}
	if _, err := p.Actions().Desk(admin.Actor{Role: account.HelpDesk, Subject: "h"}).VerifyTrail(t.Context()); !errors.Is(err, admin.ErrForbidden) {
		t.Error(err)
	}
	done()
	for _, d := range []*admin.Desk{auditor, other} {
		if report, err := d.VerifyTrail(t.Context()); err != nil || !report.OK() {
			t.Error(report, err)
		}
	}
}

// A program reads the trail by its scope and by nothing else.
func TestSec_AD04_ProgramsReadTheTrailByTheirScope(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	for _, row := range []struct {
		actor admin.Actor
		may   bool
	}{
		{admin.Actor{Client: "m", Scopes: []admin.Permission{admin.ReadTrail}}, true},
		{admin.Actor{Client: "m", Scopes: []admin.Permission{admin.ReadPeople, admin.HelpPeople}}, false},
		{admin.Actor{Client: "m", Subject: "s", Role: account.Auditor, Scopes: []admin.Permission{admin.ReadPeople}}, false},
		{admin.Actor{Client: "m", Subject: "s", Role: account.HelpDesk, Scopes: []admin.Permission{admin.ReadTrail}}, false},
	} {
		if _, err := p.Actions().Desk(row.actor).Trail(t.Context(), admin.TrailQuery{}); (err == nil) != row.may {
			t.Errorf("%+v: %v", row.actor, err)
		}
	}
}

func TestTrailQueries(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	ctx := t.Context()
	d, root := staff(p, "root", account.Administrator)
	alice := p.AddUser("alice")
	for range 3 {
		for _, err := range []error{d.Disable(ctx, alice.Subject), d.Enable(ctx, alice.Subject)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(q admin.TrailQuery) (actions []string) {
		t.Helper()
		for {
			page, err := d.Trail(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				actions = append(actions, e.Action)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return actions
			}
		}
	}
	turns := []string{"account.enabled", "account.disabled", "account.enabled", "account.disabled", "account.enabled", "account.disabled"}
	if diff := cmp.Diff(append(turns, "account.created"), read(admin.TrailQuery{Actor: root.Subject, Group: "people", Limit: 2})); diff != "" {
		t.Errorf("by the administrator: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(append(turns, "account.created"), read(admin.TrailQuery{Subject: alice.Subject, Limit: 4})); diff != "" {
		t.Errorf("of alice: -want +got\n%s", diff)
	}
	if got := read(admin.TrailQuery{Subject: alice.Subject, Action: "account.enabled", Until: p.Clock.Now().Add(-time.Hour)}); len(got) != 0 {
		t.Error(got)
	}
	page, err := d.Trail(ctx, admin.TrailQuery{Subject: alice.Subject, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]admin.TrailQuery{
		"a group that there is not": {Group: "none"}, "a forged cursor": {Cursor: "x"},
		"a cursor of another query": {Subject: alice.Subject, Result: "refused", Cursor: page.Next},
		"an end before the begin":   {Since: p.Clock.Now(), Until: p.Clock.Now().Add(-time.Hour)},
	} {
		if _, err := d.Trail(ctx, q); !errors.Is(err, admin.ErrTrailQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An export says who took it and how much, before the first line.
func TestExportTrail(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	ctx := t.Context()
	d, root := staff(p, "root", account.Auditor)
	alice := p.AddUser("alice")
	var out bytes.Buffer
	if err := d.ExportTrail(ctx, &out, admin.TrailQuery{Subject: alice.Subject, Group: "people"}); err != nil {
		t.Fatal(err)
	}
	var line struct{ Action, Subject string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Action != account.EventCreated || line.Subject != alice.Subject {
		t.Errorf("%s, %v", out.String(), err)
	}
	entries, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventTrailExported})
	if err != nil || len(entries) != 1 || entries[0].Actor != root.Subject || entries[0].Detail["group"] != "people" || entries[0].Detail["subject"] != alice.Subject {
		t.Errorf("%+v, %v", entries, err)
	}
	full := errors.New("full")
	if err := d.ExportTrail(ctx, refusing{full}, admin.TrailQuery{}); !errors.Is(err, full) {
		t.Error(err)
	}
	if entries, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventTrailExported}); err != nil || len(entries) != 2 {
		t.Errorf("%d exports on record, %v", len(entries), err)
	}
	help, _ := staff(p, "help", account.HelpDesk)
	out.Reset()
	if err := help.ExportTrail(ctx, &out, admin.TrailQuery{Subject: alice.Subject}); !errors.Is(err, admin.ErrForbidden) || out.Len() > 0 {
		t.Errorf("help desk: %v, %q", err, out.String())
	}
}

type refusing struct{ err error }

func (w refusing) Write([]byte) (int, error) { return 0, w.err }

// The figures of the front page are what happened: tries, waits and seals.
func TestSignInFigures(t *testing.T) {
	t.Parallel()
	w := newWalk(t)
	d, _ := staff(w.p, "root", account.Auditor)
	w.enrol()
	page := w.begin().Submit("login-submit", "username", "alice", "password", "wrong")
	w.code(w.password(page).Submit("mfa-submit", "code", "000000"))
	w.p.AddUser("bob")
	for range 12 {
		w.p.Browser().Get("/account").Submit("login-submit", "username", "bob", "password", "wrong")
	}
	figures := func() admin.SignInFigures {
		t.Helper()
		_, err := w.p.Audit.Link(t.Context())
		w.must(err)
		out, err := d.SignInFigures(t.Context(), w.p.Clock.Now())
		w.must(err)
		return out
	}
	got := figures()
	today := got.Days[29]
	if len(got.Days) != 30 || !today.Day.Equal(w.p.Clock.Now().UTC().Truncate(24*time.Hour)) || today.Passwords != 1 || today.Refused != 11 ||
		today.WrongCodes != 1 || today.Failed() != 12 || got.Days[28].Failed() != 0 || got.Waiting != 1 || got.Sealed != 0 {
		t.Errorf("%+v, waiting %d, sealed %d", today, got.Waiting, got.Sealed)
	}
	for range 60 {
		w.p.Clock.Add(2 * time.Hour)
		_ = w.p.MFA.VerifyTOTP(context.Background(), w.alice.Subject, "000000")
	}
	got = figures()
	if got.Sealed != 1 || got.Waiting != 0 {
		t.Errorf("waiting %d, sealed %d", got.Waiting, got.Sealed)
	}
}
