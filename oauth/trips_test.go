package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// counted is a world whose round trips are counted: the package alone, without a host that records or asks anything.
type counted struct {
	*world
	trips *dbxtest.Trips
}

func newCounted(t testing.TB, db *dbx.DB) *counted {
	db, trips := dbxtest.Counted(t, db)
	w := &counted{newWorldOn(t, db), trips}
	cfg := w.config()
	cfg.Audit, cfg.Alive = nil, nil
	w.server, w.mux = w.start(cfg)
	w.browser = w.newBrowser()
	for _, c := range []oauth.Client{
		{ID: "es", IDTokenAlg: "ES256"},
		{ID: "opaque", AccessToken: "opaque", IDTokenAlg: "ES256"},
		{ID: "hears", BackchannelLogoutURI: "https://app.example/out"},
		{ID: "machine", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}, RedirectURIs: []string{}, IDTokenAlg: "ES256"},
		{ID: "opaque-machine", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}, RedirectURIs: []string{}, AccessToken: "opaque"},
	} {
		w.client(&c)
	}
	return w
}

// must returns a if it is what it should be.
func (w *counted) must(a answer, status int) answer {
	w.Helper()
	if a.status != status || a.location().Query().Has("error") {
		w.Fatalf("%d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	return a
}

func (w *counted) introspect(client, token string) answer {
	w.Helper()
	return w.post("/oauth2/introspect", url.Values{"token": {token}}, "Authorization", basic(client, w.secrets[client]))
}

// clientsRead returns how often rows of clients were asked for.
func (w *counted) clientsRead() (n int) {
	for _, trip := range w.trips.All() {
		if strings.HasPrefix(trip, "SELECT") && strings.Contains(trip, "FROM oauth_clients") {
			n++
		}
	}
	return n
}

func (w *counted) machine(client string) answer {
	w.Helper()
	return w.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {client}})
}

// operations are those that a relying party does all day: each is prepared by the first function and done by the second.
func (w *counted) operations() []operation {
	return []operation{
		{"client credentials, JWT", 0, 0, nothing, func(string) { w.must(w.machine("machine"), 200) }},
		{"client credentials, opaque", 1, 1, nothing, func(string) { w.must(w.machine("opaque-machine"), 200) }},
		{"authorize", 1, 1, nothing, func(string) { w.must(w.authorize(request("es")), 303) }},
		{"authorize, client with a logout URI", 4, 4, nothing, func(string) { w.must(w.authorize(request("hears")), 303) }},
		{"exchange, ES256", 2, 1, func() string { return w.code("es") },
			func(code string) { w.must(w.token(w.exchange("es", code)), 200) }},
		{"exchange, RS256", 2, 1, func() string { return w.code("web") },
			func(code string) { w.must(w.token(w.exchange("web", code)), 200) }},
		{"exchange, opaque access token", 5, 4, func() string { return w.code("opaque") },
			func(code string) { w.must(w.token(w.exchange("opaque", code)), 200) }},
		{"refresh", 2, 1, func() string { return w.tokens("es")["refresh_token"].(string) },
			func(token string) { w.must(w.token(w.refreshing("es", token)), 200) }},
		{"introspection, JWT", 1, 0, func() string { return w.tokens("es")["access_token"].(string) },
			func(token string) { w.must(w.introspect("es", token), 200) }},
		{"introspection, opaque", 2, 0, func() string { return w.tokens("opaque")["access_token"].(string) },
			func(token string) { w.must(w.introspect("opaque", token), 200) }},
		{"userinfo", 1, 0, func() string { return w.tokens("es")["access_token"].(string) },
			func(token string) { w.must(w.userinfo(token), 200) }},
	}
}

type operation struct {
	name        string
	all, writes int // round trips at most; transactions count twice more
	prepare     func() string
	do          func(string)
}

func nothing() string { return "" }

