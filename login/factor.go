package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa/mfahttp"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// mountFactor registers the second factor's pages with what they need to know of the sign-in around them.
func (f *Flow) mountFactor(mux *http.ServeMux) {
	c := f.Factor
	c.User, c.SignIn, c.Fresh, c.Passed = f.user, f.toSignIn, f.fresh, f.passed
	c.Waiting, c.Proved, c.Reminded, c.Postpone, c.Cancel = f.waits, f.proved, f.reminded, f.postpone, f.cancel
	c.Back = f.back
	challenge := mfahttp.Challenge(c)
	mux.Handle("/mfa", f.alive(challenge))
	mux.Handle("/mfa/", challenge)
	c.Waiting = f.waitsForFactor
	settings := f.gate(mfahttp.Settings(c))
	mux.Handle("/account/mfa", settings)
	mux.Handle("/account/mfa/", settings)
}

// alive says at once that a sign-in is over: nobody shall give a factor for nothing.
func (f *Flow) alive(challenge http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.AheadOfFactor != nil {
			r = r.WithContext(f.AheadOfFactor(r.Context(), r.Method == http.MethodGet))
		}
		if _, ok := f.request(w, r); ok {
			challenge.ServeHTTP(w, r)
		}
	})
}

// gate lets nobody into the settings whose second factor is enrolled and was not given, whatever the query says. The
// confirmation of an enrolment is free, and so is the form before it when it is sent twice: whoever comes there became
// somebody with a factor by the click before, and a first enrolment is all that this form can complete.
func (f *Flow) gate(settings http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		twice := r.Method == http.MethodPost && r.URL.Path == "/account/mfa/enrol/recovery"
		if twice || r.URL.Path == "/account/mfa/enrol/done" {
			settings.ServeHTTP(w, r)
			return
		}
		if s, a, ok := f.SignedIn(w, r); ok {
			settings.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), personKey{}, &person{s, a})))
		}
	})
}

// user returns whose password has been checked in this browser.
func (f *Flow) user(r *http.Request) (mfahttp.User, bool) {
	who, err := f.present(r)
	if err != nil || who == nil {
		return mfahttp.User{}, false // toSignIn meets the same error and shows it
	}
	name := who.account.Email
	if name == "" {
		name = who.account.Username
	}
	return mfahttp.User{Subject: who.account.Subject, Account: name, Session: who.session.ID, AMR: who.session.AMR}, true
}

