package login

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/session"
)

// proofFor is how long a proof opens what shows or changes secrets.
const proofFor = 10 * time.Minute

// local returns a path of ours that a sign-in may lead to, and the account page for everything else. Browsers read
// "//host" and "/\host" as another site, and drop tabs and line breaks before they look.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.ContainsAny(to, "\\\t\r\n") || strings.HasPrefix(to, "//") {
		return "/account"
	}
	for _, room := range []string{"/account", "/admin", "/device"} {
		if u.Path == room || strings.HasPrefix(u.Path, room+"/") && !strings.Contains(u.Path, "..") && !strings.Contains(u.Path, "//") {
			return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
		}
	}
	return "/account"
}

// SignedIn returns who is signed in, for a page of ours. When a password, a code, or an enrolment that the policy no longer
// lets wait is missing it sends the browser there, to return afterwards, and reports false.
func (f *Flow) SignedIn(w http.ResponseWriter, r *http.Request) (*session.Session, *account.Account, bool) {
	return f.local(w, r, State{MaxAge: -1})
}

// Fresh is [Flow.SignedIn] for what shows or changes a secret: the password, and once enrolled a factor, must have been
// given within the last ten minutes, and a remembered device does not count.
func (f *Flow) Fresh(w http.ResponseWriter, r *http.Request) (*session.Session, *account.Account, bool) {
	return f.local(w, r, State{MaxAge: proofFor, MFA: Always})
}

// FreshFactor is [Flow.Fresh] for a form that itself asks for the present password: how old the last one is does not matter
// then, and whoever has no factor only has to be signed in.
func (f *Flow) FreshFactor(w http.ResponseWriter, r *http.Request) (*session.Session, *account.Account, bool) {
	return f.local(w, r, State{MaxAge: -1, MFA: Always})
}

func (f *Flow) local(w http.ResponseWriter, r *http.Request, s State) (*session.Session, *account.Account, bool) {
	who, err := f.person(w, r)
	if err == nil && who != nil {
		err = f.personFacts(r.Context(), &s, who, enforced(r, who.account))
	}
	if err == nil && who != nil {
		s.Enrolled, err = f.MFA.Enrolled(r.Context(), who.account.Subject)
	}
	if err != nil {
		f.Fail(w, r, err)
		return nil, nil, false
	}
	if s.Strict() && f.Now().Sub(s.FactorAt) > proofFor {
		s.FactorAt = time.Time{} // too old to open anything
	}
	s.Asked, s.SkipConsent, s.Reminded = f.Now(), true, true
	s.Postponed = true // while the policy leaves time, a page of ours does not nag
	s.Compromised = s.Compromised && r.URL.Path != path[NewPassword]
	if !s.Enrolled {
		s.MFA = Optional // there is nothing to ask for yet, and enrolling is what the page may be for
	}
	if err := f.recall(w, r, &s, who); err != nil {
		f.Fail(w, r, err)
		return nil, nil, false
	}
	step := Next(s, f.Now())
	if step == Issue {
		return who.session, who.account, true
	}
	query := url.Values{"to": {here(r)}}
	if step == SecondFactor { // it knows the app that waits, or that the person came from
		for _, name := range []string{"request", "client_id", "return_to"} {
			if value := r.URL.Query().Get(name); value != "" {
				query.Set(name, value)
			}
		}
	}
	http.Redirect(w, r, path[step]+"?"+query.Encode(), http.StatusSeeOther)
	return nil, nil, false
}

// enforced reports whether the policy is, for a at this page of ours: not where people enrol, nor where they replace their
// password or end sessions: whoever finds a stranger in their account must be able to throw them out at once.
func enforced(r *http.Request, a *account.Account) bool {
	return a.MayBeAsked() && !slices.ContainsFunc([]string{"/account/mfa", path[NewPassword], "/account/sessions"}, func(room string) bool {
		return r.URL.Path == room || strings.HasPrefix(r.URL.Path, room+"/")
	})
}

// here is the page to come back to: the one asked for, or the one whose form was sent.
func here(r *http.Request) string {
	return (&url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}).String()
}
