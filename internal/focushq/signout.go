package focushq

import (
	"net/http"
	"net/url"
	"time"
)

// logout ends the session here and sends the browser on to end it at the provider (OpenID Connect RP-Initiated Logout
// 1.0 section 2).
func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	s := a.session(r)
	a.drop(w, r)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	d, err := a.provider(r.Context())
	if err != nil {
		a.fail(w, r, &problem{id: "signed_out_here", cause: err}, "/")
		return
	}
	http.SetCookie(w, a.cookie("notice", "signed_out", 10*time.Minute))
	if d.endSession == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	end, err := url.Parse(d.endSession)
	if err != nil {
		a.fail(w, r, &problem{id: "signed_out_here", cause: err}, "/")
		return
	}
	query := end.Query()
	query.Set("id_token_hint", s.idToken.raw)
	query.Set("client_id", a.cfg.ClientID)
	query.Set("post_logout_redirect_uri", a.public+"/")
	end.RawQuery = query.Encode()
	http.Redirect(w, r, end.String(), http.StatusSeeOther)
}

// backchannelLogout ends sessions because the provider says so (OpenID Connect Back-Channel Logout 1.0 section 2.5). A
// repeated token finds nothing left to end.
func (a *App) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	d, err := a.provider(r.Context())
	if err != nil {
		http.Error(w, `{"error":"temporarily_unavailable"}`, http.StatusServiceUnavailable)
		return
	}
	token, err := d.verifier.VerifyLogout(a.outgoing(r.Context()), r.PostFormValue("logout_token"))
	if err != nil {
		a.cfg.Log.WarnContext(r.Context(), "back-channel logout refused", "error", err)
		http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
		return
	}
	a.sessions.end(token.Subject, token.SessionID)
}