// toSignIn sends the browser to the password, through the dispatcher when a client waits for the sign-in.
func (f *Flow) toSignIn(w http.ResponseWriter, r *http.Request) {
	if _, err := f.person(w, r); err != nil {
		f.Fail(w, r, err)
		return
	}
	target := "/login?" + url.Values{"to": {local(r.URL.Query().Get("to"))}}.Encode()
	if id := r.URL.Query().Get("request"); id != "" {
		target = oauth.ResumeURL(id)
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

func (f *Flow) fresh(w http.ResponseWriter, r *http.Request, user mfahttp.User, proof mfahttp.Proof) bool {
	if proof == mfahttp.ProofPassword {
		return f.recent(w, r, user)
	}
	_, _, ok := f.Fresh(w, r)
	return ok
}

// recent lets somebody pass who has signed in within the last ten minutes; a factor is not asked for.
func (f *Flow) recent(w http.ResponseWriter, r *http.Request, user mfahttp.User) bool {
	who, err := f.person(w, r)
	switch {
	case err != nil:
		f.Fail(w, r, err)
		return false
	case who != nil && who.account.Subject == user.Subject && f.Now().Before(who.session.AuthTime.Add(proofFor)):
		return true
	}
	// Not by the dispatcher, to whom the password is old enough.
	http.Redirect(w, r, "/login?"+purpose(r).Encode(), http.StatusSeeOther)
	return false
}

// passed notes the second factor in the session and goes on with the sign-in. When another tab has changed the session
// meanwhile the proof was for one that is gone: the dispatcher sees what is missing now.
func (f *Flow) passed(w http.ResponseWriter, r *http.Request, user mfahttp.User, amr []string) {
	err := f.proved(w, r, user, amr)
	if err != nil && !errors.Is(err, errAnother) && !errors.Is(err, session.ErrNotFound) {
		f.Fail(w, r, err)
		return
	}
	if f.remindsOfPhone(r, user) {
		query := url.Values{"to": {local(r.URL.Query().Get("to"))}}
		http.Redirect(w, r, path[Remind]+"?"+query.Encode(), http.StatusSeeOther)
		return
	}
	f.onward(w, r)
}

// remindsOfPhone reports whether a recovery code was used on the way to a page of ours, so that the person is asked whether
// their phone is gone. Where an app waits, the dispatcher does that. Whoever is on the way to the settings finds all there,
// but is told of the last code.
func (f *Flow) remindsOfPhone(r *http.Request, user mfahttp.User) bool {
	if r.URL.Query().Get("request") != "" || r.PostFormValue("recovery_code") == "" {
		return false
	}
	if to := local(r.URL.Query().Get("to")); !strings.HasPrefix(to, "/account/mfa") {
		return true
	}
	status, err := f.MFA.Status(r.Context(), user.Subject)
	return err == nil && status.Enrolled && status.CodesLeft == 0
}

func (f *Flow) proved(w http.ResponseWriter, r *http.Request, user mfahttp.User, amr []string) error {
	s, err := f.Sessions.Of(r)
	if err != nil {
		return err
	}
	if s == nil || s.Subject != user.Subject {
		return errAnother
	}
	detail := f.wanted(r, "")
	detail["session"], detail["amr"] = s.ID, strings.Join(amr, " ")
	return f.recorded(w, r, audit.Event{Action: "sign_in", Actor: s.Subject, Subject: s.Subject, Result: "factor", Detail: detail},
		func(r *http.Request) error {
			mine := *s
			return f.Sessions.AddFactor(w, r, &mine, amr)
		})
}

// recorded changes the session and records that in one transaction. When it fails nothing has happened, and the browser
// hears of no cookie.
func (f *Flow) recorded(w http.ResponseWriter, r *http.Request, event audit.Event, change func(*http.Request) error) error {
	before := w.Header().Values("Set-Cookie")
	err := f.Sessions.DB.InOne(r.Context(), func(ctx context.Context) error {
		w.Header()["Set-Cookie"] = before // of a try that was undone
		if err := change(r.WithContext(ctx)); err != nil {
			return err
		}
		return f.Audit.Record(ctx, event)
	})
	if err != nil {
		w.Header()["Set-Cookie"] = before
	}
	return err
}

// resume is where the browser goes on after a step, "" when nothing waits. A page of the same sign-in for which a proof was
// missing comes before the dispatcher.
func resume(r *http.Request) string {
	if id := r.URL.Query().Get("request"); id != "" {
		page, err := url.Parse(local(r.URL.Query().Get("to")))
		if err == nil && page.Query().Get("request") == id {
			return page.String()
		}
		return oauth.ResumeURL(id)
	}
	if to := r.URL.Query().Get("to"); to != "" {
		return local(to)
	}
	return ""
}

// reminded notes that the person was reminded of the recovery codes: in this sign-in, and for the year to come.
func (f *Flow) reminded(w http.ResponseWriter, r *http.Request, _ mfahttp.User) {
	if _, err := f.suspended(r); errors.Is(err, oauth.ErrNoRequest) { // came back to it when all was done: nothing is wrong
		http.Redirect(w, r, local(""), http.StatusSeeOther)
		return
	}
	f.noted(w, r, func(who *person) error {
		if err := f.Accounts.CodesAsked(r.Context(), who.account.Subject); err != nil {
			return err
		}
		return f.Sessions.Remind(r.Context(), who.session)
	})
}

// eventPostponed is the action of the audit row of an enrolment that was put off. Detail: due, until when that may be done.
const eventPostponed = "account.mfa_postponed"

func (f *Flow) postpone(w http.ResponseWriter, r *http.Request, _ mfahttp.User) {
	f.noted(w, r, func(who *person) error {
		return f.Sessions.DB.InTx(r.Context(), func(ctx context.Context) error {
			if err := f.Sessions.Postpone(ctx, who.session); err != nil {
				return err
			}
			event := audit.Event{Action: eventPostponed, Actor: who.account.Subject, Subject: who.account.Subject}
			if due := who.account.MFADueAt; !due.IsZero() {
				event.Detail = map[string]string{"due": due.UTC().Format(time.RFC3339)}
			}
			return f.Audit.Record(ctx, event)
		})
	})
}

func (f *Flow) noted(w http.ResponseWriter, r *http.Request, note func(*person) error) {
	who, err := f.person(w, r)
	if err == nil && who != nil {
		err = note(who)
	}
	if err != nil && !errors.Is(err, session.ErrNotFound) { // ended in between: the dispatcher sees
		f.Fail(w, r, err)
		return
	}
	f.onward(w, r)
}

// waits tells the pages what a step is for.
func (f *Flow) waits(r *http.Request, _ mfahttp.User) mfahttp.Waiting {
	out := mfahttp.Waiting{Resume: resume(r), Another: another(r), NoBox: forFresh(r)}
	req := f.waiting(r)
	if req == nil {
		return out
	}
	if !req.ForDevice() { // nobody can go back to an app on another device
		out.Client = req.Client().Name
	}
	out.NoBox = need(req.Client().MFA) == Always // the box would promise what is not kept
	aal2, err := f.demand(req)
	out.Insists = err == nil && (aal2 || out.NoBox)
	return out
}

// forFresh reports whether a page of ours waits behind [Flow.Fresh], which takes no remembered device.
func forFresh(r *http.Request) bool {
	to, _, _ := strings.Cut(local(r.URL.Query().Get("to")), "?")
	return to == path[NewPassword] || strings.HasPrefix(to, "/account/mfa/")
}

// another is where somebody else signs in, for what this sign-in is for.
func another(r *http.Request) string {
	query := purpose(r)
	query.Set("other", "1")
	return "/login?" + query.Encode()
}

// purpose names what a step is for: the request of an app, or the page of ours that comes after it.
func purpose(r *http.Request) url.Values {
	if id := r.URL.Query().Get("request"); id != "" {
		return url.Values{"request": {id}}
	}
	return url.Values{"to": {local(r.URL.Query().Get("to"))}}
}

// waitsForFactor is waits where people enrol: it adds what the policy asks of them, and until when that waits or could
// wait, once the date is set. It is for sentences and a button: when it cannot be found out there are none.
func (f *Flow) waitsForFactor(r *http.Request, user mfahttp.User) mfahttp.Waiting {
	out := f.waits(r, user)
	who, err := f.present(r)
	if err != nil || who == nil || !who.account.MayBeAsked() {
		return out
	}
	rules, err := f.Accounts.Rules(r.Context())
	if err != nil {
		return out
	}
	required, ends := f.Accounts.MFAGrace(who.account, rules)
	out.Closed = required && !f.Now().Before(ends)
	if out.Demanded = required; !who.account.MFADueAt.IsZero() && rules.MFAGrace != 0 {
		out.Due = ends
	}
	if req := f.waiting(r); req != nil && !f.demandsFactor(req) {
		out.Postpone = ends
	}
	return out
}

// demandsFactor reports whether the app itself wants a factor, which cannot be put off.
func (f *Flow) demandsFactor(req *oauth.Request) bool {
	aal2, err := f.demand(req)
	return err != nil || aal2 || need(req.Client().MFA) != Optional
}

// back returns the app that sent the person to the settings, if it may be returned to: the address must belong to an
// origin of the app's redirect URIs. Anything else is ignored, and audited where it came in.
func (f *Flow) back(r *http.Request) (name, target string) {
	id, to := r.URL.Query().Get("client_id"), r.URL.Query().Get("return_to")
	if id == "" || to == "" {
		return "", ""
	}
	client, err := f.OAuth.Clients().Get(r.Context(), id)
	if err == nil && returnable(client, to) {
		return client.Name, to
	}
	if r.Method == http.MethodGet && r.URL.Path == "/account/mfa" {
		event := audit.Event{Action: "return_refused", Client: id, Result: "refused", Detail: map[string]string{"host": hostOf(to)}}
		if err := f.Audit.Record(r.Context(), event); err != nil {
			f.Log.ErrorContext(r.Context(), "audit failed", "error", err)
		}
	}
	return "", ""
}

// hostOf returns what may be kept of an address that a link brought along: where it leads, and nothing that it carries.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "unreadable"
	}
	if u.Host == "" {
		return "none"
	}
	return u.Host
}

// returnable reports whether to is an address on one of the client's own web origins. It is taken apart first: browsers
// and people read "https://app.example@evil.example" differently.
func returnable(client *oauth.Client, to string) bool {
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Host == "" || u.Opaque != "" || (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() != u.Scheme+"://"+u.Host {
		return false
	}
	return slices.Contains(client.Origins(), u.Scheme+"://"+u.Host)
}
