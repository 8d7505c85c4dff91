package idp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/migrations"
	"github.com/focushq/idp/oauth"
)

// tablesOf returns the tables of the schema.
func tablesOf(t *testing.T) (out []string) {
	t.Helper()
	for _, stream := range migrations.Streams() {
		tables, err := migrations.Tables(stream, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tables...)
	}
	return out
}

// beside opens the provider's database beside it.
func beside(t *testing.T, p *idptest.Server) *dbx.DB {
	t.Helper()
	db, err := dbx.Open(t.Context(), p.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// post sends a form as a program, and returns the status.
func post(t *testing.T, p *idptest.Server, path string, form url.Values, auth ...string) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(auth) == 2 {
		r.SetBasicAuth(auth[0], url.QueryEscape(auth[1]))
	}
	response, err := p.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// load is what happens at a provider in a day, of everything that leaves rows.
type load struct {
	*idptest.Server
	t           *testing.T
	who         *idptest.Person
	tv, machine *idptest.Client
}

func (l *load) day(n int) {
	t, p := l.t, l.Server
	app := l.who.App
	p.Clock.Add(time.Minute) // another code
	b := p.Browser()
	b.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", n/250, n%250+1))
	b.Get(app.AuthCodeURL("never finished"))
	page := b.Get(app.AuthCodeURL("s")).Submit("login-submit", "username", fmt.Sprint("nobody", n), "password", "x")
	page = page.Submit("login-submit", "username", "alice", "password", idptest.Password)
	page = page.Submit("mfa-submit", "code", "000000")
	page = page.Submit("mfa-submit", "code", l.who.Phone.Code(0), "remember", "1")
	if code := page.URL.Query().Get("code"); code == "" {
		t.Fatalf("day %d: at %s: %s", n, page.URL, page.Text("main"))
	} else if token, err := app.Exchange(t.Context(), code); err != nil {
		t.Fatal(err)
	} else {
		l.who.Token = token
	}
	if access, refresh := l.who.Granted(); !access || !refresh {
		t.Fatalf("day %d: %v %v", n, access, refresh)
	}
	b.Get(app.AuthCodeURL("never redeemed"))
	b.Get("/account/mfa").Submit("enrol-start") // begun and left
	b.Get("/account/mfa/codes")                 // made and not confirmed
	p.Browser().Get("/reset").Submit("reset-submit", "username", "alice")
	if n%6 == 0 {
		b.Get("/oauth2/logout").Submit("logout-confirm")
	}
	for status, sent := range map[int]int{
		http.StatusCreated: post(t, p, "/oauth2/par", url.Values{"response_type": {"code"}, "redirect_uri": {app.RedirectURL}, "scope": {"openid"}}, app.ClientID, app.ClientSecret),
		http.StatusOK:      post(t, p, "/oauth2/device", url.Values{"client_id": {"tv"}, "scope": {"openid"}}),
	} {
		if sent != status {
			t.Fatalf("day %d: %d, want %d", n, sent, status)
		}
	}
	if status := post(t, p, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "machine", l.machine.ClientSecret); status != http.StatusOK {
		t.Fatal(status)
	}
	post(t, p, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "machine", "wrong")
	if _, err := p.OAuth.Clients().NewRegistrationToken(t.Context(), time.Hour, 1); err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []string{account.PurposeInvite, account.PurposeReset} {
		if _, err := p.Accounts.NewLink(t.Context(), purpose, l.who.Subject, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
}

// night is what the provider does by itself, a few times as the hours pass.
func (l *load) night() {
	for range 2 {
		l.Clock.Add(12 * time.Hour)
		l.Deliver(l.t.Context())
		l.Notify(l.t.Context())
		l.Tend(l.t.Context())
		l.Prune(l.t.Context())
	}
}

func (l *load) counts(db *dbx.DB) map[string]int {
	l.t.Helper()
	out := map[string]int{}
	for _, table := range tablesOf(l.t) {
		var n int
		if err := db.Get(l.t.Context(), &n, "SELECT COUNT(*) FROM "+table); err != nil {
			l.t.Fatal(err)
		}
		out[table] = n
	}
	return out
}

// lost is a mail server that takes nothing.
type lost struct{}

func (lost) Send(context.Context, mail.Message) error { return errors.New("no mail today") }

// years are tables of figures: of each kind a row a day, whatever the load, which goes after two years at the latest.
var years = map[string]bool{"account_figures": true, "audit_days": true}

// TestSec_DR08_NinetyDaysOfLoadStayFlat: whatever leaves rows happens every third day for ninety days. From two months on,
// when everything has come to its end that may, and the rows about removing the trail too, no table grows.
func TestSec_DR08_NinetyDaysOfLoadStayFlat(t *testing.T) {
	p := idptest.Start(t, func(c *idp.Config) {
		c.AuditRetention, c.TrustedProxies, c.KeyRotation = idp.Duration(30*24*time.Hour), []string{"127.0.0.0/8"}, 0
		c.Mail = lost{}
	})
	l := &load{Server: p, t: t, who: p.Person("alice")}
	l.tv = p.AddClient(oauth.Client{ID: "tv", AuthMethod: "none", RedirectURIs: []string{"https://tv.example/"}, GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code"}})
	l.machine = p.AddClient(oauth.Client{ID: "machine", RedirectURIs: []string{"https://app.example/"}, GrantTypes: []string{"client_credentials"}})
	app := *l.who.App.Client
	app.RefreshTokenLife = oauth.Seconds(30 * 24 * 3600)
	if err := p.OAuth.Clients().Update(t.Context(), &app); err != nil {
		t.Fatal(err)
	}
	start := p.Clock.Now()
	p.Clock.Add(start.Truncate(24 * time.Hour).Add(36 * time.Hour).Sub(start)) // noon, far from where days end
	db := beside(t, p)
	var then map[string]int
	for n := range 90 {
		if n%3 == 0 {
			l.day(n)
		}
		l.night()
		if n == 62 {
			then = l.counts(db)
		}
	}
	now := l.counts(db)
	for table, n := range now {
		if years[table] {
			continue
		}
		if n > then[table]+max(2, then[table]/20) {
			t.Errorf("%s: %d rows after 63 days, %d after 90", table, then[table], n)
		}
	}
	for _, table := range []string{"oauth_grants", "audit", "mfa_devices", "outbox"} {
		if then[table] == 0 {
			t.Errorf("%s was never filled", table)
		}
	}
	p.Clock.Add(3 * 365 * 24 * time.Hour)
	p.Prune(t.Context())
	for table, n := range l.counts(db) {
		if years[table] && n != 0 {
			t.Errorf("%s: %d rows of three years ago", table, n)
		}
	}
}

// TestSec_DR07_NothingTellsOfADeletedPerson: their name and address stand nowhere in the database when they were deleted and
// the time of the trail is over, and never stood in the log. Until then the trail tells of a subject and of no name.
func TestSec_DR07_NothingTellsOfADeletedPerson(t *testing.T) {
	var log bytes.Buffer
	p := idptest.Start(t, func(c *idp.Config) {
		c.AuditRetention, c.Mail = idp.Duration(30*24*time.Hour), lost{}
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	names := []string{"zacharias", "quuxberg", "zq-mailbox"}
	a := p.Person("zacharias", func(n *account.NewAccount) { n.Name, n.Email = "Zacharias Quuxberg", "zq-mailbox@mail.example" })
	p.AddUser("bob")
	l := &load{Server: p, t: t, who: a}
	db := beside(t, p)
	p.Browser().Get("/reset").Submit("reset-submit", "username", "zq-mailbox@mail.example")
	a.Browser.Get(a.App.AuthCodeURL("s")).Browser().Get("/account/sessions")
	p.Deliver(t.Context())
	p.Tend(t.Context())
	if found := mentions(t, db, names); len(found) == 0 {
		t.Fatal("nothing tells of them while they are there")
	}
	if err := p.Actions().Delete(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	for _, place := range mentions(t, db, names) {
		if !strings.HasPrefix(place, "outbox") { // the letter about it, and its address, waits for the mail server
			t.Errorf("after the deletion: %s", place)
		}
	}
	for range 35 {
		l.night()
	}
	for _, place := range mentions(t, db, names) {
		t.Errorf("after all: %s", place)
	}
	for _, name := range names {
		if strings.Contains(strings.ToLower(log.String()), name) {
			t.Errorf("the log tells of %s", name)
		}
	}
}

// mentions returns where in the database one of the words stands, in whatever case.
func mentions(t *testing.T, db *dbx.DB, words []string) (out []string) {
	t.Helper()
	for _, table := range tablesOf(t) {
		rows, err := db.SQLX().QueryxContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			cells := map[string]any{}
			if err := rows.MapScan(cells); err != nil {
				t.Fatal(err)
			}
			for column, cell := range cells {
				text := strings.ToLower(fmt.Sprint(cell))
				if octets, ok := cell.([]byte); ok {
					text = strings.ToLower(string(octets))
				}
				for _, word := range words {
					if strings.Contains(text, strings.ToLower(word)) {
						out = append(out, fmt.Sprintf("%s.%s: %.80s", table, column, text))
					}
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return out
}
