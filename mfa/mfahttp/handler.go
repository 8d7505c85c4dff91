package mfahttp

import (
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/focushq/idp/internal/cookie"
	"github.com/focushq/idp/mfa"
)

// The pages' paths. No step's path is a prefix of another step's.
const (
	pathChallenge = "/mfa"

	pathVerifyOptions = "/mfa/passkey"
	pathAddKey        = "/account/mfa/passkeys/add"
	pathAddOptions    = "/account/mfa/passkeys/options"
	pathRenameKey     = "/account/mfa/passkeys/rename"
	pathRemoveKey     = "/account/mfa/passkeys/remove"

	pathSettings = "/account/mfa"
	pathStart    = "/account/mfa/enrol/start"
	pathPostpone = "/account/mfa/enrol/postpone"
	pathScan     = "/account/mfa/enrol/scan"
	pathCodes    = "/account/mfa/enrol/codes"
	pathRecovery = "/account/mfa/enrol/recovery"
	pathDone     = "/account/mfa/enrol/done"
	pathNewCodes = "/account/mfa/codes"
	pathGoOn     = "/account/mfa/codes/later"
	pathRename   = "/account/mfa/rename"
	pathRemove   = "/account/mfa/remove"
	pathOff      = "/account/mfa/off"
	pathForget   = "/account/mfa/devices/forget"
)

const formLimit = 64 << 10

// User is a person whose password (or passkey) has been checked in this browser.
type User struct {
	Subject string // opaque, never shown
	Account string // the name under which the entry stands in the app, such as an e-mail address
	Session string // the session's lasting id; a pending enrolment is found in the same session only
}

// Pages writes the page called page. data is a pointer to the struct of that page: see pages.go.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, page string, data any)
}

// Cookies says how the package's cookies are written: host-only, HttpOnly, SameSite=Lax.
type Cookies struct {
	Secure bool // to be set when the public URL is https; without it cookies work on http://localhost only
}

func (c Cookies) jar() cookie.Jar { return cookie.Jar(c) }

// Config is what the handlers need from their host. MFA, Pages, User, SignIn, Fresh, Passed and Fail are required.
//
// Hooks that get a ResponseWriter and no result answer the request. All get the request as it came: its query holds
// request, to, client_id and return_to unchanged through all steps. "request" in it means that the step belongs to a sign-in that is
// still going on; "to" without it, that a page of the host's own waits.
type Config struct {
	MFA     *mfa.Service
	Pages   Pages
	Cookies Cookies

	// Passkeys, such as a *mfapasskey.Service over MFA, may stand in for the app. nil: there are none, and their paths
	// answer 404. A nil *mfapasskey.Service is not that nil.
	Passkeys Passkeys

	Now func() time.Time // nil: time.Now
	// Origin is the public origin, such as https://id.example.com. Recovery codes name it as the place that they are for;
	// behind a proxy that changes the Host header forms are refused without it. "": neither.
	Origin string

	// User tells whose password has been checked. For Settings a host answers false (or lets SignIn lead to /mfa) when
	// a second factor is due first, except where the sign-in itself forces an enrolment.
	User func(*http.Request) (User, bool)
	// SignIn is called when User says nobody.
	SignIn http.HandlerFunc
	// Fresh says that the person has proved within the last minutes who they are, with a second factor once enrolled.
	// If not, it has redirected to where that is done and returns false; the browser comes back by GET to r's URL.
	Fresh func(http.ResponseWriter, *http.Request, User) bool
	// Recent is Fresh for the password alone: a first passkey that has never worked is removed by that, and by nothing
	// else. If it was not given within the last minutes, Recent has redirected to where it is, and returns false; the
	// browser comes back by GET, and the person asks again. nil: such a passkey stays, and its owner needs a reset.
	Recent func(http.ResponseWriter, *http.Request, User) bool

	// Passed is called when the second factor was given: it adds amr to the session and sends the browser on.
	Passed func(w http.ResponseWriter, r *http.Request, user User, amr []string)
	// Proved is called when a first authenticator was confirmed, or a further one inside a sign-in: its two codes were a
	// second factor, given in this session. It adds amr to the session and does not answer; the page that follows leads to
	// Resume. nil: the enrolment doesn't count.
	Proved func(w http.ResponseWriter, r *http.Request, user User, amr []string) error
	// Resume returns the URL that goes on with the sign-in, "" when there is none. nil: none.
	Resume func(*http.Request) string
	// Reminded is called inside a sign-in when the person has seen that few recovery codes are left, or has made new
	// ones: it notes that and sends the browser on. nil: the browser goes to Resume.
	Reminded func(http.ResponseWriter, *http.Request, User)

	// Client returns the name of the app that asks for the sign-in, "" for none. nil: none.
	Client func(*http.Request) string
	// Back returns the name and URL of the relying party that the person came from, "" when there is none or its
	// return_to is not to be trusted. nil: none.
	Back func(*http.Request) (name, url string)
	// Another returns the URL where somebody else signs in, in the place of the person whose password was checked: whoever
	// sits down after them must not be held up, nor enrol a phone on their account. nil: none.
	Another func(*http.Request) string
	// Cancel ends the sign-in, for people who cannot go on. Called inside one only. nil: no button.
	Cancel http.HandlerFunc
	// Demanded says whether a policy of the host's asks this person for a second factor, so that turning it off leads to
	// another enrolment, and until when that may wait, or could, where a date is set. nil: it asks nobody.
	Demanded func(*http.Request, User) (demanded bool, dueBy time.Time)
	// Remember reports whether the person may have this device remembered: not where what waits asks for the code every
	// time. nil: they may.
	Remember func(*http.Request) bool
	// Insists reports whether the app that waits asks for the code on remembered devices too; the page says so. nil: none
	// does.
	Insists func(*http.Request) bool
	// UsedCode reports whether a recovery code was the second factor of this session: then [RemindPage] offers a new
	// authenticator, for the phone may be gone. nil: nobody is offered one.
	UsedCode func(*http.Request, User) bool
	// Grace says until when this person may put the enrolment off, false when they may not. nil: nobody may.
	Grace func(*http.Request, User) (until time.Time, ok bool)
	// Postpone notes "not now" and sends the browser on. It is called only while Grace allows it.
	Postpone func(http.ResponseWriter, *http.Request, User)

	// Duration puts a wait into the words of the person's language, for what the script says ("Wait {wait}"). nil: English.
	Duration func(*http.Request, time.Duration) string
	// NotFound answers a path below those of the pages that none of them has. nil: http.NotFound.
	NotFound http.HandlerFunc
	// Fail logs an error that is nobody's mistake and answers with an error page.
	Fail func(http.ResponseWriter, *http.Request, error)
}

