// Package cookie writes and reads the provider's cookies, all of one kind: host-only, HttpOnly, SameSite=Lax, Path=/,
// and with the __Host- prefix over https (RFC 6265bis section 4.1.3.2). It knows no cookie's meaning.
package cookie

import (
	"net/http"
	"time"
)

// Jar is the manner of one provider's cookies.
type Jar struct {
	Secure bool // the public URL is https; without it cookies work on http://localhost only
}

// Name returns the full name of the cookie called name.
func (j Jar) Name(name string) string {
	if j.Secure {
		return "__Host-idp_" + name
	}
	return "idp_" + name
}

// Get returns the value of the cookie called name, "" when there is none.
func (j Jar) Get(r *http.Request, name string) string {
	c, err := r.Cookie(j.Name(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// Set stores value for the given time; 0 means until the browser closes.
func (j Jar) Set(w http.ResponseWriter, name, value string, life time.Duration) {
	c := j.cookie(name, value)
	c.MaxAge = int(life / time.Second)
	http.SetCookie(w, c)
}

// Clear removes the cookie called name.
func (j Jar) Clear(w http.ResponseWriter, name string) {
	c := j.cookie(name, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func (j Jar) cookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: j.Name(name), Value: value, Path: "/",
		Secure: j.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