func TestRoundTrips(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		w := newCounted(t, db)
		for _, op := range w.operations() {
			for range 2 { // statements are prepared, and what is remembered is there
				op.do(op.prepare())
			}
			subject := op.prepare()
			w.trips.Reset()
			op.do(subject)
			if got := w.trips.All(); len(got) > op.all || len(w.trips.Writes()) > op.writes {
				t.Errorf("%s: %d round trips, %d that write:", op.name, len(got), len(w.trips.Writes()))
				for _, trip := range got {
					t.Error("\t", trip)
				}
			}
		}
	}, "oauth")
}

// TestClientsThatHearOfLogoutsAreReadOnce: not for each session that ended, nor each client for itself.
func TestClientsThatHearOfLogoutsAreReadOnce(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		w := newCounted(t, db)
		cfg := w.telling(&parties{got: map[string][]*http.Request{}, forms: map[string][]url.Values{}}, 0)
		cfg.Audit, cfg.Alive = nil, nil
		w.server, w.mux = w.start(cfg)
		w.client(&oauth.Client{ID: "front-1", FrontchannelLogoutURI: "https://app.example/1"})
		w.client(&oauth.Client{ID: "front-2", FrontchannelLogoutURI: "https://app.example/2"})
		for _, sid := range []string{"sid-1", "sid-2", "sid-3"} {
			w.in(sid, "hears", "front-1", "front-2")
		}
		w.trips.Reset()
		if frames, err := w.server.LogoutFrames(t.Context(), "sid-1"); err != nil || len(frames) != 2 || w.clientsRead() != 1 {
			t.Errorf("%q %v: %q", frames, err, w.trips.All())
		}
		for _, sid := range []string{"sid-1", "sid-2", "sid-3"} {
			w.end(sid)
		}
		w.trips.Reset()
		if w.notify(time.Minute); w.rows() != 0 || w.clientsRead() != 3 { // there are three clients
			t.Errorf("%d rows: %q", w.rows(), w.trips.All())
		}
	}, "oauth")
}

// TestSeveralStatementsAreOneTransaction: what saves round trips where there is one statement must not tear several apart.
func TestSeveralStatementsAreOneTransaction(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		w := newCounted(t, db)
		for name, do := range map[string]func(){
			"a request that was suspended": func() {
				w.host.auth = nil
				_, id, _ := cutQuery(w.authorize(request("es")))
				w.host.auth = signedIn(w.clock.Now())
				w.trips.Reset()
				w.must(w.get("/oauth2/authorize?resume="+id), 303)
			},
			"a client that hears of logouts": func() {
				w.trips.Reset()
				w.must(w.authorize(request("hears")), 303)
			},
			"an opaque access token": func() {
				code := w.code("opaque")
				w.trips.Reset()
				w.must(w.token(w.exchange("opaque", code)), 200)
			},
			"a request that was pushed": func() {
				a := w.must(w.post("/oauth2/par", request("es"), "Authorization", basic("es", w.secrets["es"])), 201)
				w.trips.Reset()
				w.must(w.authorize(url.Values{"client_id": {"es"}, "request_uri": {a.json["request_uri"].(string)}}), 303)
			},
		} {
			do()
			inside, writes := false, 0
			for _, trip := range w.trips.Writes() {
				switch {
				case trip == "BEGIN" || trip == "COMMIT":
					inside = trip == "BEGIN"
				case len(trip) > 7 && trip[:7] == "PREPARE":
				case strings.HasPrefix(trip, "WITH part"): // which is all of them
					writes += strings.Count(trip, "INSERT INTO") + strings.Count(trip, "DELETE FROM") +
						strings.Count(trip, "UPDATE oauth_grants")
				case !inside:
					t.Errorf("%s: alone: %s", name, trip)
				default:
					writes++
				}
			}
			if writes != 2 {
				t.Errorf("%s: %q", name, w.trips.All())
			}
		}
	}, "oauth")
}

// cutQuery returns the path and the only parameter's value of the address that a redirects to.
func cutQuery(a answer) (path, value string, ok bool) {
	u := a.location()
	for _, values := range u.Query() {
		return u.Path, values[0], a.status == http.StatusSeeOther
	}
	return u.Path, "", false
}
