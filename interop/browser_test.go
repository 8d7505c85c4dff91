package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
)

// answer is what a relying party shows: what it was told, or what it makes of a refusal.
type answer struct {
	RP        string         `json:"rp"`
	OK        bool           `json:"ok"`
	Error     string         `json:"error"`
	Claims    map[string]any `json:"claims"`
	AMR       []string       `json:"amr"`
	ACR       string         `json:"acr"`
	Userinfo  map[string]any `json:"userinfo"`
	TokenType string         `json:"token_type"`

	VerificationURI string `json:"verification_uri"`
	UserCode        string `json:"user_code"`
}

// UnmarshalJSON also reads what mod_auth_openidc shows, which has words of its own.
func (a *answer) UnmarshalJSON(text []byte) error {
	type same answer
	var theirs struct {
		ID map[string]any `json:"id_token"`
	}
	err := errors.Join(json.Unmarshal(text, (*same)(a)), json.Unmarshal(text, &theirs))
	if theirs.ID == nil {
		return err
	}
	a.OK, a.Claims = true, theirs.ID
	a.ACR, _ = a.Claims["acr"].(string)
	amr, _ := a.Claims["amr"].([]any)
	for _, method := range amr {
		a.AMR = append(a.AMR, fmt.Sprint(method))
	}
	return err
}

// browser is what a person sits in front of. It shows one page.
type browser interface {
	open(address string)
	has(selector string) bool
	press(button string, fields ...string) // pairs of name and value
	answer() (answer, bool)                // what the page shows, when it is a relying party's
	forget()                               // the cookies of relying parties
	String() string                        // the page, for messages
}

// plain is a browser without scripts.
type plain struct {
	*idptest.Browser
	t    testing.TB
	page *idptest.Page
}

func newPlain(t testing.TB, issuer string) browser {
	b := idptest.NewBrowser(t, issuer)
	b.Transport = &http.Transport{DisableKeepAlives: true} // mod_auth_openidc answers twice when something fails
	return &plain{Browser: b, t: t}
}

func (b *plain) open(address string) { b.show(b.Get(address)) }

// show follows the way from one site to another.
func (b *plain) show(page *idptest.Page) {
	for range 20 {
		if page.Status < 300 || page.Status > 399 || page.Header.Get("Location") == "" {
			b.page = page
			return
		}
		page = b.Get(page.URL.String())
	}
	b.t.Fatalf("a redirect loop: %s", page.URL)
}

func (b *plain) has(selector string) bool { return b.page.Has(selector) }

func (b *plain) press(button string, fields ...string) { b.show(b.page.Submit(button, fields...)) }

func (b *plain) answer() (a answer, ok bool) {
	if body := strings.TrimSpace(b.page.Body); strings.HasPrefix(body, "{") {
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			b.t.Fatalf("%v: %s", err, body)
		}
		return a, true
	}
	return answer{Error: b.String()}, b.page.URL.Hostname() == "localhost" && b.page.Status >= 400
}

// forget drops the cookies of localhost, where relying parties are; providers are at 127.0.0.1.
func (b *plain) forget() {
	parties := &url.URL{Scheme: "http", Host: "localhost"}
	cookies := b.Jar.Cookies(parties)
	for _, c := range cookies {
		c.Path, c.MaxAge = "/", -1
	}
	b.Jar.SetCookies(parties, cookies)
}

func (b *plain) String() string {
	return fmt.Sprintf("%s (%d):\n%s", b.page.URL, b.page.Status, b.page.Body)
}
