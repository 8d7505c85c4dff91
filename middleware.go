package idp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfahttp"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// databaseTime is how long a request's statements may take together, waits for a connection included, from the first one on: what
// is left of five seconds is for saying that it took too long.
const databaseTime = 4 * time.Second

// bodyLimit is more than any form of ours needs.
const bodyLimit = 64 << 10

// protocolPosts are what clients, not people, send: no form token, and a foreign origin is their nature. Each of them
// authenticates its caller by other means.
var protocolPosts = []string{
	"/oauth2/authorize", "/oauth2/token", "/oauth2/userinfo", "/oauth2/logout", "/oauth2/introspect", "/oauth2/revoke",
	"/oauth2/par", "/oauth2/device", "/oauth2/register",
}

// wrap puts around every request what no handler may forget.
func (p *IdP) wrap(mux *http.ServeMux) http.Handler {
	h := p.guardForms(p.countSignIns(mux))
	h = p.guardHost(h)
	h = p.tellDoctor(h)
	h = headers(h, p.cfg.secure())
	h = p.recoverPanic(h)
	return p.identify(h, mux)
}

// identify gives the request its id and the caller's true address, which codes are counted by, and counts and logs it when
// it is done.
func (p *IdP) identify(next http.Handler, mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		info := audit.Request{
			ID: strings.ToLower(rand.Text()[:16]), Address: p.address(r), Agent: r.UserAgent(), Language: r.Header.Get("Accept-Language"),
		}
		w.Header().Set("X-Request-Id", info.ID)
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		ctx := mfa.WithAddress(audit.WithRequest(r.Context(), info), info.Address)
		if !long(r.URL.Path) {
			ctx = dbx.BoundFor(ctx, databaseTime)
		}
		next.ServeHTTP(seen, r.WithContext(ctx))
		_, route := mux.Handler(r)
		p.figures.request(route, seen.status, time.Since(started))
		// The path alone: queries carry codes and handles.
		p.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("id", info.ID), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", seen.status), slog.Duration("took", time.Since(started)))
	})
}

// long reports whether a request may need more than databaseTime with nothing wrong: administrators import people, verify the
// trail and take it away. Each statement of theirs is bounded by itself.
func long(path string) bool { return strings.HasPrefix(path, "/admin") || ofAPI(path) }

// countSignIns counts what became of passwords, and of passkeys alone, seen from the answers to the forms that carry them.
func (p *IdP) countSignIns(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		with := map[string]string{"/login": "password", "/login/passkey": "passkey"}[r.URL.Path]
		if r.Method != http.MethodPost || with == "" || r.PostFormValue("cancel") != "" {
			next.ServeHTTP(w, r)
			return
		}
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		p.figures.signIn(with, seen.status)
	})
}

// address returns the caller's address: the socket's, or what the nearest untrusted hop was to our own proxies.
func (p *IdP) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trusted(host); i-- {
		hop, err := hopAddress(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		host = hop.String()
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String() // one spelling, so that limits count one caller once
	}
	return host
}

// hopAddress reads an entry of X-Forwarded-For. Some proxies add the port, and brackets around IPv6.
func hopAddress(hop string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr(), nil
	}
	return netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
}

func (p *IdP) trusted(address string) bool {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, network := range p.proxies {
		if network.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// recoverPanic answers for a handler that failed: the process and other requests go on.
func (p *IdP) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := &statusWriter{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			p.log.ErrorContext(r.Context(), "panic", "id", audit.RequestOf(r.Context()).ID, "value", v, "stack", string(debug.Stack()))
			if started.status != 0 {
				panic(http.ErrAbortHandler) // half an answer must not look like a whole one
			}
			p.errorPage(w, r, http.StatusInternalServerError, "internal_error", "", "")
		}()
		next.ServeHTTP(started, r)
	})
}

// headers sets what every answer carries; pages add their Content-Security-Policy.
func headers(next http.Handler, https bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", opener(r.URL.Path))
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // what may be kept says so itself
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !ofAPI(r.URL.Path) {
			r.Body = http.MaxBytesReader(w, r.Body, limitOf(r))
		}
		next.ServeHTTP(w, r)
	})
}

// opener keeps other sites from holding on to a window of ours, but for the pages of a sign-in: an app may have opened
// it in a pop-up and waits there for its own page to come back.
func opener(path string) string {
	step := func(room string) bool { return path == room || strings.HasPrefix(path, room+"/") }
	if protocol(path) || slices.ContainsFunc(signInRooms, step) {
		return "unsafe-none"
	}
	return "same-origin"
}

