package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Interaction is the one arrow from the protocol to the sign-in. Package login implements it.
type Interaction interface {
	// Authenticate returns who the End-User is and what they granted. When a page must come first it suspends req,
	// redirects there and returns nil, nil; the page ends at [ResumeURL]. A *fosite.RFC6749Error (login_required,
	// access_denied and so on) goes to the client; any other error is answered as server_error and logged. What an auditor
	// wants to know of the decision it leaves with [Request.Tell].
	Authenticate(w http.ResponseWriter, r *http.Request, req *Request) (*Authentication, error)

	// EndSession signs the browser out (OpenID Connect RP-Initiated Logout 1.0). It is called by GET and POST: it
	// either asks by a page whose form posts to /oauth2/logout?hint.Query, or ends the session, calls
	// [Server.RevokeSession] and sends the browser to [LogoutHint.Target] or to its signed-out page. Without
	// hint.Valid it must ask before it does anything, and a POST is an answer only with the form token that the host
	// put into its page: relying parties and strangers may post here too.
	EndSession(w http.ResponseWriter, r *http.Request, hint LogoutHint) error
}

// Authentication is a finished sign-in as tokens tell it.
type Authentication struct {
	Subject   string    // 1 to 255 printable ASCII characters
	AuthTime  time.Time // the moment of the password or passkey, with its fraction of a second
	AMR       []string  // RFC 8176
	ACR       string    // never empty
	SessionID string    // the browser session's public id: sid
	Scopes    []string  // what the person granted of [Request.Scopes]
}

// LogoutHint is a logout request whose parameters have been checked.
type LogoutHint struct {
	Subject     string  // of the id_token_hint; "" without one
	SessionID   string  // its sid; "" unless the client gets one
	Client      *Client // who asks, by the hint or client_id; nil unknown
	RedirectURI string  // registered for Client; "" none
	State       string
	Valid       bool   // there is an id_token_hint that we signed
	Query       string // the request's parameters, encoded, for the action of the confirming form: no token stands there
}

// Target returns where the browser goes when it is signed out: the redirect URI with the exact state, or "".
func (h LogoutHint) Target() string {
	if h.RedirectURI == "" || h.State == "" {
		return h.RedirectURI
	}
	return appendQuery(h.RedirectURI, url.Values{"state": {h.State}})
}

// Problem is an error that a person sees because no client can be told, with the OAuth code and the parameter at
// fault. Its text never holds input.
type Problem struct {
	Status      int    // HTTP
	Code        string // RFC 6749 section 4.1.2.1 and others
	Description string // English, for developers
	Parameter   string // "" none in particular
}

// Event is something that an auditor wants to know.
type Event struct {
	Kind    string // one of the Event constants
	Subject string
	Client  string
	Session string
	Grant   string
	Detail  map[string]string
}

// The kinds of events.
const (
	EventAuthorized           = "oauth.authorized"
	EventAuthorizationRefused = "oauth.authorization_refused"
	EventTokenIssued          = "oauth.token_issued"
	EventTokenRefused         = "oauth.token_refused"
	EventCodeReused           = "oauth.code_reused"
	EventRefreshReused        = "oauth.refresh_reused"
	EventGrantsRevoked        = "oauth.grants_revoked"
	EventTokenRevoked         = "oauth.token_revoked" // by its client
	EventDeviceAnswered       = "oauth.device_answered"
	EventLogoutNoticed        = "oauth.logout_noticed"       // a client took the notice of a logout
	EventLogoutUnnoticed      = "oauth.logout_notice_failed" // a client never took it
	EventClientCreated        = "oauth.client_created"
	EventClientUpdated        = "oauth.client_updated"
	EventClientDeleted        = "oauth.client_deleted"
	EventClientSecret         = "oauth.client_secret_rotated"
	EventClientSecretEnded    = "oauth.client_secret_ended"        // the one before the last rotation, early
	EventRegistrationToken    = "oauth.registration_token_created" // whoever has it may register clients
	EventKeyCreated           = "oauth.key_created"
	EventKeyRevoked           = "oauth.key_revoked" // retired by hand, at once
)

var (
	// ErrNoRequest says that a suspended request is unknown, expired, answered or another browser's.
	ErrNoRequest = errors.New("oauth: no such authorization request in this browser")

	// ErrEnded is what [Config.Alive] returns when the person or the session is no longer good for tokens.
	ErrEnded = errors.New("oauth: the person or the session has ended")

	// ErrNotFound says that there is no such client.
	ErrNotFound = errors.New("oauth: no such client")

	// ErrTaken says that a client of this id exists.
	ErrTaken = errors.New("oauth: the client id is taken")

	// ErrStale says that the client was changed since it was read.
	ErrStale = errors.New("oauth: the client was changed meanwhile")

	// ErrReserved refuses to change a client that the host keeps for itself.
	ErrReserved = errors.New("oauth: the client is this server's own")

	// ErrTwoSecrets says that two secrets of a client are good, of which a rotation would end the older one early.
	ErrTwoSecrets = errors.New("oauth: two secrets of the client are good")

	// ErrNoFormerSecret says that the client has no former secret that is still good.
	ErrNoFormerSecret = errors.New("oauth: the client has no former secret")
)

// InvalidError says which field of a client is refused and why.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return "oauth: client: " + e.Field + ": " + e.Reason }

// NotOpen is the hint of a refusal of somebody who is in none of the client's groups: whoever looks after the client is told, see
// [ProblemPerson].
const NotOpen = "This app is not open to this person."

// ResumeURL is where a page sends the browser when its step of the suspended request id is done.
func ResumeURL(id string) string { return "/oauth2/authorize?resume=" + url.QueryEscape(id) }
