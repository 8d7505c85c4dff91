package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/focushq/idp/oauth"
)

// parties are relying parties that take notices, each at its own host.
type parties struct {
	mu     sync.Mutex
	answer map[string]func(*http.Request) (int, error) // nil: 200
	got    map[string][]*http.Request
	forms  map[string][]url.Values
}

func (p *parties) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.got[r.URL.Host] = append(p.got[r.URL.Host], r)
	p.forms[r.URL.Host] = append(p.forms[r.URL.Host], form)
	answer := p.answer[r.URL.Host]
	p.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		if status, err = answer(r); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: status, Request: r, Body: http.NoBody, Header: http.Header{"Location": {"https://elsewhere.example/"}},
	}, nil
}

// tokens returns the logout tokens that the party called id got.
func (p *parties) tokens(id string) (tokens []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, form := range p.forms[id+".example"] {
		tokens = append(tokens, form.Get("logout_token"))
	}
	return tokens
}

func (p *parties) answers(id string, status func(*http.Request) (int, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer[id+".example"] = status
}

func always(status int) func(*http.Request) (int, error) {
	return func(*http.Request) (int, error) { return status, nil }
}

// told starts the world's server anew with the clients one, two and three, which want to hear of logouts, and returns what
// they hear.
func (w *world) told(wait time.Duration) *parties {
	w.Helper()
	p := &parties{answer: map[string]func(*http.Request) (int, error){}, got: map[string][]*http.Request{}, forms: map[string][]url.Values{}}
	w.server, w.mux = w.start(w.telling(p, wait))
	w.browser = w.newBrowser()
	for id, alg := range map[string]string{"one": "RS256", "two": "ES256", "three": "EdDSA"} {
		w.client(&oauth.Client{ID: id, BackchannelLogoutURI: "https://" + id + ".example/out?k=v", IDTokenAlg: alg})
	}
	return p
}

func (w *world) telling(p *parties, wait time.Duration) oauth.Config {
	cfg := w.config()
	cfg.Outbound, cfg.NoticeWait = oauth.NewOutbound(nil), wait
	cfg.Outbound.Transport = p
	return cfg
}

// in signs in to clients in the browser session sid and returns the last one's ID token.
func (w *world) in(sid string, clients ...string) (token any) {
	w.Helper()
	w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()); h.auth.SessionID = sid })
	for _, client := range clients {
		token = w.tokens(client)["id_token"]
	}
	return token
}

// end ends the browser session sid, as the host does.
func (w *world) end(sid string) {
	w.Helper()
	if err := w.server.RevokeSession(w.Context(), sid); err != nil {
		w.Fatal(err)
	}
}

