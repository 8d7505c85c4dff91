package login

import (
	"net/http"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// logoutPage is the data of the page that asks before it signs out.
type logoutPage struct {
	Query  string
	Client string // the app that asks, "" unknown
}

// EndSession implements [oauth.Interaction]: it signs out at once when the app proves for whom it speaks, and asks
// otherwise, since anybody can make a browser open a link.
func (f *Flow) EndSession(w http.ResponseWriter, r *http.Request, hint oauth.LogoutHint) error {
	choice := r.PostFormValue("confirm") // of our own form, whose token the middleware has checked
	if r.Method == http.MethodPost && choice == "" {
		// An app's POST comes from another site and so without the session's cookie. It is asked for again as a GET.
		http.Redirect(w, r, "/oauth2/logout?"+hint.Query, http.StatusSeeOther)
		return nil
	}
	s, err := f.Sessions.Of(r)
	if err != nil {
		return err
	}
	switch {
	case s == nil: // nothing to end
	case choice == "here":
		if hint.Client != nil {
			err = f.OAuth.RevokeClientSession(r.Context(), hint.Client.ID, s.ID)
		}
	case choice == "everywhere" || hint.Valid && hint.Subject == s.Subject:
		err = f.end(w, r, s)
	default:
		page := logoutPage{Query: hint.Query}
		if hint.Client != nil {
			page.Client = hint.Client.Name
		}
		f.Pages.Render(w, r, http.StatusOK, "logout", page)
		return nil
	}
	if err != nil {
		return err
	}
	target := hint.Target()
	if target == "" {
		target = "/signed-out"
		if choice == "here" {
			target = "/account"
		}
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// end ends the session, and with it what was issued in it, but for what was asked for to outlive it (offline_access).
func (f *Flow) end(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if _, err := f.Sessions.End(w, r); err != nil {
		return err
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return f.Audit.Record(r.Context(), audit.Event{Action: "sign_out", Actor: s.Subject, Subject: s.Subject, Result: "done"})
}

// signedOut confirms that nobody is signed in, if that is so.
func (f *Flow) signedOut(w http.ResponseWriter, r *http.Request) {
	if who, err := f.person(w, r); err != nil || who != nil {
		if err != nil {
			f.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return
	}
	f.Pages.Render(w, r, http.StatusOK, "signed_out", struct{ BackURL string }{})
}
