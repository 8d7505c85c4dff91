package idp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/oauth"
)

// After how long something is worth a word.
const (
	oldBackup  = 7 * 24 * time.Hour
	slowMail   = time.Hour
	slowLink   = time.Minute
	slowHook   = 24 * time.Hour
	lateKeys   = 24 * time.Hour       // past the day when a signing key is replaced
	oldKeys    = 365 * 24 * time.Hour // where nobody replaces them
	soonOver   = 21 * 24 * time.Hour  // a certificate
	almostOver = 3 * 24 * time.Hour
)

// ago writes a time that is past for people.
func (e *examiner) ago(t time.Time) string {
	d := e.now().Sub(t)
	switch {
	case d < 2*time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

// signingKeys opens all of them, which tells whether keyset and database belong together.
func (e *examiner) signingKeys(ctx context.Context) {
	const check = "signing keys"
	rows, err := oauth.LookAtKeys(e.db, e.keys, e.now).List(ctx)
	if err != nil {
		e.wrong(check, "set keyset_file to the keyset of this database, or restore both from one backup", "%v", err)
		return
	}
	life := time.Duration(e.Config.KeyRotation)
	said := false
	for _, k := range rows {
		since := time.Unix(k.ActiveAt, 0)
		age := e.now().Sub(since)
		switch {
		case k.State == "waiting":
			e.fine(check, "%s %s waits until %s", k.Alg, k.KID, since.UTC().Format(time.RFC3339))
		case k.State != "signing":
		case life > 0 && age > life+lateKeys:
			e.notice(check, "let idp serve run, which replaces it, or idp key rotate", "%s %s signs since %s and should have been replaced", k.Alg, k.KID, e.ago(since))
		case life == 0 && age > oldKeys:
			e.notice(check, "idp key rotate, or set key_rotation", "%s %s signs since %s", k.Alg, k.KID, e.ago(since))
		case life > 0:
			e.fine(check, "%s %s signs until %s", k.Alg, k.KID, since.Add(life).UTC().Format(time.DateOnly))
		default:
			e.fine(check, "%s %s signs since %s", k.Alg, k.KID, e.ago(since))
		}
		said = said || k.State == "signing"
	}
	if !said {
		e.notice(check, "run idp serve", "there are none yet: idp serve makes them")
	}
}

// trail looks at the ends of the audit trail.
func (e *examiner) trail(ctx context.Context) {
	const check = "audit"
	log, err := e.Config.trail(e.db, e.keys)
	if err != nil {
		e.wrong(check, "", "%v", err)
		return
	}
	s, err := log.State(ctx)
	var problem *audit.Problem
	switch {
	case errors.As(err, &problem) && problem.What == audit.HeadGone && s.Head.Seq == 0 && !e.anyRow(ctx):
		e.notice(check, "", "the trail begins with the first start")
	case err != nil:
		e.wrong(check, "idp audit verify", "%v", err)
	case s.Waiting > 0 && e.now().Sub(s.Oldest) > slowLink:
		e.notice(check, "idp serve chains them within seconds", "%d rows wait for their places in the chain, the oldest of %s", s.Waiting, e.ago(s.Oldest))
	default:
		e.fine(check, "the chain ends at %s", s.Head)
	}
}

func (e *examiner) anyRow(ctx context.Context) bool {
	var any bool
	return e.db.Get(ctx, &any, `SELECT EXISTS (SELECT 1 FROM audit)`) != nil || any
}

// webhook looks at what its receiver has not taken.
func (e *examiner) webhook(ctx context.Context) {
	const check = "audit webhook"
	if e.Config.AuditWebhookURL == "" {
		return
	}
	log, err := e.Config.trail(e.db, e.keys)
	if err != nil {
		e.wrong(check, "", "%v", err)
		return
	}
	b, err := (&audit.Webhook{Log: log}).Backlog(ctx)
	late := b.Rows > 0 && e.now().Sub(b.Oldest) > slowHook
	switch {
	case err != nil:
		e.wrong(check, "", "%v", err)
	case late:
		e.wrong(check, "see the log of idp serve for what the receiver answers", "%d rows wait, the oldest of %s; attempts: %d", b.Rows, e.ago(b.Oldest), b.Attempts)
	case b.Attempts > 1:
		e.notice(check, "see the log of idp serve for what the receiver answers", "%d rows wait; attempts: %d", b.Rows, b.Attempts)
	default:
		e.fine(check, "%d rows wait", b.Rows)
	}
}

// people looks at who administers.
func (e *examiner) people(ctx context.Context) {
	const check = "administrators"
	accounts, err := account.New(account.Config{DB: e.db, Hasher: account.NewHasher(account.Params{}), Now: e.Config.Now})
	if err != nil {
		e.wrong(check, "", "%v", err)
		return
	}
	enabled := false
	page, err := accounts.People(ctx, account.Query{AnyRole: true, Disabled: &enabled, Limit: 200})
	if err != nil {
		e.wrong(check, "", "%v", err)
		return
	}
	var subjects, without []string
	admins := 0
	for _, a := range page.People {
		subjects = append(subjects, a.Subject)
		if a.Admin {
			admins++
		}
	}
	// What lists keep may lag behind: asked here is who has a factor now.
	enrolled, err := e.enrolled(ctx, subjects)
	if err != nil {
		e.wrong(check, "", "%v", err)
		return
	}
	for _, a := range page.People {
		if !enrolled[a.Subject] {
			without = append(without, a.Username)
		}
	}
	switch {
	case admins == 0:
		e.notice(check, "open the link that idp serve prints, or idp admin recover", "there is none who can sign in")
	case len(without) > 0:
		e.notice(check, "let them enrol: they are asked to at their next sign-in", "without MFA, of those with a role: %s", strings.Join(without, ", "))
	default:
		e.fine(check, "%d, all with MFA, as is everybody with a role", admins)
	}
}

// enrolled says who of subjects has a second factor, of whatever kind.
func (e *examiner) enrolled(ctx context.Context, subjects []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, of := range []struct{ table, column string }{{"mfa_authenticators", "subject"}, {"mfa_passkeys", "subject"}} {
		have, err := e.db.Present(ctx, of.table, of.column, subjects)
		if err != nil {
			return nil, err
		}
		for _, subject := range have {
			out[subject] = true
		}
	}
	return out, nil
}

// outbox looks at mail that waits.
func (e *examiner) outbox(ctx context.Context) {
	const check = "outbox"
	s, err := (&mail.Outbox{DB: e.db, Now: e.Config.Now}).State(ctx)
	switch {
	case err != nil:
		e.wrong(check, "", "%v", err)
	case s.Waiting > 0 && e.now().Sub(s.Oldest) > slowMail:
		e.wrong(check, "see the check of mail; idp serve sends what waits", "%d letters wait, the oldest of %s; the last error: %s", s.Waiting, e.ago(s.Oldest), s.Error)
	case s.Failed > 0:
		e.notice(check, "see whether the addresses are right", "%d letters were given up during the last 30 days; the last error: %s", s.Failed, s.Error)
	default:
		e.fine(check, "%d letters wait", s.Waiting)
	}
}

// backups looks at when the last one was made.
func (e *examiner) backups(ctx context.Context) {
	const check, do = "backup", "idp backup FILE, every night"
	log, err := e.Config.trail(e.db, e.keys)
	var last []audit.Entry
	if err == nil {
		last, err = log.List(ctx, audit.Filter{Action: EventBackup, Limit: 1})
	}
	switch {
	case err != nil:
		e.wrong(check, "", "%v", err)
	case len(last) == 0:
		e.notice(check, do, "none was made by idp backup, as far as the trail tells")
	case e.now().Sub(last[0].At) > oldBackup:
		e.notice(check, do, "the last one by idp backup was made %s", e.ago(last[0].At))
	default:
		e.fine(check, "made %s", e.ago(last[0].At))
	}
}

// mail connects to the server, greets it and authenticates. It sends nothing.
func (e *examiner) mail(ctx context.Context) {
	const check = "mail"
	if e.Config.SMTPURL == "" {
		e.notice(check, "set smtp_url and smtp_from", "none is sent: links are shown to administrators, and nobody is told of changes")
		return
	}
	sender, err := mail.SMTP(e.Config.SMTPURL, e.Config.SMTPFrom)
	if err != nil {
		e.wrong(check, "set smtp_url and smtp_from", "%v", err)
		return
	}
	t := mail.Probe(ctx, sender)
	if !t.OK() {
		e.wrong(check, t.Advice(), "%s: %s", t.Server, t.Detail)
		return
	}
	how := t.TLS
	if how == "" {
		how = "in the clear"
	}
	e.fine(check, "%s answers and takes the sign-in, %s", t.Server, how)
}
