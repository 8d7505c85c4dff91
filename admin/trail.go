package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
)

// EventTrailExported is the action of the audit row of an export of the trail. Detail: what it was narrowed by.
const EventTrailExported = "audit.exported"

// TrailQuery narrows the trail; a zero field does not.
type TrailQuery struct {
	Action                         string    // exactly this one
	Group                          string    // the actions of one of [TrailGroups]
	Actor, Subject, Client, Result string    // exactly these
	Since, Until                   time.Time // from the first, before the second
	Cursor                         string    // of the page before
	Limit                          int       // 0: 50; at most 200
}

// TrailPage is a page of the trail, newest first.
type TrailPage struct {
	Entries []audit.Entry
	Next    string // cursor of the next page; "": this is the last one
}

// ErrTrailQuery says that a query makes no sense: an unknown group, a cursor that is forged or of another query, an end before
// the beginning. It is the caller's mistake (400).
var ErrTrailQuery = errors.New("admin: no such query of the trail")

// filter returns what package audit knows of q.
func (q TrailQuery) filter() (audit.Filter, error) {
	f := audit.Filter{
		Action: q.Action, Actor: q.Actor, Subject: q.Subject, Client: q.Client, Result: q.Result, Since: q.Since, Until: q.Until,
		Limit: min(max(q.Limit, 0), 200),
	}
	if q.Group != "" {
		if f.Actions = trailGroup(q.Group); f.Actions == nil {
			return f, ErrTrailQuery
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && q.Until.Before(q.Since) {
		return f, ErrTrailQuery
	}
	return f, nil
}

// detail returns what the record of an export keeps of q.
func (q TrailQuery) detail() map[string]string {
	out := map[string]string{
		"action": q.Action, "group": q.Group, "actor": q.Actor, "subject": q.Subject, "client": q.Client, "result": q.Result,
		"since": rfc3339(q.Since), "until": rfc3339(q.Until),
	}
	for name, value := range out {
		if value == "" {
			delete(out, name)
		}
	}
	return out
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Trail returns a page of the trail. [ReadTrail]; the help desk, who has not got that, reads about one person at a time who has
// no role. [ErrTrailQuery]; [account.ErrNotFound] for somebody whom the help desk asks about and who is not there.
func (d *Desk) Trail(ctx context.Context, q TrailQuery) (TrailPage, error) {
	if err := d.readTrail(ctx, "read the trail", q.Subject); err != nil {
		return TrailPage{}, err
	}
	f, err := q.filter()
	if err != nil {
		return TrailPage{}, err
	}
	entries, next, err := d.Audit.Page(ctx, f, q.Cursor)
	if errors.Is(err, audit.ErrCursor) {
		err = ErrTrailQuery
	}
	return TrailPage{Entries: entries, Next: next}, err
}

// readTrail decides whether the actor may read the trail of subject, "" for everybody's.
func (d *Desk) readTrail(ctx context.Context, what, subject string) error {
	if d.by.May(ReadTrail) {
		return nil
	}
	if subject == "" || d.by.Role != account.HelpDesk {
		return d.refuse(ctx, ReadTrail, what, subject)
	}
	_, err := d.account(ctx, subject)
	return err
}

// TrailEntry returns one entry, or [audit.ErrNotFound]. Permissions as for [Desk.Trail].
func (d *Desk) TrailEntry(ctx context.Context, id string) (audit.Entry, error) {
	if !d.by.May(ReadTrail) && !d.by.May(ReadPeople) { // before it is known whether there is such an entry
		return audit.Entry{}, d.refuse(ctx, ReadTrail, "read an entry of the trail", "")
	}
	e, err := d.Audit.Get(ctx, id)
	if err != nil {
		return audit.Entry{}, err
	}
	return e, d.mayRead(ctx, e)
}

func (d *Desk) mayRead(ctx context.Context, e audit.Entry) error {
	err := d.readTrail(ctx, "read an entry of the trail", e.Subject)
	if errors.Is(err, account.ErrNotFound) { // the help desk helps nobody who is gone
		return audit.ErrNotFound
	}
	return err
}

// Explain says why the sign-in went the way it did that the entry id is a part of; false when it is a part of none. Permissions
// as for [Desk.Trail], whose help desk hears of that person alone.
func (d *Desk) Explain(ctx context.Context, id string) (x Explanation, ok bool, err error) {
	e, err := d.TrailEntry(ctx, id)
	if err != nil || !Explains(e) {
		return x, false, err
	}
	entries, err := d.SignIn(ctx, id)
	if err != nil {
		return x, false, err
	}
	if !d.by.May(ReadTrail) {
		kept := entries[:0]
		for _, each := range entries {
			if each.Subject == e.Subject {
				kept = append(kept, each)
			}
		}
		entries = kept
	}
	return Explain(entries), true, nil
}

// ExportTrail writes the entries that match q as JSON lines, oldest first, of any number; q's cursor and limit don't count. That
// it was exported is on record before the first line, also when the rest fails. [ReadTrail]; [ErrTrailQuery].
func (d *Desk) ExportTrail(ctx context.Context, w io.Writer, q TrailQuery) error {
	const what = "export the trail"
	if err := d.read(ctx, ReadTrail, what); err != nil {
		return err
	}
	f, err := q.filter()
	if err != nil {
		return err
	}
	err = d.do(ctx, ReadTrail, what, func(ctx context.Context, d *Desk) error {
		return d.Audit.Record(ctx, audit.Event{Action: EventTrailExported, Detail: q.detail()})
	})
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(w)
	return d.Audit.Each(ctx, f, func(e audit.Entry) error { return encoder.Encode(e) })
}

// ErrVerifying says that somebody has the trail verified at this moment, by whichever way: there is one such look at a time.
var ErrVerifying = errors.New("admin: the trail is being verified")

// VerifyTrail looks whether anything was altered, removed, inserted or put in another order. It reads every row: a million take
// about half a minute. [ReadTrail]; [ErrVerifying].
func (d *Desk) VerifyTrail(ctx context.Context) (*audit.Report, error) {
	if err := d.read(ctx, ReadTrail, "verify the trail"); err != nil {
		return nil, err
	}
	done, ok := d.Audit.TurnToVerify()
	if !ok {
		return nil, ErrVerifying
	}
	defer done()
	return d.Audit.Verify(ctx)
}

// SignInDay is how sign-ins went on a day. An attempt is counted once for its password and once for each code.
type SignInDay struct {
	Day        time.Time // its beginning, in UTC
	Passwords  int       // that were right
	Passkeys   int       // that signed in alone
	Refused    int       // passwords, and passkeys alone
	WrongCodes int       // codes of any factor, recovery codes among them, and passkeys after a password
	Unlooked   int       // codes that were not looked at, because too many had been wrong
}

// Failed is how many tries failed.
func (s SignInDay) Failed() int { return s.Refused + s.WrongCodes }

// SignInFigures is how sign-ins went lately, and who cannot sign in now.
type SignInFigures struct {
	Days    []SignInDay // 30 of them, the oldest first, the last is today
	Waiting int         // people whose next password is not looked at yet, after wrong ones
	Sealed  int         // people who have a factor of which nothing is looked at any more
}

// signInDays is how many days [SignInFigures] has.
const signInDays = 30

// wrongCodes are the actions of codes that were looked at and refused.
var wrongCodes = []string{
	"mfa.code_refused", "mfa.code_replayed", "mfa.clock_wrong", "mfa.recovery_refused", "mfa.passkey_refused",
}

// SignInFigures returns them from counts that are kept by the day, and from indexes that hold few: three statements, whatever
// there is. [ReadPeople].
func (d *Desk) SignInFigures(ctx context.Context, now time.Time) (out SignInFigures, err error) {
	if err := d.read(ctx, ReadPeople, "read figures"); err != nil {
		return out, err
	}
	today := now.UTC().Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, 1-signInDays)
	counts, err := d.Audit.Days(ctx, first, append([]string{actionSignIn, "mfa.throttled"}, wrongCodes...)...)
	if err != nil {
		return out, err
	}
	out.Days = make([]SignInDay, signInDays)
	for i := range out.Days {
		out.Days[i].Day = first.AddDate(0, 0, i)
	}
	for _, c := range counts {
		if at := int(c.Day.Sub(first) / (24 * time.Hour)); at >= 0 && at < signInDays {
			out.Days[at].add(c)
		}
	}
	if out.Waiting, err = d.Accounts.Waiting(ctx); err != nil {
		return out, err
	}
	if d.Sealed != nil {
		out.Sealed, err = d.Sealed(ctx)
	}
	return out, err
}

func (s *SignInDay) add(c audit.Count) {
	switch {
	case c.Action == actionSignIn && c.Result == "password":
		s.Passwords += c.N
	case c.Action == actionSignIn && c.Result == "passkey":
		s.Passkeys += c.N
	case c.Action == actionSignIn && c.Result == "refused":
		s.Refused += c.N
	case c.Action == "mfa.throttled":
		s.Unlooked += c.N
	case c.Action != actionSignIn:
		s.WrongCodes += c.N
	}
}
