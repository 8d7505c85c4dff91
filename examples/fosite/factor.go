package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfahttp"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfasql"
	"github.com/focushq/idp/migrations"
)

// fresh is how long ago the password, and the code once there is one, may have been given when a secret is shown or
// changed.
const fresh = 10 * time.Minute

// plugIn makes the second factor: its tables beside our own, its service, and what its pages need to know of us.
func (s *server) plugIn(ctx context.Context, c config) error {
	db := sqlx.NewDb(c.DB, "sqlite")
	if err := migrations.Up(ctx, db, "mfa"); err != nil {
		return err
	}
	cipher, err := mfa.NewCipher(c.Key)
	if err != nil {
		return err
	}
	store := mfasql.New(db)
	s.mfa, err = mfa.New(mfa.Config{
		Store: store, Cipher: cipher, Issuer: "Example", RememberFor: 30 * 24 * time.Hour, Now: c.Now,
		Observe: func(ctx context.Context, e mfa.Event) error { // in the transaction: what isn't on record doesn't happen
			_, err := store.Tx(ctx).ExecContext(ctx, "INSERT INTO events (at, subject, kind) VALUES ($1, $2, $3)",
				e.At.Unix(), e.Subject, e.Kind)
			return err
		},
	})
	if err != nil {
		return err
	}
	passkeys, err := mfapasskey.New(mfapasskey.Config{MFA: s.mfa, DB: db, Origin: s.origin, Name: "Example", Now: c.Now})
	if err != nil {
		return err
	}
	s.challenge = mfahttp.Config{
		MFA: s.mfa, Passkeys: passkeys, Pages: mfahttp.Plain(s.layout), Cookies: mfahttp.Cookies{Secure: s.secure()}, Origin: s.origin, Now: c.Now,
		User: s.withPassword, SignIn: s.signIn, Fresh: s.isFresh, Passed: s.passed, Fail: s.fail, Waiting: waiting, Proved: s.proved,
	}
	s.settings = s.challenge
	s.settings.User = s.withFactor
	return nil
}

// next returns the path of the step that is missing for this session, "" when none is. strict wants two factors in this
// very session: a remembered browser is none.
func (s *server) next(ctx context.Context, who session, strict bool) (string, error) {
	if who.Subject == "" {
		return "/login", nil
	}
	status, err := s.mfa.Status(ctx, who.Subject)
	switch {
	case err != nil:
		return "", err
	case mfa.ACR(who.AMR) == "aal2":
		return "", nil
	case status.Enrolled && (strict || !who.Remembered):
		return "/mfa", nil
	case !status.Enrolled && strict:
		return "/account/mfa/enrol/start", nil
	}
	return "", nil
}

// withPassword tells the second step who has passed the first.
func (s *server) withPassword(r *http.Request) (mfahttp.User, bool) {
	who := s.sessions.of(r)
	return mfahttp.User{Subject: who.Subject, Account: who.Name, Session: who.ID, AMR: who.AMR}, who.Subject != ""
}

// withFactor lets only those into the settings who have nothing more to show.
func (s *server) withFactor(r *http.Request) (mfahttp.User, bool) {
	user, _ := s.withPassword(r)
	step, err := s.next(r.Context(), s.sessions.of(r), false)
	return user, err == nil && step == ""
}

// signIn sends whoever is not (wholly) signed in to the step that is missing, and back here later.
func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	step, err := s.next(r.Context(), s.sessions.of(r), false)
	if err == nil && step == "" {
		err = errors.New("nothing is missing") // a race: the page will be there when it is asked for again
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, step+"?"+back(r).Encode(), http.StatusSeeOther)
}

// isFresh asks again for what was proved too long ago; sometimes that is the password alone.
func (s *server) isFresh(w http.ResponseWriter, r *http.Request, user mfahttp.User, proof mfahttp.Proof) bool {
	who := s.sessions.of(r)
	status, err := s.mfa.Status(r.Context(), user.Subject)
	step := ""
	switch {
	case err != nil:
		s.fail(w, r, err)
		return false
	case s.now().Sub(who.AuthTime) > fresh:
		step = "/login"
	case proof == mfahttp.ProofFactor && status.Enrolled && (mfa.ACR(who.AMR) != "aal2" || s.now().Sub(who.FactorAt) > fresh):
		step = "/mfa"
	default:
		return true
	}
	http.Redirect(w, r, step+"?"+back(r).Encode(), http.StatusSeeOther)
	return false
}

// passed notes what was really used, under a new cookie, and goes on with what the person came for.
func (s *server) passed(w http.ResponseWriter, r *http.Request, user mfahttp.User, amr []string) {
	if err := s.proved(w, r, user, amr); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, onward(r), http.StatusSeeOther)
}

func (s *server) proved(w http.ResponseWriter, r *http.Request, user mfahttp.User, amr []string) error {
	who := s.sessions.of(r)
	if who.Subject != user.Subject {
		return errors.New("somebody else has signed in meanwhile")
	}
	who.AMR, who.FactorAt = amr, s.now()
	s.sessions.put(w, r, who)
	return nil
}

// waiting tells the pages what their step is for. /login asks anybody for a password, whoever is signed in.
func waiting(r *http.Request, _ mfahttp.User) mfahttp.Waiting {
	out := mfahttp.Waiting{Resume: resume(r), Another: "/login?" + r.URL.RawQuery}
	if out.Resume != "" {
		out.Client = "the app"
	}
	return out
}

// resume returns the URL of the authorization request that waits, "" when there is none. It is parsed anew there: what
// somebody changed in it is judged as if the app had sent it.
func resume(r *http.Request) string {
	if query := r.URL.Query().Get("request"); query != "" {
		return "/oauth2/auth?" + query
	}
	return ""
}

// back returns the query that leads from a step to where the person is now.
func back(r *http.Request) url.Values {
	to := url.Values{"to": {r.URL.RequestURI()}}
	if query := r.URL.Query().Get("request"); query != "" {
		to.Set("request", query)
	}
	return to
}

// onward returns where a step leads: to a page of the settings, on with a sign-in, or to the settings.
func onward(r *http.Request) string {
	to, err := url.Parse(r.URL.Query().Get("to"))
	if err == nil && to.Scheme == "" && to.Host == "" && strings.HasPrefix(to.Path, "/account/mfa") {
		return to.RequestURI()
	}
	if next := resume(r); next != "" {
		return next
	}
	return "/account/mfa"
}