// notify does the background work after some time.
func (w *world) notify(after time.Duration) {
	w.Helper()
	w.clock.Add(after)
	if err := w.server.Notify(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// rows returns how many sign-ins are noted.
func (w *world) rows() (n int) {
	w.Helper()
	if err := w.db.Get(w.Context(), &n, `SELECT count(*) FROM oauth_logins`); err != nil {
		w.Fatal(err)
	}
	return n
}

func TestSec_OA18_LogoutTokensAreWhatTheSpecificationSays(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(0)
		w.in("sid-2", "three", "web")
		id := payload(w, w.in("sid-1", "web", "one", "two", "two"))
		if w.rows() != 3 {
			w.Errorf("%d rows for three sign-ins to clients that want to know", w.rows())
		}
		w.end("sid-1")
		w.server.NotifySession(w.Context(), "sid-1")
		for client, alg := range map[string]string{"one": "RS256", "two": "ES256"} {
			tokens := p.tokens(client)
			if len(tokens) != 1 {
				w.Fatalf("%s was told %d times", client, len(tokens))
			}
			header, claims := part(w, tokens[0], 0), payload(w, tokens[0])
			if header["typ"] != "logout+jwt" || header["alg"] != alg {
				w.Errorf("header %v", header)
			}
			names := slices.Sorted(maps.Keys(claims))
			if !slices.Equal(names, []string{"aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"}) {
				w.Errorf("claims %v", claims)
			}
			events, _ := json.Marshal(claims["events"])
			if string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` {
				w.Errorf("events %s", events)
			}
			if claims["iss"] != issuer || claims["aud"] != client || claims["sub"] != id["sub"] || claims["sid"] != id["sid"] ||
				claims["exp"].(float64)-claims["iat"].(float64) != 120 || claims["jti"] == "" {
				w.Errorf("claims %v", claims)
			}
			w.wantOurs(tokens[0], jose.SignatureAlgorithm(alg))
			r, form := p.got[client+".example"][0], p.forms[client+".example"][0]
			if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(form) != 1 ||
				r.URL.String() != "https://"+client+".example/out?k=v" {
				w.Errorf("%s %s %v %v", r.Method, r.URL, r.Header, form)
			}
		}
		w.notify(time.Hour)
		if len(p.tokens("three")) != 0 || len(p.tokens("one")) != 1 || w.rows() != 1 {
			w.Error("a client of another session was told, or one twice")
		}
		if w.host.count(oauth.EventLogoutNoticed) != 2 {
			w.Errorf("%v", w.host.events)
		}
	})
}

// wantOurs checks the signature by the published keys.
func (w *world) wantOurs(token string, alg jose.SignatureAlgorithm) {
	w.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.get("/oauth2/jwks").body), &keys); err != nil {
		w.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := signed.Verify(keys); err != nil {
		w.Error(err)
	}
}

func TestSec_OA18_NoticesAreTriedAgainUntilTheyAreTaken(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(0)
		w.in("sid-1", "one", "two", "three")
		p.answers("one", always(http.StatusInternalServerError))
		p.answers("two", always(http.StatusFound)) // a redirect is not followed
		p.answers("three", always(http.StatusNoContent))
		w.end("sid-1")
		w.server.NotifySession(w.Context(), "sid-1")
		w.server.NotifySession(w.Context(), "sid-1") // once is enough
		w.notify(9 * time.Second)
		if len(p.tokens("one")) != 1 || len(p.tokens("two")) != 1 || len(p.tokens("three")) != 1 || len(p.got) != 3 {
			w.Fatalf("told before its time: %v", p.got)
		}
		w.notify(2 * time.Second)
		p.answers("one", nil)
		w.notify(10 * time.Second)
		if len(p.tokens("one")) != 2 {
			w.Error("the pauses do not grow")
		}
		w.notify(time.Minute)
		w.notify(time.Hour)
		tokens := p.tokens("one")
		if len(tokens) != 3 || payload(w, tokens[0])["jti"] == payload(w, tokens[2])["jti"] {
			w.Errorf("told %d times", len(tokens))
		}
		if w.host.count(oauth.EventLogoutNoticed) != 2 || w.host.count(oauth.EventLogoutUnnoticed) != 0 {
			w.Errorf("%v", w.host.events)
		}
		for range 50 {
			w.notify(time.Hour)
		}
		if tries := len(p.tokens("two")); w.host.count(oauth.EventLogoutUnnoticed) != 1 || w.rows() != 0 || tries < 20 || tries > 32 {
			w.Errorf("given up after %d tries; %v", tries, w.host.events)
		}
	})
}

// A server that dies between the commit and the notice, and two that find it, tell the client once.
func TestSec_OA18_ADeadServersNoticesAreSentByAnother(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(0)
		w.in("sid-1", "one", "two", "three")
		w.end("sid-1")
		w.clock.Add(3 * time.Second)
		var wg sync.WaitGroup
		for range 4 {
			other, _ := w.start(w.telling(p, 0))
			wg.Go(func() {
				if err := other.Notify(w.Context()); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		for _, client := range []string{"one", "two", "three"} {
			if n := len(p.tokens(client)); n != 1 {
				w.Errorf("%s was told %d times", client, n)
			}
		}
	})
}

// A client that never answers holds up neither the sign-out nor the notices to others, nor is it asked in vain for each
// of its sessions.
func TestASilentClient(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(time.Millisecond)
		w.in("sid-1", "one", "two")
		w.in("sid-2", "one", "two")
		p.answers("one", func(r *http.Request) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		})
		w.end("sid-1")
		w.server.NotifySession(w.Context(), "sid-1") // comes back
		w.server, w.mux = w.start(w.telling(p, 0))
		p.answers("one", func(*http.Request) (int, error) { return 0, errors.New("no route to host") })
		w.end("sid-2")
		before := len(p.tokens("one"))
		w.notify(time.Minute)
		if after := len(p.tokens("one")); after != before+1 || len(p.tokens("two")) < 2 {
			w.Errorf("the silent one was asked %d times, the other one %d times", after-before, len(p.tokens("two")))
		}
		p.answers("one", nil)
		w.notify(time.Hour)
		if w.rows() != 0 || w.host.count(oauth.EventLogoutNoticed) != 4 {
			w.Errorf("%v", w.host.events)
		}
	})
}

// However long a sign-out may wait for a client, the background does not wait longer, and never until others would ask too.
func TestWaitForAClient(t *testing.T) {
	for wait, most := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: 8 * time.Second} {
		w := newWorld(t)
		p := w.told(wait)
		p.answers("one", func(r *http.Request) (int, error) {
			if until, ok := r.Context().Deadline(); !ok || time.Until(until) > most {
				t.Errorf("NoticeWait %s: the client may take %s", wait, time.Until(until))
			}
			return http.StatusOK, nil
		})
		w.in(wait.String(), "one")
		w.end(wait.String())
		w.notify(time.Minute)
		if len(p.tokens("one")) != 1 {
			t.Errorf("NoticeWait %s: not told", wait)
		}
	}
}

func TestNoticesOfWhatIsUndone(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(0)
		w.in("sid-1", "one")
		undone := errors.New("undone")
		err := w.db.InTx(w.Context(), func(ctx context.Context) error {
			if err := w.server.RevokeSession(ctx, "sid-1"); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			w.Fatal(err)
		}
		w.notify(time.Hour)
		w.server.NotifySession(w.Context(), "sid-1")
		if len(p.tokens("one")) != 0 {
			w.Error("a client hears of an end that was undone")
		}
		// Nor is a notice done that could not be recorded.
		w.end("sid-1")
		w.host.set(func(h *host) { h.auditErr = errors.New("the disk is full") })
		w.clock.Add(time.Hour)
		if err := w.server.Notify(w.Context()); err == nil || w.rows() != 1 {
			w.Errorf("%v, %d rows", err, w.rows())
		}
	})
}

func TestClientsThatNeedNoNotice(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(0)
		w.in("sid-1", "one", "two", "three")
		if err := w.server.Clients().Delete(w.Context(), "one"); err != nil {
			w.Fatal(err)
		}
		two, err := w.server.Clients().Get(w.Context(), "two")
		if err != nil {
			w.Fatal(err)
		}
		changed := *two
		changed.BackchannelLogoutURI = ""
		if err := w.server.Clients().Update(w.Context(), &changed); err != nil {
			w.Fatal(err)
		}
		w.end("sid-1")
		w.notify(time.Minute)
		if len(p.tokens("one"))+len(p.tokens("two")) != 0 || len(p.tokens("three")) != 1 || w.rows() != 0 {
			w.Errorf("%v, %d rows", p.got, w.rows())
		}
	})
}

// Sessions that ran out leave rows, which go in the end; one that goes on keeps them.
func TestNotedSignInsArePruned(t *testing.T) {
	both(t, func(w *world) {
		p := w.told(0)
		w.in("sid-1", "one")
		w.in("sid-2", "one")
		for range 4 {
			w.clock.Add(29 * 24 * time.Hour)
			w.in("sid-1", "one")
			if err := w.server.Prune(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
		if w.rows() != 1 {
			w.Errorf("%d rows", w.rows())
		}
		w.end("sid-1")
		w.end("sid-2")
		if w.notify(time.Minute); len(p.tokens("one")) != 1 {
			w.Errorf("%d notices", len(p.tokens("one")))
		}
	})
}

func TestLogoutsWithoutADatabase(t *testing.T) {
	w := newWorld(t)
	w.told(0)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.server.NotifySession(t.Context(), "sid-1") // only says so
	if _, err := w.server.LogoutFrames(t.Context(), "sid-1"); err == nil || w.server.Notify(t.Context()) == nil || w.log.Len() == 0 {
		t.Errorf("%v %s", err, w.log)
	}
}