// signInRooms hold the pages that a sign-in may lead through, with all below them.
var signInRooms = []string{
	"/login", "/mfa", "/consent", "/account/password", "/account/mfa/enrol", "/account/mfa/codes", "/account/mfa/passkeys",
}

// guardHost answers for the public host alone, so that no link or cookie is ever made for another one. Loopback is
// let in for proxies and probes on the same machine: nothing that we write depends on it.
func (p *IdP) guardHost(next http.Handler) http.Handler {
	public, _ := url.Parse(p.cfg.PublicURL)
	port := map[string]string{"http": ":80", "https": ":443"}[public.Scheme]
	answered := strings.TrimSuffix(public.Host, port)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname()
		if !strings.EqualFold(strings.TrimSuffix(r.Host, port), answered) && !loopback(host) && !health(r.URL.Path) {
			p.log.WarnContext(r.Context(), "request for another host: check public_url and the proxy's Host header",
				"host", r.Host, "public_url", p.cfg.PublicURL)
			p.errorPage(w, r, http.StatusMisdirectedRequest, "misdirected_request", "This server answers as "+p.cfg.PublicURL+" only.", "Host")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func health(path string) bool { return path == "/livez" || path == "/readyz" }

// guardForms refuses a state change that did not begin on a page of ours: a foreign origin, or a form without the
// token of this browser's session (NIST SP 800-63B-4 section 5.1). It also hands pages the token for their forms.
func (p *IdP) guardForms(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	if err := origin.AddTrustedOrigin(p.cfg.PublicURL); err != nil {
		p.log.Error("public_url is no origin", "error", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		view := templates.View{RequestID: audit.RequestOf(ctx).ID, Path: r.URL.Path}
		if strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == mfahttp.PasskeyScript() || health(r.URL.Path) || forPrograms(r.URL.Path) ||
			protocol(r.URL.Path) && !ownLogoutForm(r) {
			next.ServeHTTP(w, r.WithContext(templates.WithView(ctx, view)))
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !p.formTaken(w, r, origin, view) {
			return
		}
		ctx = p.flow.Prepare(r)
		view.FormToken = p.Sessions.FormToken(w, r)
		next.ServeHTTP(w, r.WithContext(templates.WithView(ctx, view)))
	})
}

// formTaken reports whether a form may go to its handler; otherwise it has been answered.
func (p *IdP) formTaken(w http.ResponseWriter, r *http.Request, origin *http.CrossOriginProtection, view templates.View) bool {
	if err := p.readForm(w, r); err != nil {
		p.unreadForm(w, r, view, err)
		return false
	}
	ours := origin.Check(r) == nil
	switch {
	case ours && (p.Sessions.CheckForm(r) == nil || p.console.Kept(r)):
		return true
	case ours && p.confirmed(r):
		http.Redirect(w, r, "/account/mfa/enrol/done?"+r.URL.RawQuery, http.StatusSeeOther)
	default:
		p.staleForm(w, r, view)
	}
	return false
}

func protocol(path string) bool {
	return slices.Contains(protocolPosts, path) || strings.HasPrefix(path, "/oauth2/register/") || // RFC 7592
		strings.HasPrefix(path, "/oauth2/logo/") // kept by caches: no form token may stand there
}

// ownLogoutForm tells the confirmation form of the sign-out page from a relying party's request to the same path.
func ownLogoutForm(r *http.Request) bool {
	if r.URL.Path != "/oauth2/logout" {
		return false
	}
	return r.Method == http.MethodGet || r.PostFormValue("confirm") != ""
}

// unreadable answers a body that is no form, or a larger one than any of ours.
func (p *IdP) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		p.errorPage(w, r, http.StatusRequestEntityTooLarge, "invalid_request", "The request is too large.", "")
		return
	}
	p.errorPage(w, r, http.StatusBadRequest, "invalid_request", "The form cannot be read.", "")
}

// nothing answers a path that no page has, and a method that the page there does not take (RFC 9110 section 15.5.6).
func (p *IdP) nothing(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			other := *r
			other.Method = method
			if _, pattern := mux.Handler(&other); pattern != "/" {
				allowed = append(allowed, method)
			}
		}
		takes := strings.Join(allowed, ", ")
		if len(allowed) > 0 {
			w.Header().Set("Allow", takes)
		}
		switch {
		case len(allowed) > 0 && forPrograms(r.URL.Path):
			refuse(w, http.StatusMethodNotAllowed, "This endpoint takes "+takes+" alone.")
		case len(allowed) > 0:
			p.errorPage(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "", "")
		case forPrograms(r.URL.Path):
			refuse(w, http.StatusNotFound, "There is no such endpoint, or it is switched off.")
		case r.URL.Path == "/":
			http.Redirect(w, r, "/account", http.StatusSeeOther)
		default:
			p.noPage(w, r)
		}
	}
}

