package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/consent"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfahttp"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
	"github.com/focushq/idp/templates"
)

// Flow answers authorization requests: it implements [oauth.Interaction] and shows the pages. All fields but NewBrowser, Passkeys
// and Withheld are needed.
type Flow struct {
	OAuth    *oauth.Server
	Accounts *account.Service
	Sessions *session.Manager
	Consents *consent.Store
	MFA      *mfa.Service
	Factor   mfahttp.Config // how the second factor's pages are mounted; Flow fills the hooks
	Passkeys PasskeySignIn  // nil: passkeys do not sign in alone
	Audit    *audit.Log
	Pages    *templates.Set
	Mailing  bool                                          // who forgot their password gets a link by mail
	Levels   map[string]string                             // acr values beside aal1 and aal2, and the level they stand for
	Withheld func(who *account.Account, scope string) bool // what a person cannot give to an app; nil: they can give all they are asked for
	Log      *slog.Logger
	Now      func() time.Time
	Fail     func(http.ResponseWriter, *http.Request, error) // unknown errors: logged once, shown with the request's id

	// Ahead returns a context that reads, along with the session, what a decision for that client wants to know of its person.
	// Nil: each is read by itself. AheadOfFactor does so for the pages of the second factor: what one shows, or what one compares.
	Ahead         func(ctx context.Context, client string) context.Context
	AheadOfFactor func(ctx context.Context, shows bool) context.Context

	// NewBrowser tells somebody, in the transaction of a sign-in, that it is in a browser in which they had not signed in since
	// their password was set; with is "password" or "passkey". Of the first sign-in ever nobody is told. Nil: nobody is.
	NewBrowser func(ctx context.Context, who *account.Account, with string) error
}

// path is where each step lives; the request's id is added.
var path = map[Step]string{
	Password: "/login", SecondFactor: "/mfa", NewPassword: "/account/password", Enroll: "/account/mfa/enrol/start", Consent: "/consent", Remind: "/account/mfa/codes",
}

// silent is what prompt=none answers instead of a page (OpenID Connect Core section 3.1.2.6).
var silent = map[Step]*fosite.RFC6749Error{
	Password: fosite.ErrLoginRequired, SecondFactor: fosite.ErrInteractionRequired,
	NewPassword: fosite.ErrInteractionRequired, Enroll: fosite.ErrInteractionRequired,
	Consent: fosite.ErrConsentRequired,
}

// errAnother says that the session ended, or became another person's, while a page was open.
var errAnother = errors.New("login: the session is another one now")

// person is who sits at the browser.
type person struct {
	session *session.Session
	account *account.Account
}

// Authenticate implements [oauth.Interaction].
func (f *Flow) Authenticate(w http.ResponseWriter, r *http.Request, req *oauth.Request) (*oauth.Authentication, error) {
	r = r.WithContext(f.ahead(inFlow(r.Context(), req), req))
	who, err := f.person(w, r)
	if err != nil {
		return nil, err
	}
	state, scopes, err := f.state(r, req, who)
	if err != nil {
		return nil, err
	}
	if state.OtherSubject && !state.AuthTime.Before(state.Asked) {
		f.tell(req, state, who, Password, ByOtherSubject)
		return nil, fosite.ErrLoginRequired.WithHint("Somebody else signed in than id_token_hint names.")
	}
	if err := f.recall(w, r, &state, who); err != nil {
		return nil, err
	}
	step, rule := Choose(state, f.Now())
	f.tell(req, state, who, step, rule)
	switch {
	case step == Issue:
		return &oauth.Authentication{
			Subject: who.account.Subject, SessionID: who.session.ID, AuthTime: who.session.AuthTime,
			AMR: who.session.AMR, ACR: f.acr(req, who.session.AMR), Scopes: scopes,
		}, nil
	case step == Refuse:
		return nil, fosite.ErrAccessDenied.WithHint(oauth.NotOpen)
	case slices.Contains(state.Prompt, "none"):
		return nil, silent[step]
	}
	id, err := req.Suspend(r.Context(), w)
	if err == nil {
		err = f.demands(r, req, state, who, step, rule)
	}
	if err != nil {
		return nil, err
	}
	http.Redirect(w, r, path[step]+"?"+url.Values{"request": {id}}.Encode(), http.StatusSeeOther)
	return nil, nil
}

