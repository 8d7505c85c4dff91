package mfahttp

import (
	"maps"
	"net/http"
	"net/url"
	"time"

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
type routes map[string]func(http.ResponseWriter, *http.Request, *visitor)

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
	if c.Waiting == nil {
		c.Waiting = func(*http.Request, User) Waiting { return Waiting{} }
	}
	if c.Proved == nil {
		c.Proved = func(http.ResponseWriter, *http.Request, User, []string) error { return nil }
	}
	if c.Back == nil {
		c.Back = func(*http.Request) (string, string) { return "", "" }
	}
	if c.NotFound == nil {
		c.NotFound = http.NotFound
	}
	return &handler{Config: c}
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
func (h *handler) person(serve func(http.ResponseWriter, *http.Request, *visitor)) http.HandlerFunc {
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
		serve(w, r, h.visitor(r, user))
	}
}

// goTo answers a POST, or a GET of a step that is not the person's next one.
func (h *handler) goTo(w http.ResponseWriter, r *http.Request, location string) {
	http.Redirect(w, r, location, http.StatusSeeOther)
}

// onward returns where a person goes for whom this step is over: on with the sign-in, or to the settings.
func (h *handler) onward(r *http.Request, user *visitor) string {
	if next := user.waiting().Resume; next != "" {
		return next
	}
	return link(pathSettings, journey(r))
}

func (h *handler) owner(user *visitor) mfa.Owner {
	return mfa.Owner{Subject: user.Subject, Session: user.Session}
}

// signingIn reports whether r is a step of a sign-in.
func signingIn(r *http.Request) bool { return r.URL.Query().Get("request") != "" }

// mayCancel reports whether r is a step of a sign-in that the person can end.
func (h *handler) mayCancel(r *http.Request) bool { return h.Cancel != nil && signingIn(r) }

// own reports whether r is a step towards a page of the host's own.
func own(r *http.Request) bool { return !signingIn(r) && r.URL.Query().Get("to") != "" }

// further reports whether r is a step of an enrolment that was offered to somebody enrolled
// inside a sign-in, or on their way to a page of the host's own.
func further(r *http.Request) bool {
	return (signingIn(r) || own(r)) && r.URL.Query().Get("more") != ""
}

// forced reports whether something waits for the enrolment of user, who has no factor: a sign-in, or a page that the
// host's policy keeps closed until then.
func (h *handler) forced(r *http.Request, user *visitor) bool {
	if !own(r) {
		return signingIn(r)
	}
	return h.overdue(user)
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
