package oauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/focushq/idp/oauth"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// television registers a public client that is a device, and a confidential one.
func (w *world) television() {
	w.Helper()
	grants := []string{deviceGrant, "refresh_token"}
	w.client(&oauth.Client{ID: "tv", AuthMethod: "none", GrantTypes: grants, Resources: []string{"https://api.example"}})
	w.client(&oauth.Client{ID: "box", GrantTypes: append(grants, "authorization_code")})
}

// asDevice asks for codes.
func (w *world) asDevice(client string, changes ...string) answer {
	w.Helper()
	v := url.Values{"client_id": {client}, "scope": {"openid offline_access"}}
	change(v, changes)
	if secret := w.secrets[client]; secret != "" {
		return w.post("/oauth2/device", v, "Authorization", basic(client, secret))
	}
	return w.post("/oauth2/device", v)
}

// codes returns the device code and the user code of a device that waits from now on.
func (w *world) codes(client string, changes ...string) (device, user string) {
	w.Helper()
	a := w.asDevice(client, changes...)
	if a.status != http.StatusOK {
		w.Fatalf("no codes: %d %s", a.status, a.body)
	}
	return a.json["device_code"].(string), a.json["user_code"].(string)
}

// open types a user code.
func (w *world) open(user string) (id string, err error) {
	rec := httptest.NewRecorder()
	id, err = w.server.OpenDevice(rec, w.visit(), user, "192.0.2.1", "")
	w.browser.Jar.SetCookies(&url.URL{Scheme: "https", Host: "id.example.com", Path: "/"}, rec.Result().Cookies())
	return id, err
}

// resume types a user code and lets the dispatcher go on.
func (w *world) resume(user string) answer {
	w.Helper()
	id, err := w.open(user)
	if err != nil {
		w.Fatal(err)
	}
	return w.get(oauth.ResumeURL(id))
}

// connect has the person let a device in.
func (w *world) connect(user string) {
	w.Helper()
	if a := w.resume(user); a.status != 303 || a.header.Get("Location") != "/device/connected" {
		w.Fatalf("not connected: %d %s %s", a.status, a.header.Get("Location"), a.body)
	}
}

func (w *world) polling(client, code string, changes ...string) url.Values {
	v := url.Values{"grant_type": {deviceGrant}, "device_code": {code}}
	w.credentials(client, v)
	change(v, changes)
	return v
}

func (w *world) poll(client, code string) answer {
	w.Helper()
	return w.token(w.polling(client, code))
}

func TestDeviceFlow(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		for _, client := range []string{"tv", "box"} {
			a := w.asDevice(client)
			user := a.json["user_code"].(string)
			if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(user) ||
				a.json["verification_uri"] != issuer+"/device" || a.json["verification_uri_complete"] != issuer+"/device?user_code="+user ||
				a.json["expires_in"] != 600.0 || a.json["interval"] != 5.0 || a.header.Get("Cache-Control") != "no-store" {
				w.Errorf("%s", a.body)
			}
			code := a.json["device_code"].(string)
			w.wantError(w.poll(client, code), 400, "authorization_pending")
			w.connect(user)
			if last := w.host.last; last.Client().ID != client || strings.Join(last.Prompt(), " ") != "consent" ||
				strings.Join(last.Scopes(), " ") != "openid offline_access" || !last.ForDevice() {
				w.Errorf("the host saw %+v", last)
			}
			got := w.poll(client, code) // at once: only a device that still waits is told to slow down
			if got.status != 200 || got.json["token_type"] != "Bearer" || got.json["expires_in"] != 600.0 || got.json["scope"] != "openid offline_access" {
				w.Fatalf("%d %s", got.status, got.body)
			}
			id := payload(w, got.json["id_token"])
			if id["sub"] != "alice-1" || id["aud"] != client || id["acr"] != "aal2" || id["at_hash"] == nil || id["sid"] != nil || id["nonce"] != nil {
				w.Errorf("ID token: %v", id)
			}
			access := got.json["access_token"].(string)
			if a := w.userinfo(access); a.status != 200 || a.json["sub"] != "alice-1" {
				w.Errorf("userinfo: %d %s", a.status, a.body)
			}
			// The browser's session was where the person said yes; it is not where the device is signed in.
			if err := w.server.RevokeSession(w.Context(), "sid-1"); err != nil {
				w.Fatal(err)
			}
			if a := w.token(w.refreshing(client, got.json["refresh_token"].(string))); a.status != 200 {
				w.Errorf("refresh: %s", a.body)
			}
			if err := w.server.RevokeClient(w.Context(), "alice-1", client); err != nil {
				w.Fatal(err)
			}
			if a := w.userinfo(access); a.status != 401 {
				w.Errorf("after the app was disconnected: %d", a.status)
			}
		}
		if n := w.host.count(oauth.EventDeviceAnswered); n != 2 || w.host.count(oauth.EventTokenIssued) < 2 {
			w.Errorf("%d answers recorded", n)
		}
		if w.log.Len() > 0 {
			w.Error(w.log)
		}
	})
}