func (f *Flow) ahead(ctx context.Context, req *oauth.Request) context.Context {
	if f.Ahead == nil {
		return ctx
	}
	return f.Ahead(ctx, req.Client().ID)
}

// person returns who is signed in at this browser, nil when nobody is. Whoever was disabled or removed meanwhile is
// nobody, and the session ends.
func (f *Flow) person(w http.ResponseWriter, r *http.Request) (*person, error) {
	who, err := f.present(r)
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) {
		_, err := f.Sessions.End(w, r)
		return nil, err
	}
	return who, err
}

// personKey is where a page's guard leaves who is signed in, for those behind it.
type personKey struct{}

// present is person without an answer to the browser: [account.ErrNotFound] and [account.ErrDisabled] say that the session
// should end.
func (f *Flow) present(r *http.Request) (*person, error) {
	if who, ok := r.Context().Value(personKey{}).(*person); ok {
		return who, nil
	}
	s, err := f.Sessions.Of(r)
	if err != nil || s == nil {
		return nil, err
	}
	a, err := f.Accounts.Active(r.Context(), s.Subject)
	if err != nil {
		return nil, err
	}
	return &person{session: s, account: a}, nil
}

// state loads the facts about a request and who is there, but for the remembered device; scopes are what the person
// granted of those requested.
func (f *Flow) state(r *http.Request, req *oauth.Request, who *person) (State, []string, error) {
	ctx, client := r.Context(), req.Client()
	aal2, err := f.demand(req)
	if err != nil {
		return State{}, nil, err
	}
	s := State{
		AAL2:  aal2,
		Asked: req.Asked, Prompt: req.Prompt(), MaxAge: req.MaxAge(),
		MFA: need(client.MFA), SkipConsent: SkipsConsent(client), AskAlways: native(client) || scattered(client),
	}
	if who == nil {
		return s, nil, nil
	}
	hint := req.HintSubject()
	s.OtherSubject = hint != "" && hint != who.account.Subject
	s.Excluded = !MayUse(client, who.account)
	if err := f.factorFacts(ctx, &s, who); err != nil {
		return s, nil, err
	}
	if err := f.personFacts(ctx, &s, who, true); err != nil {
		return s, nil, err
	}
	asked := f.scopes(req, who)
	s.Excluded = s.Excluded || len(asked) == 0 && len(req.Scopes()) > 0
	decision, err := f.Consents.Decided(ctx, who.account.Subject, client.ID, asked)
	if err != nil {
		return s, nil, err
	}
	s.ConsentedAt = decision.At
	if (s.AskAlways || slices.Contains(s.Prompt, "consent")) && !decision.At.IsZero() {
		// Only a decision on this request's own page counts, not one on another that waits in the next tab, and only this
		// person's: somebody else may have decided before they sat down ("Not you?").
		s.ConsentedAt = req.DecidedAt(who.account.Subject)
		return s, decision.Granted, nil
	}
	if s.SkipConsent {
		return s, asked, nil
	}
	return s, decision.Granted, nil
}

// scopes returns what who has to decide on for a request: what they cannot give is left out, as if it had not been asked for.
func (f *Flow) scopes(req *oauth.Request, who *person) []string {
	return slices.DeleteFunc(req.Scopes(), func(scope string) bool { return f.Withheld != nil && f.Withheld(who.account, scope) })
}

// personFacts adds what is known of the person and the session but for the factor, and what the policy demands of them
// where policy says so.
func (f *Flow) personFacts(ctx context.Context, s *State, who *person, policy bool) error {
	s.AuthTime, s.FactorAt = who.session.AuthTime, who.session.FactorAt
	s.Postponed = !who.session.PostponedAt.Before(s.AuthTime)
	s.Reminded = !who.session.RemindedAt.Before(s.AuthTime)
	s.Compromised = who.account.Compromised
	if !policy {
		return nil
	}
	rules, err := f.Accounts.Rules(ctx)
	if err != nil {
		return err
	}
	s.PolicyMFA, s.GraceEnds, err = f.Accounts.MFADue(ctx, who.account, rules)
	if s.PolicyMFA {
		s.Told.demandedBy(rules, who.account)
	}
	return err
}

