package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

func TestSmoke(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	c := p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"http://127.0.0.1:9/callback"}})
	b := p.Browser()
	page := b.Get(c.AuthCodeURL("state-1"))
	t.Log(page.Status, page.URL)
	page = page.Submit("login-submit", "username", "alice", "password", idptest.Password)
	t.Log(page.Status, page.URL)
	if page.URL.Query().Get("code") == "" {
		t.Fatal(page.Body)
	}
	page = b.Get("/account/mfa?client_id=app&return_to=http://127.0.0.1:9/profile")
	t.Log(page.Status, page.URL, page.Text("title"))
	page = page.Submit("enrol-start")
	t.Log(page.Status, page.URL, page.Text("title"))
	t.Logf("%q", page.Text("#totp-key"))
	phone := mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: p.Clock.Now}
	page = page.Submit("scan-next")
	t.Log(page.Status, page.URL, page.Text("title"))
	page = page.Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	t.Log(page.Status, page.URL, page.Text("title"))
	codes := page.All("#recovery-codes li")
	t.Log(codes)
	page = page.Submit("enrol-confirm", "saved", "1")
	t.Log(page.Status, page.URL, page.Text("title"))
	b = p.Browser()
	page = b.Get(c.AuthCodeURL("state-1"))
	page = page.Submit("login-submit", "username", "alice", "password", idptest.Password)
	t.Log(page.Status, page.URL, page.Text("title"))
	p.Clock.Add(30*time.Second)
	page = page.Submit("mfa-submit", "code", phone.Code(0), "remember", "1")
	t.Log(page.Status, page.URL, page.Text("title"))
	b.Get("/oauth2/logout")
}
