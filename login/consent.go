package login

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// consentPage is the data of the consent page.
type consentPage struct {
	asking
	Query   string
	Account string
	Life    time.Duration // of what is allowed, where it outlives the session
	Device  bool          // the app is on another device, which the person must know
	Scopes  []scopeChoice
	Problem *templates.Problem
}

type scopeChoice struct {
	Name     string
	Required bool // cannot be left out
	Checked  bool
}

// consenting returns the request whose scopes are to be decided and who decides. It answers itself, and returns false,
// when there is nothing to decide: the page is reached only through the dispatcher.
func (f *Flow) consenting(w http.ResponseWriter, r *http.Request) (*oauth.Request, *person, bool) {
	req, ok := f.request(w, r)
	if !ok {
		return nil, nil, false
	}
	if req == nil {
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return nil, nil, false
	}
	who, err := f.person(w, r)
	if err != nil {
		f.Fail(w, r, err)
		return nil, nil, false
	}
	if who == nil {
		f.onward(w, r)
		return nil, nil, false
	}
	// Nothing is granted by somebody whose factor is still missing.
	state, _, err := f.state(r, req, who)
	if err == nil {
		err = f.recall(w, r, &state, who)
	}
	if err != nil {
		f.Fail(w, r, err)
		return nil, nil, false
	}
	if Next(state, f.Now()) != Consent {
		f.onward(w, r)
		return nil, nil, false
	}
	return req, who, true
}

func (f *Flow) showConsent(w http.ResponseWriter, r *http.Request) {
	req, who, ok := f.consenting(w, r)
	if !ok {
		return
	}
	page := consentPage{Query: r.URL.RawQuery, Account: who.account.Username, Device: req.ForDevice()}
	var err error
	if page.asking, err = f.asks(r.Context(), req); err != nil {
		f.Fail(w, r, err)
		return
	}
	scopes := f.scopes(req, who)
	if slices.Contains(scopes, "offline_access") {
		page.Life = req.Client().OfflineLife()
	}
	for _, scope := range scopes {
		page.Scopes = append(page.Scopes, scopeChoice{Name: scope, Required: scope == "openid", Checked: true})
	}
	f.Pages.Render(w, r, http.StatusOK, "consent", page)
}

// decide notes the decision. Client and scopes come from the stored request; the form only says which of them were
// left ticked.
func (f *Flow) decide(w http.ResponseWriter, r *http.Request) {
	req, who, ok := f.consenting(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("decision") != "allow" {
		if err := f.Audit.Record(r.Context(), audit.Event{
			Action: "consent", Actor: who.account.Subject, Subject: who.account.Subject, Client: req.Client().ID, Result: "denied",
		}); err != nil {
			f.Fail(w, r, err)
			return
		}
		f.cancel(w, r)
		return
	}
	var granted, declined []string
	for _, scope := range f.scopes(req, who) {
		if scope == "openid" || slices.Contains(r.PostForm["scope"], scope) {
			granted = append(granted, scope)
		} else {
			declined = append(declined, scope)
		}
	}
	err := f.Consents.DB.InTx(r.Context(), func(ctx context.Context) error {
		if err := f.Consents.Decide(ctx, who.account.Subject, req.Client().ID, granted, declined); err != nil {
			return err
		}
		if err := req.Decide(ctx, who.account.Subject); err != nil {
			return err
		}
		return f.Audit.Record(ctx, audit.Event{
			Action: "consent", Actor: who.account.Subject, Subject: who.account.Subject, Client: req.Client().ID, Result: "allowed",
		})
	})
	if errors.Is(err, oauth.ErrNoRequest) { // answered by another click meanwhile
		f.gone(w, r)
		return
	}
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	f.onward(w, r)
}
