package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
)

// Request is a validated authorization request (OpenID Connect Core 1.0 section 3.1.2.1) on its way to an answer.
type Request struct {
	fosite.AuthorizeRequester
	ID    string    // once suspended, else ""
	Asked time.Time // its first arrival, in milliseconds, kept while suspended

	server    *Server
	client    *Client
	prompt    []string
	maxAge    time.Duration
	claims    claimsRequest
	resources []string
	subject   string     // whom the client expects
	form      url.Values // fosite is given less
	waiting   []string   // cookies of this browser's other suspended requests, oldest first
	address   string     // where this browser is
	pushed    []byte     // hash of the request_uri that brought it (RFC 9126); nil: it came in the open
	device    string     // the waiting device that it answers (RFC 8628); "": a client that waits at a redirect URI
	decision  decision
	told      Event // what the event of the answer says beside the protocol's part
}

// decision is who consented on the page of a suspended request, and when. The zero value is nobody's.
type decision struct {
	by string
	at time.Time
}

// use makes client the one who asks: the same one, read anew.
func (r *Request) use(client *Client) {
	r.client = client
	if request, ok := r.AuthorizeRequester.(*fosite.AuthorizeRequest); ok {
		request.Client = client
	}
}

// Tell notes whom the answer concerns, and why it is that one, for its event: [EventAuthorized],
// [EventAuthorizationRefused] or [EventDeviceAnswered]. The last call counts.
func (r *Request) Tell(subject string, detail map[string]string) {
	r.told = Event{Subject: subject, Detail: detail}
}

// with returns what is told of the answer together with own, which counts where both say something.
func (e Event) with(own map[string]string) map[string]string {
	out := make(map[string]string, len(e.Detail)+len(own))
	maps.Copy(out, e.Detail)
	maps.Copy(out, own)
	return out
}

// Client returns who asks.
func (r *Request) Client() *Client { return r.client }

// Prompt returns the values of prompt: none alone, or login, consent, select_account.
func (r *Request) Prompt() []string { return slices.Clone(r.prompt) }

// MaxAge returns how old a sign-in may be; negative when the client doesn't mind.
func (r *Request) MaxAge() time.Duration { return r.maxAge }

