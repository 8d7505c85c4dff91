package login

import (
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/oauth"
)

// home is where the pages are.
const home = "https://id.example/mfa"

// FuzzLocal asks a sign-in to lead anywhere: it leads to a page of ours.
func FuzzLocal(f *testing.F) {
	for _, to := range []string{
		"/account/mfa?x=1", "/device?user_code=BCDF", "//evil.example", `/\evil.example`, "/account/../oauth2/logout", "/account//evil.example",
		"https://evil.example", "/account\t/x", "/account/%2e%2e/login", "/admin#x", "javascript:alert(1)", "/account/%0d%0aX:y", "/account/%5cevil",
	} {
		f.Add(to)
	}
	base, _ := url.Parse(home)
	f.Fuzz(func(t *testing.T, to string) {
		got := local(to)
		target, err := base.Parse(got)
		if err != nil || target.Scheme != "https" || target.Host != "id.example" || target.User != nil ||
			strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\t\r\n\x00") {
			t.Fatalf("%q leads to %q, %v", to, got, err)
		}
		inside := false
		for _, room := range []string{"/account", "/admin", "/device"} {
			inside = inside || target.Path == room || strings.HasPrefix(target.Path, room+"/")
		}
		if !inside {
			t.Errorf("%q leads to %s", to, target)
		}
		if again := local(got); again != got {
			t.Errorf("%q: %q, then %q", to, got, again)
		}
	})
}

// FuzzReturnTo asks for a way back to anywhere: only the client's own origins are offered.
func FuzzReturnTo(f *testing.F) {
	client := &oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback", "com.example.app:/callback", "http://127.0.0.1/callback"}}
	for _, to := range []string{
		"https://app.example/profile?x=1#y", "https://app.example@evil.example/", "https://app.example.evil.example/", `https://app.example\@evil.example/`,
		"//app.example/", "https:app.example", "HTTPS://APP.EXAMPLE/", "https://app.example:443/", "com.example.app:/x", "javascript:alert(1)",
		"https://app.example%2f@evil.example/", "https://app.example\n.evil.example",
	} {
		f.Add(to)
	}
	f.Fuzz(func(t *testing.T, to string) {
		if !returnable(client, to) {
			return
		}
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil ||
			!strings.HasPrefix(to, "https://app.example") && !strings.HasPrefix(to, "http://127.0.0.1") {
			t.Fatalf("%q may be returned to", to)
		}
		// What browsers make of it: a backslash is a slash, and the host ends at the first of / ? #.
		rest := strings.TrimPrefix(strings.TrimPrefix(to, "https://app.example"), "http://127.0.0.1")
		if rest != "" && !strings.ContainsRune("/?#", rune(rest[0])) {
			t.Errorf("%q may be returned to", to)
		}
	})
}