// Challenge returns the handler of /mfa and everything below it, the second factor while signing in. It panics when a
// required field of c is missing.
func Challenge(c Config) http.Handler {
	h := newHandler(c)
	mux := h.mux(h.challengeRoutes())
	if h.Passkeys != nil {
		mux.HandleFunc("GET "+PasskeyScript(), servePasskeyScript)
	}
	return h.sameOrigin(h.otherVersions(h.known(mux)))
}

// routes are what a person may ask for, by method and path.
type routes map[string]func(http.ResponseWriter, *http.Request, User)

func (h *handler) challengeRoutes() routes {
	serve := routes{"GET " + pathChallenge: h.challenge, "POST " + pathChallenge: h.answer}
	if h.Passkeys != nil {
		serve["POST "+pathVerifyOptions] = h.verifyOptions
		serve["GET "+pathVerifyOptions] = h.backToKey
	}
	return serve
}

// Settings returns the handler of /account/mfa and everything below it. It panics when a required field of c is
// missing.
func Settings(c Config) http.Handler {
	h := newHandler(c)
	return h.sameOrigin(h.known(h.mux(h.settingsRoutes())))
}

func (h *handler) settingsRoutes() routes {
	serve := routes{
		"GET " + pathSettings:  h.settings,
		"GET " + pathStart:     h.start,
		"POST " + pathStart:    h.enroll,
		"POST " + pathPostpone: h.postpone,
		"GET " + pathScan:      h.scan,
		"GET " + pathCodes:     h.codes,
		"POST " + pathCodes:    h.prove,
		"GET " + pathRecovery:  h.recoveryCodes,
		"POST " + pathRecovery: h.confirm,
		"GET " + pathDone:      h.done,
		"GET " + pathNewCodes:  h.newCodes,
		"POST " + pathNewCodes: h.confirmNewCodes,
		"POST " + pathGoOn:     h.goOn,
		"POST " + pathRename:   h.rename,
		"POST " + pathRemove:   h.remove,
		"POST " + pathOff:      h.turnOff,
		"POST " + pathForget:   h.forget,
		// Where the browser lands when Fresh, or a host's own guard of its forms, has interrupted a POST.
		"GET " + pathPostpone: h.againAt(pathStart),
		"GET " + pathGoOn:     h.againAtCodes,
		"GET " + pathRename:   h.againAt(pathSettings),
		"GET " + pathRemove:   h.againAt(pathSettings),
		"GET " + pathOff:      h.againAt(pathSettings),
		"GET " + pathForget:   h.againAt(pathSettings),
	}
	if h.Passkeys != nil {
		maps.Copy(serve, h.passkeySettings())
	}
	return serve
}

func (h *handler) mux(serve routes) *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, serve := range serve {
		mux.HandleFunc(pattern, h.person(serve))
	}
	return mux
}

// known leads what no page has to the host's own page for that; a method that a page does not take is the mux's.
func (h *handler) known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		other := *r
		for _, other.Method = range [...]string{r.Method, http.MethodGet, http.MethodPost} {
			if _, pattern := mux.Handler(&other); pattern != "" {
				mux.ServeHTTP(w, r)
				return
			}
		}
		h.NotFound(w, r)
	})
}