func TestDeviceIsAskedProperly(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		w.wantError(w.asDevice("nobody"), 401, "invalid_client")
		w.wantError(w.post("/oauth2/device", url.Values{"client_id": {"box"}, "scope": {"openid"}}), 401, "invalid_client")
		w.wantError(w.asDevice("web"), 400, "unauthorized_client")
		w.wantError(w.asDevice("tv", "scope", "-"), 400, "invalid_scope")
		w.wantError(w.asDevice("tv", "scope", "bogus"), 400, "invalid_scope")
		w.wantError(w.asDevice("tv", "resource", "https://other.example"), 400, "invalid_target")
		w.wantError(w.token(w.polling("web", "x")), 400, "unauthorized_client")
		w.wantError(w.token(w.polling("tv", "-", "device_code", "-")), 400, "invalid_request")
		for _, bad := range []string{"x", strings.Repeat("A", 64), strings.Repeat("é", 32)} {
			w.wantError(w.poll("tv", bad), 400, "invalid_grant")
		}

		code, user := w.codes("tv", "scope", "openid bogus email", "resource", "https://api.example")
		w.connect(user)
		got := w.poll("tv", code)
		if got.json["scope"] != "openid email" || got.json["refresh_token"] != nil {
			w.Errorf("%s", got.body)
		}
		if aud := payload(w, got.json["access_token"])["aud"]; aud != "https://api.example" {
			w.Errorf("audience %v", aud)
		}
	})
}

func TestDeviceIsRefused(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		code, user := w.codes("tv")
		w.host.set(func(h *host) { h.err = fosite.ErrAccessDenied.WithHint("not in the group") })
		if a := w.resume(user); a.status != 303 || a.header.Get("Location") != "/device/refused" {
			w.Errorf("%d %s", a.status, a.header.Get("Location"))
		}
		w.wantError(w.poll("tv", code), 400, "access_denied")
		w.wantError(w.poll("tv", code), 400, "access_denied")
		w.host.set(func(h *host) { h.err = nil })
		if _, err := w.open(user); !errors.Is(err, oauth.ErrNoDevice) {
			w.Errorf("answered once more: %v", err)
		}

		// The person cancels on a page.
		code, user = w.codes("tv")
		id, _ := w.open(user)
		rec := httptest.NewRecorder()
		if err := w.server.Deny(rec, w.visit(), id, ""); err != nil || rec.Header().Get("Location") != "/device/refused" {
			w.Errorf("%v, %s", err, rec.Header().Get("Location"))
		}
		w.wantError(w.poll("tv", code), 400, "access_denied")

		// A failure of ours is no answer.
		code, user = w.codes("tv")
		w.host.set(func(h *host) { h.err = errors.New("out of order") })
		if a := w.resume(user); a.status != 500 {
			w.Errorf("%d %s", a.status, a.body)
		}
		w.host.set(func(h *host) { h.err, h.auditErr = nil, errors.New("disk full") })
		if a := w.resume(user); a.status != 503 {
			w.Errorf("%d %s", a.status, a.body)
		}
		w.host.set(func(h *host) { h.auditErr = nil })
		w.wantError(w.poll("tv", code), 400, "authorization_pending")
		w.connect(user)
		if a := w.poll("tv", code); a.status != 200 {
			w.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestDeviceWaitsTenMinutes(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		code, user := w.codes("tv")
		late, lateUser := w.codes("tv")
		unfinished, unfinishedUser := w.codes("tv")
		id, err := w.open(unfinishedUser)
		if err != nil {
			w.Fatal(err)
		}
		w.clock.Add(10*time.Minute - time.Second)
		w.connect(user)
		if a := w.poll("tv", code); a.status != 200 {
			w.Errorf("%d %s", a.status, a.body)
		}
		w.connect(lateUser)
		w.clock.Add(time.Second)
		w.wantError(w.poll("tv", late), 400, "expired_token")
		w.wantError(w.poll("tv", unfinished), 400, "expired_token")
		if a := w.get(oauth.ResumeURL(id)); a.header.Get("Location") != "/device/over" {
			w.Errorf("%d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		if _, err := w.open(unfinishedUser); !errors.Is(err, oauth.ErrNoDevice) {
			w.Error(err)
		}
		w.wantError(w.poll("tv", unfinished), 400, "expired_token")
		w.clock.Add(2 * time.Hour)
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		var n int
		if err := w.db.Get(w.Context(), &n, `SELECT COUNT(*) FROM oauth_devices`); err != nil || n != 0 {
			w.Errorf("%d devices left, %v", n, err)
		}
	})
}

// Two tabs of two people with one user code, and the device itself at the same time.
func TestDeviceIsAnsweredOnce(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		for range 5 {
			code, user := w.codes("tv")
			var ids []string
			for range 6 {
				id, err := w.open(user)
				if err != nil {
					w.Fatal(err)
				}
				ids = append(ids, id)
			}
			cookies := w.visit().Cookies()
			var allowed, refused atomic.Int64
			var wg sync.WaitGroup
			for i, id := range ids {
				wg.Go(func() {
					r, _ := http.NewRequest(http.MethodGet, issuer+oauth.ResumeURL(id), nil)
					for _, c := range cookies {
						r.AddCookie(c)
					}
					location := ""
					if i%2 == 0 {
						location = w.do(w.newBrowser(), r).header.Get("Location")
					} else {
						rec := httptest.NewRecorder()
						if err := w.server.Deny(rec, r, id, ""); err != nil && !errors.Is(err, oauth.ErrNoRequest) {
							w.Error(err)
						}
						location = rec.Header().Get("Location")
					}
					switch location {
					case "/device/connected":
						allowed.Add(1)
					case "/device/refused":
						refused.Add(1)
					case "/device/over", "":
					default:
						w.Errorf("at %q", location)
					}
				})
			}
			var meanwhile answer
			wg.Go(func() { meanwhile = w.poll("tv", code) })
			wg.Wait()
			if allowed.Load()+refused.Load() != 1 {
				w.Fatalf("%d allowed, %d refused", allowed.Load(), refused.Load())
			}
			a := meanwhile
			if a.json["error"] == "authorization_pending" {
				a = w.poll("tv", code)
			}
			if (a.status == 200) != (allowed.Load() == 1) || a.status != 200 && a.json["error"] != "access_denied" {
				w.Errorf("%d allowed, and the device gets %s", allowed.Load(), a.body)
			}
		}
		if w.log.Len() > 0 {
			w.Error(w.log)
		}
	})
}