// factorFacts adds what is known of the person's second factor, and of the recovery codes that a sign-in reminds of.
func (f *Flow) factorFacts(ctx context.Context, s *State, who *person) error {
	brief, err := f.MFA.Brief(ctx, who.account.Subject)
	if err != nil {
		return err
	}
	s.Told.Factors, s.Told.CodesLeft = brief.Factors, brief.CodesLeft
	s.UsedCode = mfa.UsedRecoveryCode(who.session.AMR)
	s.Enrolled, s.FewCodes = len(brief.Factors) > 0, brief.CodesLeft <= mfa.FewCodes
	asked := brief.CodesMadeAt
	if who.account.CodesAskedAt.After(asked) {
		asked = who.account.CodesAskedAt
	}
	s.AskCodes = !f.Now().Before(asked.AddDate(1, 0, 0))
	return nil
}

// recall looks for this person's remembered-device cookie where it could spare the code. Looking changes the cookie, so
// it is not done for nothing.
func (f *Flow) recall(w http.ResponseWriter, r *http.Request, s *State, who *person) (err error) {
	if who == nil || !s.Enrolled || s.Factor() || s.AuthTime.IsZero() {
		return nil
	}
	if s.Strict() {
		s.Told.Device = DeviceIgnored
		return nil
	}
	s.Remembered, err = mfahttp.Remembered(f.Factor, w, r, who.account.Subject)
	switch {
	case s.Remembered:
		s.Told.Device = DeviceCounts
	case f.MFA.RememberFor() == 0:
		s.Told.Device = DeviceOff
	case mfahttp.Presented(f.Factor, r, who.account.Subject):
		s.Told.Device = DeviceBad
	default:
		s.Told.Device = DeviceNone
	}
	return err
}

// demand reports whether the request demands aal2: by acr_values or an acr claim, unless aal1 would do as well.
// Values unknown here are ignored where they were wishes, and refused where they were essential (RFC 9470 section 5).
func (f *Flow) demand(req *oauth.Request) (aal2 bool, err error) {
	aal2, known := f.demandedBy(req.ACRValues())
	if req.EssentialACR() && !known {
		return false, oauth.ErrUnmet
	}
	return aal2, nil
}

// demandedBy reports whether one of values demands aal2 and none would do with less, and whether any of them is known here.
func (f *Flow) demandedBy(values []string) (aal2, known bool) {
	for _, value := range values {
		switch f.level(value) {
		case "aal1":
			return false, true
		case "aal2":
			aal2, known = true, true
		}
	}
	return aal2, known
}

func (f *Flow) level(acr string) string {
	if acr == "aal1" || acr == "aal2" {
		return acr
	}
	return f.Levels[acr]
}

// acr returns the level that amr adds up to, under the name by which it was asked for.
func (f *Flow) acr(req *oauth.Request, amr []string) string {
	reached := mfa.ACR(amr)
	for _, level := range []string{reached, "aal1"} {
		for _, value := range req.ACRValues() {
			if f.level(value) == level {
				return value
			}
		}
		if !req.EssentialACR() {
			break // the truth; a lower level is named only to somebody who takes nothing else
		}
	}
	return reached
}

func need(setting string) Need {
	switch setting {
	case "", "optional":
		return Optional
	case "required":
		return Required
	}
	return Always // also what an unknown setting means: every failure closes
}

// native reports whether client is an app on the person's own machine, whose identity nobody can vouch for: any other
// program there could send the same request (RFC 8252 section 8.6).
func native(client *oauth.Client) bool {
	return client.IsPublic() && slices.ContainsFunc(client.RedirectURIs, func(uri string) bool {
		return !strings.HasPrefix(uri, "https://")
	})
}

// scattered reports whether client, for which nobody vouches, may send people to several places: what they allowed when
// they read of one does not hold for another.
func scattered(client *oauth.Client) bool {
	return client.Dynamic && !SkipsConsent(client) && len(client.Destinations()) > 1
}

// SkipsConsent reports whether nobody is asked what client may have. A public client is nobody whom a setting vouches for.
func SkipsConsent(client *oauth.Client) bool { return client.Consent == "skip" && !client.IsPublic() }

// MayUse reports whether client is open to that person: it names no groups, or one of theirs.
func MayUse(client *oauth.Client, person *account.Account) bool {
	return len(client.Groups) == 0 ||
		slices.ContainsFunc(client.Groups, func(g string) bool { return slices.Contains(person.Groups, g) })
}
