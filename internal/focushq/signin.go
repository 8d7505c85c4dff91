package focushq

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	attemptLife = time.Hour // as long as the provider keeps a sign-in open
	// A cookie outlives its attempt, so that a late answer is told from a foreign one.
	attemptCookieLife = 12 * time.Hour
	maxAttempts       = 6
	attemptPrefix     = "try_"
)

// attempt is a sign-in under way, kept in a cookie of its own: parallel tabs don't disturb one another.
type attempt struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // PKCE (RFC 7636)
	To       string `json:"t"` // where to go afterwards
	At       int64  `json:"a"` // Unix seconds
}

// ownPath returns to when it is a page that a sign-in may lead to, otherwise the front page.
func ownPath(to string) string {
	if slices.Contains([]string{"/profile", "/tokens", "/sensitive"}, to) {
		return to
	}
	return "/"
}

// login starts a sign-in. The query may name the page to return to and hand prompt, max_age and acr_values on.
func (a *App) login(w http.ResponseWriter, r *http.Request) {
	var asked []oauth2.AuthCodeOption
	for _, name := range []string{"prompt", "max_age", "acr_values"} {
		if value := r.URL.Query().Get(name); value != "" {
			asked = append(asked, oauth2.SetAuthURLParam(name, value))
		}
	}
	a.authorize(w, r, ownPath(r.URL.Query().Get("to")), asked...)
}

// authorize sends the browser to the provider (OpenID Connect Core 1.0 section 3.1.2.1).
func (a *App) authorize(w http.ResponseWriter, r *http.Request, to string, asked ...oauth2.AuthCodeOption) {
	d, err := a.provider(r.Context())
	if err != nil {
		a.fail(w, r, err, to)
		return
	}
	try := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		To: to, At: a.cfg.Now().Unix()}
	value, err := json.Marshal(try)
	if err != nil {
		a.fail(w, r, err, to)
		return
	}
	a.forgetAttempts(w, r)
	http.SetCookie(w, a.cookie(attemptName(try.State), base64.RawURLEncoding.EncodeToString(value), attemptCookieLife))
	asked = append(asked, oauth2.S256ChallengeOption(try.Verifier), oauth2.SetAuthURLParam("nonce", try.Nonce))
	http.Redirect(w, r, d.oauth.AuthCodeURL(try.State, asked...), http.StatusSeeOther)
}

func attemptName(state string) string { return attemptPrefix + state[:min(len(state), 8)] }

// forgetAttempts clears the cookies of attempts when many were abandoned: a server refuses endless headers.
func (a *App) forgetAttempts(w http.ResponseWriter, r *http.Request) {
	var old []string
	for _, c := range r.Cookies() {
		if name, ok := strings.CutPrefix(c.Name, a.cookieName("")); ok && strings.HasPrefix(name, attemptPrefix) {
			old = append(old, name)
		}
	}
	if len(old) >= maxAttempts {
		for _, name := range old {
			a.clearCookie(w, name)
		}
	}
}

// takeAttempt returns the attempt that an answer belongs to and ends it: each is answered once.
func (a *App) takeAttempt(w http.ResponseWriter, r *http.Request) (attempt, error) {
	var try attempt
	state := r.URL.Query().Get("state")
	name := attemptName(state)
	value, err := base64.RawURLEncoding.DecodeString(a.getCookie(r, name))
	if state == "" || err != nil || json.Unmarshal(value, &try) != nil {
		return attempt{To: "/"}, &problem{id: "state", cause: errors.New("there is no attempt for this state")}
	}
	try.To = ownPath(try.To)
	if subtle.ConstantTimeCompare([]byte(try.State), []byte(state)) != 1 {
		return try, &problem{id: "state", cause: errors.New("the state is not the one of the attempt")}
	}
	a.clearCookie(w, name)
	if a.cfg.Now().Sub(time.Unix(try.At, 0)) > attemptLife {
		return try, &problem{id: "expired"}
	}
	return try, nil
}

// callback receives the provider's answer.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	try, err := a.takeAttempt(w, r)
	if err != nil {
		a.fail(w, r, err, try.To)
		return
	}
	s, err := a.redeem(r, try)
	if err != nil {
		a.fail(w, r, err, try.To)
		return
	}
	a.start(w, r, s)
	if try.To == "/sensitive" && s.idToken.ACR != aal2 {
		try.To += "?refused=1" // or that page would ask the provider again, for ever
	}
	http.Redirect(w, r, try.To, http.StatusSeeOther)
}

// redeem checks the answer to an attempt and exchanges its code for a session.
func (a *App) redeem(r *http.Request, try attempt) (*session, error) {
	d, err := a.provider(r.Context())
	if err != nil {
		return nil, err
	}
	answer := r.URL.Query()
	// RFC 9207 section 2.4: before anything else in the answer is believed, an error included.
	if iss := answer.Get("iss"); iss != a.cfg.Issuer && (iss != "" || d.sendsISS) {
		return nil, &problem{id: "issuer", cause: errors.New("iss is not the provider that was asked")}
	}
	if code := answer.Get("error"); code != "" {
		return nil, refusal(code, answer.Get("error_description"))
	}
	ctx := a.outgoing(r.Context())
	token, err := d.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(try.Verifier))
	if err != nil {
		return nil, trouble(err, "code")
	}
	id, err := d.verified(ctx, a.cfg.ClientID, token, try.Nonce)
	if err != nil {
		return nil, &problem{id: "token", cause: err}
	}
	info, err := d.userinfo(ctx, token, id.Subject)
	if err != nil {
		return nil, trouble(err, "code")
	}
	a.stamp(token)
	return &session{idToken: id, token: token, info: info, started: a.cfg.Now()}, nil
}
