package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/migrations"
)

// TestSec_DR01_ADumpSignsNobodyIn: somebody has read the whole database of a provider where everything lives that can be used,
// and tries every secret that it has, as it stands there and in each spelling, at every door. None opens, and nothing of it
// opens without the keyset.
func TestSec_DR01_ADumpSignsNobodyIn(t *testing.T) {
	t.Parallel()
	s := secOpen(t, func(c *idp.Config) { c.DynamicRegistration = true })
	o := secSpendable(t, s)
	dump := secDump(t, s)
	if len(dump) < 25 {
		t.Fatalf("only %d values: %v", len(dump), dump)
	}
	for place, value := range dump {
		for _, form := range []string{
			string(value), hex.EncodeToString(value), base64.StdEncoding.EncodeToString(value), base64.RawURLEncoding.EncodeToString(value),
		} {
			for door, opens := range o.doors(form) {
				if opens() {
					t.Errorf("%s as %q opens %s", place, form, door)
				}
			}
		}
	}
	for what, works := range map[string]bool{ // all of them are still good
		"session": o.signedIn.Get("/account").URL.Path == "/account", "token": s.userInfo(o.tokens) != nil,
		"link": s.Browser().Get("/setup?token=" + o.recovery).Has("#setup-submit"),
	} {
		if !works {
			t.Errorf("the %s does not work for its owner", what)
		}
	}
	for place, value := range dump {
		s.Clock.Add(20 * time.Minute) // no wait stands in the way
		page := s.Browser().Get("/account").Submit("login-submit", "username", "alice", "password", string(value))
		if page.URL.Path != "/login" {
			t.Errorf("%s is a password: %s", place, page.URL)
		}
	}
}

// doors are the ways in for whoever has a secret. Places without a browser's or client's state come first to the secret.
func (o *secSpent) doors(secret string) map[string]func() bool {
	s := o.secSite
	cookie := func(name string) *idptest.Browser {
		b := s.Browser()
		home, _ := url.Parse(s.Issuer)
		if strings.ContainsAny(secret, "\x00\r\n\";\\ ,") || strings.ContainsFunc(secret, func(r rune) bool { return r < 32 || r > 126 }) {
			return b // no cookie holds that
		}
		b.Jar.SetCookies(home, []*http.Cookie{{Name: name, Value: secret, Path: "/"}})
		return b
	}
	token := func(form url.Values) bool {
		status, answer := secForm(s, "/oauth2/token", s.app.ClientSecret, form)
		return status == http.StatusOK || answer["access_token"] != nil
	}
	return map[string]func() bool{
		"a session":   func() bool { return cookie("idp_session").Get("/account").URL.Path == "/account" },
		"the console": func() bool { return cookie("idp_console").Get("/admin").URL.Path == "/admin" },
		"a code": func() bool {
			return token(url.Values{"grant_type": {"authorization_code"}, "code": {secret}, "redirect_uri": {secCallback}, "code_verifier": {secVerifier}})
		},
		"a refresh token": func() bool { return token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret}}) },
		"a device's code": func() bool { return token(url.Values{"grant_type": {deviceGrant}, "device_code": {secret}}) },
		"userinfo":        func() bool { return s.asks(s.Issuer+"/oauth2/userinfo", headerValue(secret)).Status == http.StatusOK },
		"a reset link": func() bool {
			return s.Browser().Get(admin.ResetPath + "?" + url.Values{"token": {secret}}.Encode()).Has("input[name=password]")
		},
		"a recovery link": func() bool {
			return s.Browser().Get("/setup?" + url.Values{"token": {secret}}.Encode()).Has("#setup-submit")
		},
		"a client's secret": func() bool {
			status, _ := secForm(s, "/oauth2/introspect", secret, url.Values{"token": {"x"}})
			return status == http.StatusOK
		},
		"registration": func() bool {
			status, _ := rpManage(s, http.MethodPost, s.Issuer+"/oauth2/register", headerValue(secret), map[string]any{"redirect_uris": []string{secCallback}})
			return status == http.StatusCreated
		},
	}
}

// headerValue is s without what no header holds.
func headerValue(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 33 || r > 126 {
			return -1
		}
		return r
	}, s)
}

// secDump returns every value of the database that could be a secret or stand for one, by its place, one of each column.
func secDump(t *testing.T, s *secSite) map[string][]byte {
	t.Helper()
	secret := regexp.MustCompile(`secret|hash|sig$|seed|salt|password$|private|former|key$|public_key|handle|^mac$|^link$|credential`)
	db, out := s.database(), map[string][]byte{}
	for _, stream := range migrations.Streams() {
		tables, err := migrations.Tables(stream, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
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
					value := []byte(fmt.Sprint(cell))
					if octets, ok := cell.([]byte); ok {
						value = octets
					} else if !secret.MatchString(column) {
						continue
					}
					if len(value) >= 8 {
						out[table+"."+column] = value
					}
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			rows.Close()
		}
	}
	return out
}