// noPage answers a path of people's that no page has.
func (p *IdP) noPage(w http.ResponseWriter, r *http.Request) {
	p.errorPage(w, r, http.StatusNotFound, "not_found", "", "")
}

// forPrograms reports whether it is clients that call a path, and not people.
func forPrograms(path string) bool {
	return strings.HasPrefix(path, "/.well-known/") || ofAPI(path) ||
		strings.HasPrefix(path, "/oauth2/") && path != "/oauth2/authorize" && path != "/oauth2/logout"
}

// refuse answers a program as RFC 6749 section 5.2 words errors.
func refuse(w http.ResponseWriter, status int, description string) {
	text, _ := json.Marshal(map[string]string{"error": "invalid_request", "error_description": description}) // texts: it cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text)
}

// confirmed reports whether a form of an enrolment was sent again after it had done its work, which gave the session
// another form token: the person sees the end of it, as if one click had been enough.
func (p *IdP) confirmed(r *http.Request) bool {
	if r.URL.Path != "/account/mfa/enrol/recovery" && r.URL.Path != "/account/mfa/enrol/codes" {
		return false
	}
	s, err := p.Sessions.Of(r)
	if err != nil || s == nil {
		return false
	}
	status, err := p.MFA.Status(r.Context(), s.Subject)
	return err == nil && slices.ContainsFunc(status.Authenticators, func(a mfa.Authenticator) bool {
		return a.ID == r.URL.Query().Get("enrolment")
	})
}

// staleForm says that a form was not taken and offers the same page afresh; nothing was changed.
func (p *IdP) staleForm(w http.ResponseWriter, r *http.Request, view templates.View) {
	// Two slashes at the beginning would name another host.
	again := (&url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, `/\`), RawQuery: r.URL.RawQuery}).String()
	if r.URL.Path == "/login" || r.URL.Path == "/login/passkey" || r.URL.Path == "/mfa" || r.URL.Path == "/consent" {
		// A form that was sent twice may have done its work: the dispatcher knows which step is next.
		if waiting, err := p.OAuth.Suspended(r, r.URL.Query().Get("request")); err == nil {
			again = oauth.ResumeURL(waiting.ID)
		}
	}
	p.pages.Render(w, r.WithContext(templates.WithView(r.Context(), view)), http.StatusForbidden, "message",
		templates.Message{Title: "form.title", Text: "form.text", Link: again, Label: "form.again", Alert: true})
}

// errorPage renders the page for what went wrong, with the OAuth error code and the parameter at fault.
func (p *IdP) errorPage(w http.ResponseWriter, r *http.Request, status int, code, description, parameter string) {
	id := audit.RequestOf(r.Context()).ID
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
		// The page says that the database does not answer: it must not wait for it.
		ctx, cancel := context.WithTimeout(r.Context(), time.Second/2)
		defer cancel()
		r = r.WithContext(ctx)
	}
	p.pages.Render(w, r.WithContext(templates.WithView(r.Context(), templates.View{RequestID: id, Path: r.URL.Path})), status, "error",
		templates.Error{Status: status, Code: code, Description: description, Parameter: parameter, RequestID: id})
}

// fail ends a request whose error nobody knows what to do with: logged once, shown as an internal error with its id, or as
// one that trying again helps against: the database is busy, or too many passwords and recovery codes are being hashed.
func (p *IdP) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the browser went away
	}
	p.log.ErrorContext(r.Context(), "request failed", "id", audit.RequestOf(r.Context()).ID, "method", r.Method, "path", r.URL.Path, "error", err)
	if errors.Is(err, account.ErrBusy) || dbx.IsBusy(err) || dbx.IsAway(err) || p.ping(r.Context(), time.Second) != nil {
		p.errorPage(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", "", "")
		return
	}
	p.errorPage(w, r, http.StatusInternalServerError, "internal_error", "", "")
}
