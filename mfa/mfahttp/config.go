package mfahttp

import (
	"net/http"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/mfa"
)

// User is a person whose password (or passkey) has been checked in this browser.
type User struct {
	Subject string // opaque, never shown
	Account string // the name under which the entry stands in the app, such as an e-mail address
	Session string // the session's lasting id; a pending enrolment is found in the same session only
	// AMR is what was done in the session so far, as the host was told by Passed and Proved. nil: a password, no more.
	// Of a recovery code [RemindPage] knows by it, and a session without a password gets none by a second factor.
	AMR []string
}

// Pages writes the page called page. data is a pointer to the struct of that page: see pages.go. Pages that are
// [Durations] too word a wait in the person's language.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, page string, data any)
}

// Durations puts a wait into words for what the script says ("Wait {wait}"). Of [Pages] without it they are English.
type Durations interface {
	Duration(r *http.Request, d time.Duration) string
}

// Cookies says how the package's cookies are written: host-only, HttpOnly, SameSite=Lax.
type Cookies struct {
	Secure bool // to be set when the public URL is https; without it cookies work on http://localhost only
}

func (c Cookies) jar() cookie.Jar { return cookie.Jar(c) }

// Proof is what a person has to have shown within the last minutes.
type Proof int

// The proofs.
const (
	ProofFactor   Proof = iota // all that they have: the password, and once enrolled a second factor
	ProofPassword              // the password, whatever else: a first passkey that never worked is removed by it
)

// Waiting says what waits for this step of a person: an app's sign-in, or a page of the host's own. The zero value says
// that nothing does.
type Waiting struct {
	Client string // the name of the app that asks for the sign-in, "" for none
	Resume string // the URL that goes on with what waits, "" for the settings
	// Another is the URL where somebody else signs in, in the place of the person whose password was checked: whoever sits
	// down after them must not be held up, nor enrol a phone on their account. "": none.
	Another string

	// NoBox says that it asks for the code every time: no box offers to remember this device. A page of the host's own that
	// does so wants to change something.
	NoBox   bool
	Insists bool // the app asks for the code on remembered devices too, which the page says

	// Demanded says that a policy of the host's asks this person for a second factor, so that turning it off leads to
	// another enrolment; Due, until when that may wait, or could, where a date is set. [Settings] alone looks.
	Demanded bool
	Due      time.Time
	// Closed says that it may wait no longer: pages of the host's own are closed to somebody without a factor.
	Closed   bool
	Postpone time.Time // until when this enrolment may be put off, for Config.Postpone; zero: it may not
}

// Config is what the handlers need from their host, in three groups: what each host has to say, what makes the second
// factor a step of its sign-ins, and what may be left out.
//
// Hooks that get a ResponseWriter and no result answer the request. All get the request as it came: its query holds
// request, to, client_id and return_to unchanged through all steps. "request" in it means that the step belongs to a
// sign-in that is still going on; "to" without it, that a page of the host's own waits.
type Config struct {
	// Required: the service, how pages look, who it is, and what is known of them.

	MFA   *mfa.Service
	Pages Pages
	// User tells whose password has been checked. For Settings a host answers false (or lets SignIn lead to /mfa) when
	// a second factor is due first, except where the sign-in itself forces an enrolment.
	User func(*http.Request) (User, bool)
	// SignIn is called when User says nobody.
	SignIn http.HandlerFunc
	// Fresh says that the person has given this proof within the last minutes. If not, it has redirected to where that is
	// done and returns false; the browser comes back by GET to r's URL.
	Fresh func(http.ResponseWriter, *http.Request, User, Proof) bool
	// Passed is called when the second factor was given: it makes amr that of the session and sends the browser on.
	Passed func(w http.ResponseWriter, r *http.Request, user User, amr []string)
	// Fail logs an error that is nobody's mistake and answers with an error page.
	Fail func(http.ResponseWriter, *http.Request, error)

	// Sign-in: each of them nil where the second factor is no step of one.

	// Waiting says what the step is for; it is called once for a request, if at all. nil: nothing ever waits.
	Waiting func(*http.Request, User) Waiting
	// Proved is called when a first authenticator was confirmed, or a further one inside a sign-in: its two codes were a
	// second factor, given in this session. It makes amr that of the session and does not answer; the page that follows
	// leads to Waiting.Resume. nil: the enrolment doesn't count.
	Proved func(w http.ResponseWriter, r *http.Request, user User, amr []string) error
	// Reminded is called inside a sign-in when the person has seen that few recovery codes are left, or has made new
	// ones: it notes that and sends the browser on. nil: the browser goes to Waiting.Resume.
	Reminded func(http.ResponseWriter, *http.Request, User)
	// Postpone notes "not now" and sends the browser on. It is called only before Waiting.Postpone. nil: nobody may.
	Postpone func(http.ResponseWriter, *http.Request, User)
	// Cancel ends the sign-in, for people who cannot go on. Called inside one only. nil: no button.
	Cancel http.HandlerFunc

	// Optional.

	// Passkeys, such as a *mfapasskey.Service over MFA, may stand in for the app. nil: there are none, and their paths
	// answer 404. A nil *mfapasskey.Service is not that nil.
	Passkeys Passkeys
	// Origin is the public origin, such as https://id.example.com. Recovery codes name it as the place that they are for;
	// behind a proxy that changes the Host header forms are refused without it. "": neither.
	Origin  string
	Cookies Cookies
	Now     func() time.Time // nil: time.Now
	// Back returns the name and URL of the relying party that the person came from, "" when there is none or its
	// return_to is not to be trusted. nil: none.
	Back func(*http.Request) (name, url string)
	// NotFound answers a path below those of the pages that none of them has. nil: http.NotFound.
	NotFound http.HandlerFunc
}
