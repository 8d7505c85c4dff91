package login

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// logoutPage is the data of the page that asks before it signs out.
type logoutPage struct {
	Query     string
	Client    string // the app that asks, "" unknown
	Unvouched bool   // it registered itself: nobody vouches for its name
	Stay      string // where people go who change their mind
}

// signedOutPage is the data of the page that says so.
type signedOutPage struct {
	Target    string   // where the browser goes on to, registered for the app that asked; "" nowhere
	Home      string   // the app's own page; "" unknown
	Unvouched string   // the host that the page leads to, of an app that registered itself
	Frames    []string // loaded on the way, so that apps hear of it (OpenID Connect Front-Channel Logout 1.0)
}

// of says what the page must know of the app that asked.
func (page signedOutPage) of(client *oauth.Client) signedOutPage {
	page.Home = client.ClientURI
	if to, err := url.Parse(cmp.Or(page.Target, page.Home)); err == nil && client.Dynamic {
		page.Unvouched = to.Host
	}
	return page
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
	var frames []string
	switch {
	case s == nil: // nothing to end
	case choice == "here" && hint.Client != nil:
		err = f.OAuth.RevokeClientSession(r.Context(), hint.Client.ID, s.ID)
	case choice == "everywhere" || choice == "" && hint.Valid && hint.Subject == s.Subject:
		frames, err = f.end(w, r, s)
	default:
		page := logoutPage{Query: hint.Query, Stay: "/account"}
		if hint.Client != nil {
			page.Client, page.Unvouched = hint.Client.Name, hint.Client.Dynamic
		}
		if hint.Client != nil && hint.Client.ClientURI != "" && !hint.Client.Dynamic {
			page.Stay = hint.Client.ClientURI
		}
		f.Pages.Render(w, r, http.StatusOK, "logout", page)
		return nil
	}
	if err != nil {
		return err
	}
	f.leave(w, r, hint, frames, choice)
	return nil
}

// leave sends the browser to where the app wants it, or to a page of ours that fits what was done.
func (f *Flow) leave(w http.ResponseWriter, r *http.Request, hint oauth.LogoutHint, frames []string, choice string) {
	target := hint.Target()
	if len(frames) > 0 {
		page := signedOutPage{Target: target, Frames: frames}
		if hint.Client != nil {
			page = page.of(hint.Client)
		}
		f.Pages.Render(w, r, http.StatusOK, "signed_out", page)
		return
	}
	switch {
	case target != "":
	case choice == "here":
		target = "/account"
	case hint.Client != nil:
		target = "/signed-out?client_id=" + url.QueryEscape(hint.Client.ID)
	default:
		target = "/signed-out"
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// end ends the session, and with it what was issued in it, but for what was asked for to outlive it (offline_access). It
// tells the apps of that session and returns the frames that tell others.
func (f *Flow) end(w http.ResponseWriter, r *http.Request, s *session.Session) ([]string, error) {
	frames, err := f.OAuth.LogoutFrames(r.Context(), s.ID)
	if err != nil {
		return nil, err
	}
	if _, err := f.Sessions.End(w, r); err != nil {
		return nil, err
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	err = f.Audit.Record(r.Context(), audit.Event{Action: "sign_out", Actor: s.Subject, Subject: s.Subject, Result: "done"})
	f.OAuth.NotifySession(r.Context(), s.ID)
	return frames, err
}

// signedOut confirms that nobody is signed in, if that is so, and leads back to the app that asked.
func (f *Flow) signedOut(w http.ResponseWriter, r *http.Request) {
	if who, err := f.person(w, r); err != nil || who != nil {
		if err != nil {
			f.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return
	}
	var page signedOutPage
	client, err := f.OAuth.Clients().Get(r.Context(), r.URL.Query().Get("client_id"))
	switch {
	case err == nil && !client.Disabled:
		page = page.of(client)
	case err != nil && !errors.Is(err, oauth.ErrNotFound):
		f.Fail(w, r, err)
		return
	}
	f.Pages.Render(w, r, http.StatusOK, "signed_out", page)
}
