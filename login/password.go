package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// loginPage is the data of the sign-in page.
type loginPage struct {
	asking
	Query    string // kept in the form's action
	Request  string
	ClientID string
	Username string
	Own      bool         // no app asks, but a page of the account's
	Fixed    bool         // only the password is asked: it is known who it must be
	Account  string       // whose, when Fixed
	Expected string       // whom the app asks for
	Other    string       // where somebody else signs in instead
	Device   bool         // the app is on another device, where this browser cannot go back to
	Cancel   bool         // there is a request to refuse
	Forgot   string       // where a link is asked for; "": an administrator makes it
	Notice   string       // what has just been done
	Passkey  *passkeyForm // nil: passkeys do not sign in alone
	Problem  *templates.Problem
	rule     Rule // by which a password is asked for; "" where no app asks, or it is not
}

// Mount registers the pages of a sign-in.
func (f *Flow) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", f.showLogin)
	mux.HandleFunc("POST /login", f.signIn)
	mux.HandleFunc("GET /consent", f.showConsent)
	mux.HandleFunc("POST /consent", f.decide)
	mux.HandleFunc("GET /signed-out", f.signedOut)
	f.mountPasskeys(mux)
	f.mountDevice(mux)
	f.mountFactor(mux)
}

func (f *Flow) showLogin(w http.ResponseWriter, r *http.Request) {
	page, _, ok := f.loginPage(w, r)
	if ok {
		page.Notice = f.notice(w, r)
		f.Pages.Render(w, r, http.StatusOK, "login", page)
	}
}

// loginPage prepares the page for the request or the local page that wants a sign-in, and returns whose password is
// asked again, if it is known. It answers itself, and returns false, when there is nothing to sign in for.
func (f *Flow) loginPage(w http.ResponseWriter, r *http.Request) (page loginPage, known *person, ok bool) {
	req, ok := f.request(w, r)
	if !ok {
		return page, nil, false
	}
	who, err := f.person(w, r)
	if err != nil {
		f.Fail(w, r, err)
		return page, nil, false
	}
	to := local(r.URL.Query().Get("to"))
	page = loginPage{Own: req == nil && strings.HasPrefix(to, "/account/mfa"), Query: r.URL.RawQuery, Passkey: f.passkeyForm()}
	if f.Mailing {
		page.Forgot = "/reset"
	}
	other := r.URL.Query().Get("other") != ""
	if req != nil {
		if page.asking, err = f.asks(r.Context(), req); err != nil {
			f.Fail(w, r, err)
			return page, nil, false
		}
		if !page.told() {
			page.ClientHost = "" // an administrator chose the name
		}
		page.Request, page.ClientID, page.Cancel = req.ID, req.Client().ID, true
		page.Username, page.Device, page.rule = req.LoginHint(), req.ForDevice(), f.passwordRule(req, who)
		hint := req.HintSubject()
		other = other || slices.Contains(req.Prompt(), "select_account") ||
			who != nil && hint != "" && hint != who.account.Subject
	}
	if who == nil || other {
		return f.expecting(w, r, page, req)
	}
	page.Fixed, page.Account = true, who.account.Username
	if r.URL.Query().Get("to") != "" && req == nil { // whoever is in already is asked again
		page.Own = strings.HasPrefix(to, "/account")
	}
	query := r.URL.Query()
	query.Set("other", "1")
	page.Other = "/login?" + query.Encode()
	return page, who, true
}

// expecting adds to the page of req, which may be nil, whom its app asks for. What the form sends is not bound to that:
// the dispatcher refuses another person.
func (f *Flow) expecting(w http.ResponseWriter, r *http.Request, page loginPage, req *oauth.Request) (loginPage, *person, bool) {
	if req == nil || req.VouchedSubject() == "" {
		return page, nil, true
	}
	a, err := f.Accounts.Active(r.Context(), req.VouchedSubject())
	switch {
	case err == nil:
		page.Username, page.Expected = a.Username, a.Username
	case !errors.Is(err, account.ErrNotFound) && !errors.Is(err, account.ErrDisabled):
		f.Fail(w, r, err)
		return page, nil, false
	}
	return page, nil, true
}

// request returns the suspended request that the query names, nil when it names none. It answers itself, and returns
// false, when the request is unknown, over, or of another browser.
func (f *Flow) request(w http.ResponseWriter, r *http.Request) (*oauth.Request, bool) {
	req, err := f.suspended(r)
	if errors.Is(err, oauth.ErrNoRequest) {
		f.gone(w, r)
		return nil, false
	}
	if err != nil {
		f.Fail(w, r, err)
		return nil, false
	}
	return req, true
}

// gone says that there is no such sign-in in this browser (any more).
func (f *Flow) gone(w http.ResponseWriter, r *http.Request) { Gone(f.Pages, w, r) }

// Gone shows the page that says that a sign-in is over, or another browser's.
func Gone(pages *templates.Set, w http.ResponseWriter, r *http.Request) {
	pages.Render(w, r, http.StatusBadRequest, "message", templates.Message{
		Title: "request.gone.title", Text: "request.gone.text", Link: "/account", Label: "request.gone.link", Alert: true,
	})
}

