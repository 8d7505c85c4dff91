package login

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfahttp"
	"github.com/focushq/idp/templates"
)

// PasskeySignIn is what a sign-in without a password needs of passkeys. A *mfapasskey.Service is one.
type PasskeySignIn interface {
	// BeginSignIn returns the options for the browser, and the ceremony that its answer belongs to.
	BeginSignIn(ctx context.Context) (options json.RawMessage, ceremony string, err error)
	// FinishSignIn returns whose passkey it was and what its use proves. admit may refuse that person before the passkey is
	// accepted, by an error that is returned as it is. The other errors are those of package mfa.
	FinishSignIn(
		ctx context.Context, ceremony string, response []byte, admit func(ctx context.Context, subject string) error,
	) (subject string, methods []mfa.Method, err error)
}

// passkeyForm is the form that signs in with a passkey alone: POST /login/passkey.
type passkeyForm struct {
	OptionsURL, Script string
	Refused            bool // one was just now: the browser is to wait for the button
}

const (
	passkeyPath    = "/login/passkey"
	passkeyOptions = "/login/passkey/options"
)

// mountPasskeys registers the sign-in with a passkey alone, where there is one.
func (f *Flow) mountPasskeys(mux *http.ServeMux) {
	if f.Passkeys == nil {
		return
	}
	mux.HandleFunc("POST "+passkeyOptions, f.offerPasskey)
	mux.HandleFunc("POST "+passkeyPath, f.signInByPasskey)
	mux.HandleFunc("GET "+passkeyPath, func(w http.ResponseWriter, r *http.Request) { // reloaded after a problem
		http.Redirect(w, r, (&url.URL{Path: "/login", RawQuery: r.URL.RawQuery}).String(), http.StatusSeeOther)
	})
}

// passkeyForm returns the form for the login page, nil where there is none.
func (f *Flow) passkeyForm() *passkeyForm {
	if f.Passkeys == nil {
		return nil
	}
	return &passkeyForm{OptionsURL: passkeyOptions, Script: mfahttp.PasskeyScript()}
}

// offerPasskey begins a ceremony, for anybody: what is kept for a network is bounded. The ceremony goes to this browser,
// with a mark by which it is known again: an answer that somebody gave elsewhere signs nobody in here.
func (f *Flow) offerPasskey(w http.ResponseWriter, r *http.Request) {
	var wait *throttle.Error
	err := f.OAuth.Admit(r.Context(), "passkey", audit.RequestOf(r.Context()).Address)
	if errors.As(err, &wait) {
		left := time.Duration(math.Ceil(wait.Until.Sub(f.Now()).Seconds())) * time.Second
		mfahttp.WriteThrottled(w, left, f.Pages.Duration(r, left))
		return
	}
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	options, ceremony, err := f.Passkeys.BeginSignIn(r.Context())
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	mfahttp.WriteOptions(w, options, ceremony+"."+f.Sessions.Bind(r, ceremony))
}

// errOther says that the passkey is another person's than the one who is asked again.
var errOther = errors.New("login: another person's passkey")

// signInByPasskey takes the browser's answer. A device that has verified the person is two factors at once.
func (f *Flow) signInByPasskey(w http.ResponseWriter, r *http.Request) {
	page, known, ok := f.loginPage(w, r)
	if !ok {
		return
	}
	var owner string // of the passkey, once its signature is right
	var who *account.Account
	methods, err := f.usedPasskey(r, func(ctx context.Context, subject string) (err error) {
		if owner = subject; known != nil && known.account.Subject != subject {
			return errOther
		}
		who, err = f.Accounts.Active(ctx, subject)
		return err
	})
	if err == nil {
		err = f.signedIn(w, r, page, who, "passkey", mfa.AMR(methods...))
	}
	if err != nil {
		f.refusePasskey(w, r, page, owner, err)
		return
	}
	f.onward(w, r)
}

// usedPasskey accepts the passkey that this browser has used, for a ceremony that was begun in it, of somebody whom admit
// lets in.
func (f *Flow) usedPasskey(r *http.Request, admit func(context.Context, string) error) (methods []mfa.Method, err error) {
	ceremony, mark, _ := strings.Cut(r.PostFormValue("ceremony"), ".")
	if mark == "" || !hmac.Equal([]byte(mark), []byte(f.Sessions.Bind(r, ceremony))) {
		return nil, mfa.ErrCeremony
	}
	ctx := audit.WithActor(r.Context(), audit.Anonymous) // until the passkey is accepted
	_, methods, err = f.Passkeys.FinishSignIn(ctx, ceremony, []byte(r.PostFormValue("response")), admit)
	if err == nil && !slices.Contains(methods, mfa.Verified) { // it would be one factor, and no password beside it
		err = mfa.ErrInvalidCode
	}
	return methods, err
}

// refusePasskey shows the page again and says why. A passkey that was looked at is on record, as a try at subject, its
// owner, where a right signature told who that is. Waits and seals come after that too: no stranger hears of them.
func (f *Flow) refusePasskey(w http.ResponseWriter, r *http.Request, page loginPage, subject string, err error) {
	var wait *mfa.ThrottledError
	status, id, counts := http.StatusUnprocessableEntity, "", true
	switch {
	case errors.Is(err, mfa.ErrCeremony):
		id, counts = "problem.passkey.ceremony", false
	case errors.Is(err, mfa.ErrMalformedResponse):
		id, counts = "problem.passkey.malformed", false
	case errors.Is(err, mfa.ErrUnknown):
		id = "problem.passkey.unknown"
	case errors.Is(err, errOther):
		id = "problem.passkey.other"
	case errors.As(err, &wait) && wait.Sealed: // the one that seals was looked at
		status, id, counts = http.StatusForbidden, "problem.passkey.sealed", errors.Is(err, mfa.ErrInvalidCode)
	case errors.Is(err, mfa.ErrInvalidCode), errors.Is(err, account.ErrDisabled), errors.Is(err, account.ErrNotFound),
		errors.Is(err, account.ErrCredentials): // it changed before the session began
		id = "problem.passkey.refused"
	case errors.As(err, &wait):
		status, counts = http.StatusTooManyRequests, false
	default:
		f.Fail(w, r, err)
		return
	}
	if counts {
		detail := map[string]string{"with": "passkey"}
		if errors.Is(err, account.ErrDisabled) || errors.Is(err, account.ErrDisabledCredentials) {
			detail["cause"] = "disabled"
		}
		err := f.Audit.Record(r.Context(), audit.Event{
			Action: "sign_in", Actor: audit.Anonymous, Subject: subject, Client: page.ClientID, Result: "refused", Detail: detail,
		})
		if err != nil {
			f.Fail(w, r, err)
			return
		}
	}
	if page.Problem = (&templates.Problem{ID: id}); id == "" {
		page.Problem = templates.Throttled(w, wait.Until, f.Now())
	}
	page.Passkey.Refused = true
	f.Pages.Render(w, r, status, "login", page)
}