func TestDeviceWhoseClientIsGone(t *testing.T) {
	w := newWorld(t)
	w.television()
	code, user := w.codes("tv")
	id, err := w.open(user)
	if err != nil {
		t.Fatal(err)
	}
	client, _ := w.server.Clients().Get(t.Context(), "tv")
	changed := *client
	changed.GrantTypes = []string{"authorization_code"}
	if err := w.server.Clients().Update(t.Context(), &changed); err != nil {
		t.Fatal(err)
	}
	w.wantPage(w.get(oauth.ResumeURL(id)), "unauthorized_client", "")
	w.wantError(w.poll("tv", code), 400, "unauthorized_client")
	if err := w.server.Clients().Delete(t.Context(), "tv"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open(user); !errors.Is(err, oauth.ErrNoDevice) {
		t.Error(err)
	}
}

// A client that may not have devices any more, or not this one's scopes, has none that waits: no failure of ours.
func TestADeviceOfAClientThatChangedIsUnknown(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		for what, change := range map[string]func(*oauth.Client){
			"another grant type": func(c *oauth.Client) { c.GrantTypes = []string{"authorization_code"} },
			"other scopes":       func(c *oauth.Client) { c.Scopes = []string{"profile"} },
			"other resources":    func(c *oauth.Client) { c.Resources = nil },
			"disabled":           func(c *oauth.Client) { c.Disabled = true },
		} {
			_, user := w.codes("tv", "resource", "https://api.example")
			was, err := w.server.Clients().Get(w.Context(), "tv")
			if err != nil {
				t.Fatal(err)
			}
			c := *was
			change(&c)
			w.update(&c)
			if _, err := w.open(user); !errors.Is(err, oauth.ErrNoDevice) {
				t.Errorf("%s: %v", what, err)
			}
			w.update(was)
			if _, err := w.open(user); err != nil {
				t.Errorf("%s, and back: %v", what, err)
			}
		}
		_, user := w.codes("tv")
		if err := w.server.Clients().Delete(w.Context(), "tv"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.open(user); !errors.Is(err, oauth.ErrNoDevice) {
			t.Errorf("deleted: %v", err)
		}
	})
}