func (f *Flow) signIn(w http.ResponseWriter, r *http.Request) {
	page, known, ok := f.loginPage(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("cancel") != "" {
		f.cancel(w, r)
		return
	}
	page.Username = r.PostFormValue("username")
	who, err := f.check(r, page, known)
	if err == nil {
		err = f.signedIn(w, r, page, who, "password", mfa.AMR(mfa.Password))
	}
	if errors.Is(err, account.ErrCredentials) {
		if unrecorded := f.recordRefusal(r.Context(), page, known, err); unrecorded != nil {
			err = unrecorded
		}
	}
	if err != nil {
		f.refuse(w, r, page, err)
		return
	}
	f.onward(w, r)
}

// signedIn begins the session of who, by what the record calls with. Errors are those of [account.Service.SignedIn]: what proved who it
// is may have come to an end meanwhile.
func (f *Flow) signedIn(w http.ResponseWriter, r *http.Request, page loginPage, who *account.Account, with string, amr []string) error {
	event := audit.Event{
		Action: "sign_in", Actor: who.Subject, Subject: who.Subject, Client: page.ClientID, Result: with, Detail: f.wanted(r, page.rule),
	}
	event.Detail["amr"] = strings.Join(amr, " ")
	newcomer := who.SignedInAt.IsZero()
	fresh := !f.Accounts.KnownIn(who, f.Sessions.Known(r)...)
	if fresh {
		event.Detail["browser"] = "new"
	}
	err := f.recorded(w, r, event, func(r *http.Request) error {
		// Before the session: whoever changes the password takes the account before its sessions, too.
		if err := f.Accounts.SignedIn(r.Context(), who); err != nil {
			return err
		}
		s, err := f.Sessions.Start(w, r, who.Subject, amr)
		if err != nil {
			return err
		}
		event.Detail["session"] = s.ID
		if fresh && !newcomer && f.NewBrowser != nil {
			return f.NewBrowser(r.Context(), who, with)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.Sessions.Know(w, r, f.Accounts.BrowserToken(who, f.Sessions.Known(r)...))
	return nil
}

// notice takes the news that the page before has left for this one: that a password was set by a link.
func (f *Flow) notice(w http.ResponseWriter, r *http.Request) string {
	const cookie, news = "notice", "notice.password_reset"
	if f.Sessions.Cookies.Get(r, cookie) != news {
		return ""
	}
	f.Sessions.Cookies.Clear(w, cookie)
	return news
}

// check verifies the password. When it is known who it must be, nobody else's password counts, whatever name was sent.
func (f *Flow) check(r *http.Request, page loginPage, known *person) (*account.Account, error) {
	address, password, browser := audit.RequestOf(r.Context()).Address, r.PostFormValue("password"), f.Sessions.Known(r)
	if known != nil {
		return f.Accounts.VerifyPassword(r.Context(), known.account.Subject, password, address, browser...)
	}
	return f.Accounts.Authenticate(r.Context(), page.Username, password, address, browser...)
}

// recordRefusal records a password that was refused by cause, as a try at the person whom the name belongs to: the trail tells a
// wrong one from a disabled account, which no page does. Of a name that nobody has, nothing is kept: it may be a password in the
// wrong field.
func (f *Flow) recordRefusal(ctx context.Context, page loginPage, known *person, cause error) error {
	event := audit.Event{Action: "sign_in", Actor: audit.Anonymous, Client: page.ClientID, Result: "refused"}
	if errors.Is(cause, account.ErrDisabledCredentials) {
		event.Detail = map[string]string{"cause": "disabled"}
	}
	if known != nil {
		event.Subject = known.account.Subject
	} else if a, err := f.Accounts.ByUsername(ctx, page.Username); err == nil {
		event.Subject = a.Subject
	} else if !errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("login: %w", err)
	}
	if err := f.Audit.Record(ctx, event); err != nil {
		return fmt.Errorf("login: a refusal was not recorded: %w", err)
	}
	return nil
}

func (f *Flow) refuse(w http.ResponseWriter, r *http.Request, page loginPage, err error) {
	var wait *throttle.Error
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, account.ErrCredentials):
		page.Problem = &templates.Problem{ID: "problem.credentials", Field: "password"}
		if page.Fixed { // there is no name to have wrong
			page.Problem.ID = "problem.credentials_again"
		}
	case errors.Is(err, account.ErrBusy):
		status, page.Problem = http.StatusServiceUnavailable, templates.Busy(w)
	case errors.As(err, &wait):
		status, page.Problem = http.StatusTooManyRequests, templates.Throttled(w, wait.Until, f.Now())
	default:
		f.Fail(w, r, err)
		return
	}
	f.Pages.Render(w, r, status, "login", page)
}

// onward sends the browser back to the dispatcher, or to the page of ours that wanted the sign-in.
func (f *Flow) onward(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, cmp.Or(resume(r), local("")), http.StatusSeeOther)
}

// cancel tells the client that the person did not want to sign in.
func (f *Flow) cancel(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("request")
	if id == "" {
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return
	}
	who, err := f.person(w, r)
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	subject := ""
	if who != nil {
		subject = who.account.Subject
	}
	switch err := f.OAuth.Deny(w, r, id, subject); {
	case errors.Is(err, oauth.ErrNoRequest): // sent twice, or from another browser
		f.gone(w, r)
	case err != nil:
		f.Fail(w, r, err)
	}
}