type handler struct{ Config }

func newHandler(c Config) *handler {
	if c.MFA == nil || c.Pages == nil || c.User == nil || c.SignIn == nil || c.Fresh == nil || c.Passed == nil ||
		c.Fail == nil {
		panic("mfahttp: Config needs MFA, Pages, User, SignIn, Fresh, Passed and Fail")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Proved == nil {
		c.Proved = func(http.ResponseWriter, *http.Request, User, []string) error { return nil }
	}
	if c.Resume == nil {
		c.Resume = func(*http.Request) string { return "" }
	}
	if c.Client == nil {
		c.Client = func(*http.Request) string { return "" }
	}
	if c.Back == nil {
		c.Back = func(*http.Request) (string, string) { return "", "" }
	}
	if c.Demanded == nil {
		c.Demanded = func(*http.Request, User) (bool, time.Time) { return false, time.Time{} }
	}
	if c.Another == nil {
		c.Another = func(*http.Request) string { return "" }
	}
	if c.Insists == nil {
		c.Insists = func(*http.Request) bool { return false }
	}
	if c.UsedCode == nil {
		c.UsedCode = func(*http.Request, User) bool { return false }
	}
	if c.Remember == nil {
		c.Remember = func(*http.Request) bool { return true }
	}
	if c.Duration == nil {
		c.Duration = func(_ *http.Request, d time.Duration) string { return plainDuration(d) }
	}
	if c.NotFound == nil {
		c.NotFound = http.NotFound
	}
	if c.Grace == nil || c.Postpone == nil {
		c.Grace = func(*http.Request, User) (time.Time, bool) { return time.Time{}, false }
	}
	h := &handler{Config: c}
	if c.Reminded == nil {
		h.Reminded = func(w http.ResponseWriter, r *http.Request, _ User) { h.goTo(w, r, h.onward(r)) }
	}
	return h
}

// sameOrigin keeps other sites from pressing a person's buttons, also in hosts that have no form tokens.
func (h *handler) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	if h.Origin != "" {
		if err := protection.AddTrustedOrigin(h.Origin); err != nil {
			panic("mfahttp: Config.Origin: " + err.Error())
		}
	}
	return protection.Handler(next)
}

// person lets only people through whose password has been checked.
func (h *handler) person(serve func(http.ResponseWriter, *http.Request, User)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // also for pages of a stranger's making
		r.Body = http.MaxBytesReader(w, r.Body, formLimit)
		// What cannot be parsed, or is too large, reads as an empty form: each handler has a sentence for that.
		_ = r.ParseForm()
		user, ok := h.User(r)
		if !ok {
			h.SignIn(w, r)
			return
		}
		serve(w, r, user)
	}
}

// goTo answers a POST, or a GET of a step that is not the person's next one.
func (h *handler) goTo(w http.ResponseWriter, r *http.Request, location string) {
	http.Redirect(w, r, location, http.StatusSeeOther)
}

// onward returns where a person goes for whom this step is over: on with the sign-in, or to the settings.
func (h *handler) onward(r *http.Request) string {
	if next := h.Resume(r); next != "" {
		return next
	}
	return link(pathSettings, journey(r))
}

func (h *handler) owner(user User) mfa.Owner {
	return mfa.Owner{Subject: user.Subject, Session: user.Session}
}

// signingIn reports whether r is a step of a sign-in.
func signingIn(r *http.Request) bool { return r.URL.Query().Get("request") != "" }

// mayCancel reports whether r is a step of a sign-in that the person can end.
func (h *handler) mayCancel(r *http.Request) bool { return h.Cancel != nil && signingIn(r) }

// own reports whether r is a step towards a page of the host's own.
func own(r *http.Request) bool { return !signingIn(r) && r.URL.Query().Get("to") != "" }

// further reports whether r is a step of an enrolment that was offered inside a sign-in to somebody enrolled.
func further(r *http.Request) bool { return signingIn(r) && r.URL.Query().Get("more") != "" }

// forced reports whether something waits for the enrolment of user, who has no factor: a sign-in, or a page that the
// host's policy keeps closed until then.
func (h *handler) forced(r *http.Request, user User) bool {
	if !own(r) {
		return signingIn(r)
	}
	demanded, due := h.Demanded(r, user)
	return demanded && !h.Now().Before(due)
}

// who names the person of a sign-in.
func (h *handler) who(r *http.Request, user User) Person {
	return Person{Account: user.Account, AnotherURL: h.Another(r)}
}

// journey returns, encoded, the part of r's query that travels through all steps, with more pairs of name and value.
func journey(r *http.Request, more ...string) string {
	query, kept := r.URL.Query(), url.Values{}
	for _, name := range [...]string{"request", "to", "client_id", "return_to", "more"} {
		if value := query.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		kept.Set(more[i], more[i+1])
	}
	return kept.Encode()
}

func link(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