// ACRValues returns the wanted authentication contexts, the preferred one first: acr_values and the claim acr of the
// claims parameter; that claim alone when it is essential, because nothing else would do then.
func (r *Request) ACRValues() []string {
	if r.EssentialACR() {
		if values := r.claims.IDToken["acr"].strings(); len(values) > 0 {
			return values
		}
	}
	values := strings.Fields(r.GetRequestForm().Get("acr_values"))
	if acr := r.claims.IDToken["acr"]; acr != nil {
		for _, v := range acr.strings() {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		return slices.Clone(r.client.DefaultACR)
	}
	return values
}

// EssentialACR reports whether the client takes nothing but one of [Request.ACRValues] (OpenID Connect Core 1.0 section
// 5.5.1.1).
func (r *Request) EssentialACR() bool {
	acr := r.claims.IDToken["acr"]
	return acr != nil && acr.Essential
}

// LoginHint returns login_hint, which anybody may have written.
func (r *Request) LoginHint() string { return r.GetRequestForm().Get("login_hint") }

// HintSubject returns whom the client expects to be signed in: the subject of an id_token_hint that we signed, or the
// value of the claim sub that the claims parameter asks for. "" when it doesn't say.
func (r *Request) HintSubject() string { return r.subject }

// VouchedSubject returns [Request.HintSubject] where an id_token_hint that we signed says so alone: the account may be
// named to the browser then. By the claims parameter, which anybody can write, strangers could ask for names.
func (r *Request) VouchedSubject() string {
	if r.claims.IDToken["sub"] != nil {
		return ""
	}
	return r.subject
}

// Scopes returns what the person has to decide on: the requested scopes and those that the claims parameter reaches
// into.
func (r *Request) Scopes() []string {
	scopes := slices.Clone([]string(r.GetRequestedScopes()))
	for _, scope := range r.claims.scopes() {
		if !slices.Contains(scopes, scope) && slices.Contains(r.client.Scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// Resources returns the resources that the access token is asked for (RFC 8707), each of them the issuer or one of the
// client's; nil when the request doesn't say.
func (r *Request) Resources() []string { return slices.Clone(r.resources) }

// Suspend stores the request for an hour, binds it to this browser by a cookie of its own and returns its id. Suspending
// it again returns the same id. A [*throttle.Error] says that too many of this network wait already.
func (r *Request) Suspend(ctx context.Context, w http.ResponseWriter) (string, error) {
	if r.ID != "" {
		return r.ID, nil
	}
	if err := r.server.admitNetwork(ctx, "request", r.address, requestsOfNetwork); err != nil {
		return "", err
	}
	id, secret := randomText(16), randomText(32)
	hash := sha256.Sum256([]byte(secret))
	rows, err := r.server.cfg.DB.Exec(ctx, `INSERT INTO oauth_requests (id, client_id, subject, form, cookie_hash, asked_at,
		expires_at, pushed_hash, device_id) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
		WHERE EXISTS (SELECT 1 FROM oauth_clients WHERE id = $2)`,
		id, r.client.ID, r.subject, keep(r.form, requestParameters).Encode(), hash[:], r.Asked.UnixMilli(),
		r.Asked.Add(requestLife).Unix(), r.pushed, r.device)
	if err != nil {
		return "", unavailable(err)
	}
	if rows == 0 { // nobody shall sign in for a client that is gone
		return "", errClientGone
	}
	// Sign-ins that were given up would fill the Cookie header beyond what proxies take.
	for len(r.waiting) >= maxWaiting {
		r.server.cfg.Cookies.Clear(w, r.waiting[0])
		r.waiting = r.waiting[1:]
	}
	r.server.cfg.Cookies.Set(w, requestCookie(id), secret, requestLife)
	r.ID = id
	return id, nil
}

// Suspended returns the suspended request id of this browser for a page, validated anew. [ErrNoRequest] says that it is
// unknown, expired, answered, another browser's, or that its client is gone.
func (s *Server) Suspended(r *http.Request, id string) (*Request, error) {
	kept, err := s.suspended(r, id)
	if err != nil {
		return nil, err
	}
	req, err := s.reopen(r, id, kept)
	if err != nil {
		if errors.As(err, new(*unavailableError)) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrNoRequest, err)
	}
	return req, nil
}

// reopen validates a kept request anew and gives it what was noted while it was suspended.
func (s *Server) reopen(r *http.Request, id string, kept keptRequest) (req *Request, err error) {
	if kept.device != "" {
		req, err = s.deviceRequest(r, kept)
	} else {
		req, err = s.parse(r, kept)
	}
	if req != nil {
		req.ID, req.subject, req.decision, req.device = id, kept.subject, kept.decision, kept.device
	}
	return req, err
}

// Decide notes that subject has just consented on the page of this suspended request: a decision for one request does
// not speak for another that waits beside it, nor one person's for the next who signs in for it. The last one counts.
// [ErrNoRequest] says that it is over.
func (r *Request) Decide(ctx context.Context, subject string) error {
	rows, err := r.server.cfg.DB.Exec(ctx, `UPDATE oauth_requests SET decided_at = $2, decided_by = $3 WHERE id = $1`,
		r.ID, r.server.cfg.Now().UnixMilli(), subject)
	if err != nil {
		return unavailable(err)
	}
	if rows == 0 {
		return ErrNoRequest
	}
	return nil
}

// DecidedAt returns when subject consented on this request's own page, in milliseconds; zero: not yet, or somebody else
// did. See [Request.Decide].
func (r *Request) DecidedAt(subject string) time.Time {
	if subject == "" || r.decision.by != subject {
		return time.Time{}
	}
	return r.decision.at
}

// Deny answers the suspended request id with access_denied, because the person cancelled: subject, "" when nobody is signed
// in. [ErrNoRequest] says that there is nothing to answer; nothing has been written then.
func (s *Server) Deny(w http.ResponseWriter, r *http.Request, id, subject string) error {
	req, err := s.Suspended(r, id)
	if err != nil {
		return err
	}
	req.Tell(subject, map[string]string{"cause": "cancelled"})
	s.refuse(w, r, req, fosite.ErrAccessDenied)
	return nil
}

// keptRequest is a request before it is validated: as it came, or as it was stored.
type keptRequest struct {
	form     url.Values
	subject  string // of the id_token_hint, which itself is not kept, or of the claims parameter
	asked    time.Time
	decision decision
	pushed   []byte
	device   string
}

// suspended reads what a browser left waiting under id.
func (s *Server) suspended(r *http.Request, id string) (kept keptRequest, err error) {
	secret := ""
	if requestIDForm.MatchString(id) {
		secret = s.cfg.Cookies.Get(r, requestCookie(id))
	}
	if secret == "" {
		return kept, ErrNoRequest
	}
	var row struct {
		Subject    string `db:"subject"`
		Form       string `db:"form"`
		CookieHash []byte `db:"cookie_hash"`
		AskedAt    int64  `db:"asked_at"`
		DecidedAt  int64  `db:"decided_at"`
		DecidedBy  string `db:"decided_by"`
		PushedHash []byte `db:"pushed_hash"`
		DeviceID   string `db:"device_id"`
	}
	err = s.cfg.DB.Get(r.Context(), &row, `SELECT subject, form, cookie_hash, asked_at, decided_at, decided_by,
		pushed_hash, device_id FROM oauth_requests WHERE id = $1 AND expires_at > $2`, id, s.cfg.Now().Unix())
	if dbx.IsNotFound(err) {
		return kept, ErrNoRequest
	}
	if err != nil {
		return kept, unavailable(err)
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], row.CookieHash) != 1 {
		return kept, ErrNoRequest
	}
	if kept.form, err = url.ParseQuery(row.Form); err != nil {
		return kept, fmt.Errorf("oauth: suspended request: %w", err)
	}
	kept.subject, kept.asked = row.Subject, time.UnixMilli(row.AskedAt)
	kept.pushed, kept.device = row.PushedHash, row.DeviceID
	if row.DecidedAt > 0 {
		kept.decision = decision{by: row.DecidedBy, at: time.UnixMilli(row.DecidedAt)}
	}
	return kept, nil
}

// consume answers req once: ErrNoRequest when it was answered already. A request that was never suspended needs no mark.
func (s *Server) consume(ctx context.Context, req *Request) error {
	if req.ID == "" {
		return nil
	}
	rows, err := s.cfg.DB.Exec(ctx, `DELETE FROM oauth_requests WHERE id = $1`, req.ID)
	if err != nil {
		return unavailable(err)
	}
	if rows == 0 {
		return ErrNoRequest
	}
	return nil
}

// requestIDForm is how Suspend makes ids.
var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// requestCookie names the cookie of a suspended request: parallel tabs have one each.
func requestCookie(id string) string { return "req_" + id[:8] }

// maxWaiting is how many suspended requests a browser may have at a time.
const maxWaiting = 12

// waiting returns the names of r's cookies of suspended requests. Browsers send the oldest first (RFC 6265 section 5.4).
func waiting(r *http.Request, jar cookie.Jar) (names []string) {
	prefix := jar.Name("")
	for _, c := range r.Cookies() {
		if name, ok := strings.CutPrefix(c.Name, prefix); ok && strings.HasPrefix(name, "req_") {
			names = append(names, name)
		}
	}
	return names
}

// requestParameters are the parameters of a suspended or pushed request that are kept. No credential is among them.
var requestParameters = []string{
	"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
	"code_challenge_method", "dpop_jkt", "prompt", "max_age", "acr_values", "claims", "login_hint", "ui_locales",
	"resource",
}

// keep returns the named parameters of form.
func keep(form url.Values, names []string) url.Values {
	out := url.Values{}
	for _, name := range names {
		if form.Has(name) {
			out[name] = form[name]
		}
	}
	return out
}

// randomText returns n random bytes as base64url.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
