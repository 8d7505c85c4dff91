package oauth

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ory/fosite"
)

// Bounds of every request; fosite itself reads without a limit, and what is suspended is stored.
const (
	maxBody   = 64 << 10
	maxQuery  = 32 << 10
	maxFields = 64      // values of parameters
	maxJWT    = 8 << 10 // ours and clients' are a tenth of that
)

// jwtParameters are those whose signature somebody will have to verify.
var jwtParameters = []string{"client_assertion", "id_token_hint"}

// secretParameters may never stand in a URL, where logs and histories keep them.
var secretParameters = []string{
	"client_secret", "client_assertion", "code", "code_verifier", "device_code", "refresh_token", "access_token",
	"token", "password",
}

// page is the filter in front of the endpoints that a browser visits.
func (s *Server) page(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		if r.Method == http.MethodHead { // a ServeMux sends HEAD to GET, and these may change state
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		if err := s.readForm(w, r); err != nil && r.URL.Path == "/oauth2/authorize" {
			s.refuseForm(w, r, err)
			return
		} else if err != nil {
			s.failPage(w, r, err)
			return
		}
		next(w, r)
	})
}

// api is the filter in front of the endpoints that programs call.
func (s *Server) api(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		if r.Header.Get("DPoP") != "" {
			s.offerNonce(w)
		}
		if err := s.readForm(w, r); err != nil {
			s.failJSON(w, r, err)
			return
		}
		for name := range r.URL.Query() {
			if slices.Contains(secretParameters, name) {
				s.failJSON(w, r, fault(fosite.ErrInvalidRequest, name, "Secrets belong in the body or a header, never in the URL."))
				return
			}
		}
		next(w, r)
	})
}

// readForm parses the parameters, which must be a form, at most maxBody long, text, and each there once (RFC 6749
// sections 3.1 and 3.2).
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.ContentLength != 0 && (err != nil || kind != "application/x-www-form-urlencoded") {
			return fault(fosite.ErrInvalidRequest, "", "The body must be application/x-www-form-urlencoded.")
		}
	}
	if len(r.URL.RawQuery) > maxQuery {
		return fault(fosite.ErrInvalidRequest, "", "The parameters are too long.")
	}
	if err := r.ParseForm(); err != nil {
		return fault(fosite.ErrInvalidRequest, "", "The parameters cannot be read: too long, or not form-encoded.")
	}
	fields := 0
	for _, values := range r.Form {
		fields += len(values)
	}
	if fields > maxFields {
		return fault(fosite.ErrInvalidRequest, "", "There are more than 64 parameters.")
	}
	for _, name := range jwtParameters {
		if len(r.Form.Get(name)) > maxJWT {
			return fault(fosite.ErrInvalidRequest, name, "A JWT must not be longer than 8192 bytes.")
		}
	}
	for name, values := range r.Form {
		if len(values) > 1 && name != "resource" { // RFC 8707 section 2
			text := "A parameter must not be repeated."
			if plain := printable(name); plain != "" { // the client is told by the text alone
				text = "The parameter " + plain + " must not be repeated."
			}
			return fault(fosite.ErrInvalidRequest, printable(name), text)
		}
		if text := name + strings.Join(values, " "); !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fault(fosite.ErrInvalidRequest, printable(name), "A parameter must be UTF-8 text.")
		}
	}
	return nil
}

// printable returns name if it looks like a parameter's name, so that no input reaches a page as text.
func printable(name string) string {
	if len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }) {
		return ""
	}
	return name
}

// anyOrigin lets every web page read a public document.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		next.ServeHTTP(w, r)
	})
}

// publicPreflight lets every web page ask for a public document with header fields of its choice.
func publicPreflight(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Allow-Methods", "GET")
	w.Header().Set("Access-Control-Allow-Headers", "*")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// browserAPI is api for endpoints that applications in a browser call: their pages may read the answers.
func (s *Server) browserAPI(next http.HandlerFunc) http.Handler {
	inner := s.api(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.allowOrigin(w, r); err != nil {
			s.failJSON(w, r, err)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// allowOrigin lets a page read the answer if a client has a redirect URI of its origin. Cookies are never let in: the
// answer depends on none.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if u, err := url.Parse(origin); err != nil || u.Host == "" || len(origin) > 300 || !utf8.ValidString(origin) {
		return nil
	}
	known, err := s.clients.originKnown(r.Context(), origin)
	if err != nil {
		return unavailable(err)
	}
	if known {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
	}
	return nil
}

// preflight answers a browser that asks whether a page may call.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	if err := s.allowOrigin(w, r); err != nil {
		s.failJSON(w, r, err)
		return
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "" {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}
