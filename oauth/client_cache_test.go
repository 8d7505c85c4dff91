package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/ory/fosite"
)

// remember makes the world's server remember the client id.
func (w *world) remember(id string) {
	w.Helper()
	before := w.server.Remembered()
	if w.authorize(request(id)); w.server.Remembered() != before+1 {
		w.Fatalf("%s is not remembered", id)
	}
}

// elsewhere changes the client id in another process.
func (w *world) elsewhere(id string, edit func(*oauth.Client)) {
	w.Helper()
	other, _ := w.start(w.config())
	client, err := other.Clients().Get(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	edit(client)
	if err := other.Clients().Update(w.Context(), client); err != nil {
		w.Fatal(err)
	}
}

func TestWhatAnotherProcessAllowsCountsAtOnce(t *testing.T) {
	const page, api = "https://app.example/second", "https://api.example/"
	wantCode := func(a answer) error {
		if a.location().Query().Get("code") == "" {
			return fmt.Errorf("%d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		return nil
	}
	wantOK := func(a answer) error {
		if a.status != http.StatusOK || a.json["active"] == false {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	}
	cases := map[string]struct {
		before oauth.Client
		edit   func(*oauth.Client)
		do     func(w *world, id string, kept map[string]any) error
	}{
		"redirect URI": {
			edit: func(c *oauth.Client) { c.RedirectURIs = append(c.RedirectURIs, page) },
			do: func(w *world, id string, _ map[string]any) error {
				return wantCode(w.authorize(request(id, "redirect_uri", page)))
			},
		},
		"scope": {
			edit: func(c *oauth.Client) { c.Scopes = append(c.Scopes, "read") },
			do: func(w *world, id string, _ map[string]any) error {
				if a := w.token(w.exchange(id, w.code(id, "scope", "openid read"))); a.json["scope"] != "openid read" {
					return errors.New(a.body)
				}
				return nil
			},
		},
		"resource": {
			edit: func(c *oauth.Client) { c.Resources = []string{api} },
			do: func(w *world, id string, _ map[string]any) error {
				return wantCode(w.authorize(request(id, "resource", api)))
			},
		},
		"no PAR any more": {
			before: oauth.Client{RequirePAR: true},
			edit:   func(c *oauth.Client) { c.RequirePAR = false },
			do:     func(w *world, id string, _ map[string]any) error { return wantCode(w.authorize(request(id))) },
		},
		"no key any more": {
			before: oauth.Client{DPoPBound: true},
			edit:   func(c *oauth.Client) { c.DPoPBound = false },
			do: func(w *world, id string, _ map[string]any) error {
				return wantOK(w.token(w.exchange(id, w.code(id))))
			},
		},
		"grant type": {
			edit: func(c *oauth.Client) {
				c.GrantTypes, c.Scopes = append(c.GrantTypes, "client_credentials"), append(c.Scopes, "read")
			},
			do: func(w *world, id string, _ map[string]any) error {
				return wantOK(w.token(url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}, "client_id": {id}}))
			},
		},
		"page after the logout": {
			edit: func(c *oauth.Client) { c.PostLogoutRedirectURIs = []string{page} },
			do: func(w *world, id string, kept map[string]any) error {
				a := w.signOut("id_token_hint", kept["id_token"].(string), "post_logout_redirect_uri", page)
				if a.header.Get("Location") != page {
					return fmt.Errorf("%d %s", a.status, a.body)
				}
				return nil
			},
		},
		"introspection of others' tokens": {
			edit: func(c *oauth.Client) { c.Introspect = true },
			do: func(w *world, id string, kept map[string]any) error {
				token := w.tokens("web")["access_token"].(string)
				return wantOK(w.post("/oauth2/introspect", url.Values{"token": {token}}, "Authorization", basic(id, w.secrets[id])))
			},
		},
		"way to authenticate": {
			before: oauth.Client{AuthMethod: "client_secret_post"},
			edit:   func(c *oauth.Client) { c.AuthMethod = "client_secret_basic" },
			do:     func(w *world, id string, _ map[string]any) error { return wantOK(w.token(w.exchange(id, w.code(id)))) },
		},
	}
	both(t, func(w *world) {
		n := 0
		for name, c := range cases {
			n++
			c.before.ID = fmt.Sprint("app-", n)
			w.client(&c.before)
			var kept map[string]any
			if c.before.AuthMethod == "" && !c.before.RequirePAR && !c.before.DPoPBound {
				kept = w.tokens(c.before.ID)
			}
			w.server.Later(time.Minute) // the next one is what is remembered
			w.authorize(request(c.before.ID))
			w.elsewhere(c.before.ID, c.edit)
			if err := c.do(w, c.before.ID, kept); err != nil {
				w.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestASecretThatAnotherProcessRotatedIsGoodAtOnce(t *testing.T) {
	both(t, func(w *world) {
		old := w.secrets["web"]
		w.remember("web")
		other, _ := w.start(w.config())
		fresh, err := other.Clients().RotateSecret(w.Context(), "web", "", time.Hour)
		if err != nil {
			w.Fatal(err)
		}
		for what, secret := range map[string]string{"new": fresh, "old": old} {
			w.secrets["web"] = secret
			if a := w.token(w.exchange("web", w.code("web"))); a.status != http.StatusOK {
				w.Errorf("%s secret: %d %s", what, a.status, a.body)
			}
		}
		// The end of the overlap is a matter of the clock, not of when the client was read.
		w.clock.Add(time.Hour)
		w.secrets["web"] = old
		w.wantError(w.token(w.exchange("web", w.code("web"))), http.StatusUnauthorized, "invalid_client")
	})
}

// A grant that the old client could not have is redeemed where that one is remembered: the code came from a third process.
func TestWhatAThirdProcessGrantedIsGood(t *testing.T) {
	both(t, func(w *world) {
		w.remember("web")
		w.elsewhere("web", func(c *oauth.Client) { c.Scopes = append(c.Scopes, "read") })
		here := w.browser
		_, mux := w.start(w.config())
		w.browser = &http.Client{Transport: transport{mux}, CheckRedirect: here.CheckRedirect}
		code := w.code("web", "scope", "openid offline_access read")
		w.browser = here
		a := w.token(w.exchange("web", code))
		if a.status != http.StatusOK {
			w.Fatalf("exchange: %d %s", a.status, a.body)
		}
		if u := w.userinfo(a.json["access_token"].(string)); u.status != http.StatusOK {
			w.Errorf("userinfo: %d %s", u.status, u.body)
		}
	})
}

// A host's refusal may be about the client as it was.
func TestTheHostIsAskedAgainAboutAClientThatChanged(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "closed", Groups: []string{"staff"}})
	w.remember("closed")
	w.host.set(func(h *host) {
		h.judge = func(r *oauth.Request) error {
			if len(r.Client().Groups) > 0 {
				return fosite.ErrAccessDenied
			}
			return nil
		}
	})
	w.wantRedirected(w.authorize(request("closed")), "access_denied")
	w.elsewhere("closed", func(c *oauth.Client) { c.Groups = nil })
	w.code("closed")
}

func TestWhatAnotherProcessForbidsCountsWithinASecond(t *testing.T) {
	both(t, func(w *world) {
		token := w.tokens("web")["access_token"].(string)
		gone := w.tokens("spa")["access_token"].(string)
		other, _ := w.start(w.config())
		w.elsewhere("web", func(c *oauth.Client) { c.Disabled = true })
		if err := other.Clients().Delete(w.Context(), "spa"); err != nil {
			w.Fatal(err)
		}
		w.wantPage(w.authorize(request("spa")), "invalid_client", "") // one that is gone gets nothing that lasts
		w.server.Later(time.Second)
		for id, token := range map[string]string{"web": token, "spa": gone} {
			w.wantPage(w.authorize(request(id)), "invalid_client", "")
			w.wantError(w.userinfo(token), http.StatusUnauthorized, "invalid_token")
			w.wantError(w.token(w.refreshing(id, "x")), http.StatusUnauthorized, "invalid_client")
		}
		w.elsewhere("web", func(c *oauth.Client) { c.Disabled = false })
		w.code("web") // one that is off is not remembered
	})
}

func TestWhatThisProcessWritesCountsAtOnce(t *testing.T) {
	both(t, func(w *world) {
		w.remember("web")
		clients := w.server.Clients()
		client, err := clients.Get(w.Context(), "web")
		if err != nil {
			w.Fatal(err)
		}
		client.Disabled = true
		undone := errors.New("undone")
		for _, end := range []error{undone, nil} {
			err := w.db.InTx(w.Context(), func(ctx context.Context) error {
				if err := clients.Update(ctx, client); err != nil {
					return err
				}
				// Somebody else reads what is not committed yet, and remembers the client as it was.
				w.wantRedirected(w.authorize(request("web", "prompt", "nothing")), "invalid_request")
				return end
			})
			if !errors.Is(err, end) {
				w.Fatal(err)
			}
			if end == undone {
				w.code("web")
			}
		}
		w.wantPage(w.authorize(request("web")), "invalid_client", "")
		w.remember("spa")
		if err := clients.Delete(w.Context(), "spa"); err != nil {
			w.Fatal(err)
		}
		w.wantPage(w.authorize(request("spa")), "invalid_client", "")
	})
}

// A slow reader must not bring back what a write has just replaced.
func TestSnapshotsUnderLoad(t *testing.T) {
	both(t, func(w *world) {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 40 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						w.authorize(request("web"))
					}
				}
			})
		}
		for n := range 10 {
			page := fmt.Sprintf("https://app.example/%d", n)
			client, err := w.server.Clients().Get(w.Context(), "web")
			if err == nil {
				client.RedirectURIs = []string{callback, page}
				err = w.server.Clients().Update(w.Context(), client)
			}
			if err != nil {
				w.Error(err)
				break
			}
			if a := w.authorize(request("web", "redirect_uri", page)); a.location().Query().Get("code") == "" {
				w.Errorf("%s: %d %s", page, a.status, a.body)
			}
			before := fmt.Sprintf("https://app.example/%d", n-1)
			if a := w.authorize(request("web", "redirect_uri", before)); a.location().Query().Get("code") != "" {
				w.Errorf("%s is good after it was taken away", before)
			}
		}
		close(stop)
		wg.Wait()
	})
}
