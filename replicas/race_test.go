package replicas

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// width is how many race for one thing, spread evenly over the processes.
const width = 40

// atOnce runs n of try at the same moment.
func atOnce(n int, try func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			try(i)
		})
	}
	close(begin)
	all.Wait()
}

// race sends what try makes, width of them at the same moment, and fails unless exactly one has won and none met an error
// of ours. It returns what the winner was told.
func (f *fleet) race(what string, try func(i int, replica string) (won bool, a answer, err error)) (winner answer) {
	f.t.Helper()
	var mu sync.Mutex
	winners := 0
	atOnce(width, func(i int) {
		won, a, err := try(i, f.at(i))
		mu.Lock()
		defer mu.Unlock()
		if err != nil || a.status >= 500 {
			f.t.Errorf("%s: %d, %v", what, a.status, err)
		}
		if won {
			winners, winner = winners+1, a
		}
	})
	if winners != 1 {
		f.t.Errorf("%s: %d winners", what, winners)
	}
	return winner
}

// once is something that may happen once. It prepares, races, and looks at what is left; trial numbers the preparations.
type once struct {
	name string
	try  func(f *fleet, trial int)
}

var onces = []once{
	{"an app's code", raceCode},
	{"a recovery code", raceRecovery},
	{"an authorization code", raceAuthorization},
	{"a refresh token", raceRefresh},
	{"a device code", raceDevice},
	{"a request_uri", racePushed},
	{"a link to a password", raceLink},
	{"a client assertion", raceAssertion},
	{"the last administrator", raceAdministrators},
}

// Two processes, or three, and many requests at the same moment for one thing that is good once, the first time on tables
// that hold nothing of the kind.
func TestFault_R01_OneOfManyWins(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]plan{"two": {hash: true}, "three": {processes: 3, hash: true}, "sqlite": {sqlite: true, hash: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.settings = generous
			f := start(t, p)
			for _, o := range onces {
				for trial := range times(1, 60) {
					o.try(f, trial)
				}
			}
		})
	}
}

// generous lets one address be wrong more often than people may be: all that these tests do comes from one.
const generous = "limits: {code_address: {waits: [{from: 10000, for: 1s}]}, address: {waits: [{from: 10000, for: 1s}]}}\n"

func raceCode(f *fleet, trial int) {
	p := f.enrolled(fmt.Sprint("otp", trial))
	for step := range 2 { // the present one, and the next one, which is as good already
		code, tabs := p.phone.Code(step), f.tabs(width, p.Subject)
		f.race("an app's code", func(i int, replica string) (bool, answer, error) {
			a, err := tabs[i].post(replica, "/mfa?to=%2Faccount", url.Values{"code": {code}})
			return a.location == "/account", a, err
		})
		if n := f.count(`SELECT COUNT(*) FROM sessions WHERE subject = $1 AND factor_at > 0`, p.Subject); n != step+1 {
			f.t.Errorf("%d sessions have the factor of %d codes", n, step+1)
		}
		f.exec(`DELETE FROM mfa_attempts`) // a minute passes: whoever was second has been wrong
	}
}

func raceRecovery(f *fleet, trial int) {
	p := f.enrolled(fmt.Sprint("recovery", trial))
	tabs := f.tabs(width, p.Subject)
	f.race("a recovery code", func(i int, replica string) (bool, answer, error) {
		a, err := tabs[i].post(replica, "/mfa?to=%2Faccount", url.Values{"recovery_code": {p.codes[3]}})
		return strings.HasPrefix(a.location, "/account"), a, err
	})
	if status, err := f.MFA.Status(f.t.Context(), p.Subject); err != nil || status.CodesLeft != 9 {
		f.t.Errorf("%+v, %v", status, err)
	}
}

func raceAuthorization(f *fleet, trial int) {
	p := f.AddUser(fmt.Sprint("code", trial))
	code := f.tab(p.Subject).codeIn(f.at(trial), f.app)
	f.race("an authorization code", func(_ int, replica string) (bool, answer, error) {
		a, err := f.redeem(replica, f.app, code)
		return a.status == http.StatusOK, a, err
	})
	// Whoever comes second is a thief, or the first one was: what was issued is gone, for the winner too (RFC 6749 section 4.1.2).
	if n := f.count(`SELECT COUNT(*) FROM oauth_grants WHERE subject = $1 AND revoked_at IS NULL`, p.Subject); n != 0 {
		f.t.Errorf("%d grants live on after a code came %d times", n, width)
	}
}

func (f *fleet) redeem(replica string, c *idptest.Client, code string) (answer, error) {
	return f.call(replica, "/oauth2/token", c, "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier)
}

// All who refresh by one token within a minute are one app that did not hear the answer: they get the same successor, and
// there is one lineage.
func raceRefresh(f *fleet, trial int) {
	p := f.AddUser(fmt.Sprint("refresh", trial))
	first, err := f.redeem(f.at(0), f.app, f.tab(p.Subject).codeIn(f.at(1), f.app))
	if err != nil || first.json("refresh_token") == "" {
		f.t.Fatal(string(first.body), err)
	}
	refresh := func(replica, token string) answer {
		a, err := f.call(replica, "/oauth2/token", f.app, "grant_type", "refresh_token", "refresh_token", token)
		if err != nil || a.status != http.StatusOK {
			f.t.Errorf("a refresh: %d %s %v", a.status, a.body, err)
		}
		return a
	}
	token := first.json("refresh_token")
	for range 2 {
		var successors sync.Map
		atOnce(width, func(i int) { successors.Store(refresh(f.at(i), token).json("refresh_token"), true) })
		var all []string
		successors.Range(func(key, _ any) bool { all = append(all, key.(string)); return true })
		if len(all) != 1 || all[0] == "" || all[0] == token {
			f.t.Fatalf("%d successors of a refresh token", len(all))
		}
		token = all[0]
	}
	refresh(f.at(trial), token)
}

func raceDevice(f *fleet, trial int) {
	p := f.AddUser(fmt.Sprint("device", trial))
	tv := f.client(fmt.Sprint("tv", trial), func(c *oauth.Client) {
		c.AuthMethod, c.GrantTypes = "none", []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}
	})
	asked := f.must(f.at(0), "/oauth2/device", tv, "scope", "openid")
	// Two clicks in two tabs at two processes are one answer.
	b := f.Browser()
	page := b.Get("/device").Submit("device-submit", "user_code", asked.json("user_code"))
	page = at(f.t, page.Submit("login-submit", "username", p.Username, "password", idptest.Password), "/consent")
	form := page.Fields("consent-allow")
	both := tab{f: f, cookies: b.Jar.Cookies(page.URL), token: form.Get("form_token")}
	f.race("a click", func(_ int, replica string) (bool, answer, error) {
		own := url.Values{}
		for name, values := range form {
			own[name] = values
		}
		a, err := both.post(replica, page.URL.RequestURI(), own)
		if err == nil && a.status == http.StatusSeeOther { // back to the dispatcher, which answers the device
			to, _ := url.Parse(a.location)
			a, err = both.get(replica, to.RequestURI())
		}
		return a.status == http.StatusSeeOther && strings.HasPrefix(a.location, "/device/connected"), a, err
	})
	f.race("a device code", func(_ int, replica string) (bool, answer, error) {
		a, err := f.call(replica, "/oauth2/token", tv, "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", asked.json("device_code"))
		return a.status == http.StatusOK, a, err
	})
}

func racePushed(f *fleet, trial int) {
	p := f.AddUser(fmt.Sprint("pushed", trial))
	u, _ := url.Parse(link(f.app))
	var pairs []string
	for name, values := range u.Query() {
		pairs = append(pairs, name, values[0])
	}
	uri := f.must(f.at(trial), "/oauth2/par", f.app, pairs...).json("request_uri")
	tabs := f.tabs(width, p.Subject)
	query := url.Values{"client_id": {f.app.ClientID}, "request_uri": {uri}}.Encode()
	f.race("a request_uri", func(i int, replica string) (bool, answer, error) {
		a, err := tabs[i].get(replica, "/oauth2/authorize?"+query)
		return strings.HasPrefix(a.location, callback+"?code="), a, err
	})
	if n := f.count(`SELECT COUNT(*) FROM oauth_grants WHERE subject = $1`, p.Subject); n != 1 {
		f.t.Errorf("%d grants by one request_uri", n)
	}
}

func raceLink(f *fleet, trial int) {
	p := f.AddUser(fmt.Sprint("link", trial), func(a *account.NewAccount) { a.Password = "" })
	to, err := f.Actions().InviteLink(f.t.Context(), p.Subject)
	if err != nil {
		f.t.Fatal(err)
	}
	f.raceForm("a link to a password", to, "password-submit", func(i int, form url.Values) {
		form.Set("password", fmt.Sprintf("%s %d", idptest.Password, i))
	})
}

// raceForm races for what a link leads to. fill makes what the i-th types.
func (f *fleet) raceForm(what, to, button string, fill func(i int, form url.Values)) answer {
	f.t.Helper()
	b := f.Browser()
	page := b.Get(to)
	form := page.Fields(button)
	all := tab{f: f, cookies: b.Jar.Cookies(page.URL), token: form.Get("form_token")}
	return f.race(what, func(i int, replica string) (bool, answer, error) {
		own := url.Values{}
		for name, values := range form {
			own[name] = values
		}
		fill(i, own)
		a, err := all.post(replica, page.URL.RequestURI(), own)
		return a.status == http.StatusSeeOther, a, err
	})
}

func raceAssertion(f *fleet, trial int) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	id := fmt.Sprint("jobs", trial)
	f.client(id, func(c *oauth.Client) {
		c.AuthMethod, c.AuthAlg, c.GrantTypes, c.Scopes = "private_key_jwt", "ES256", []string{"client_credentials"}, []string{"run"}
		c.JWKS = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, Use: "sig", Algorithm: "ES256"}}}
	})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	assertion, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": id, "sub": id, "aud": f.Issuer, "jti": "once", "exp": time.Now().Add(5 * time.Minute).Unix(),
	}).CompactSerialize()
	if err != nil {
		f.t.Fatal(err)
	}
	f.race("a client assertion", func(_ int, replica string) (bool, answer, error) {
		a, err := f.call(replica, "/oauth2/token", nil, "grant_type", "client_credentials", "client_assertion", assertion,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		return a.status == http.StatusOK, a, err
	})
}

// Four administrators are to go at the same moment, each by several requests at all processes: one stays.
func raceAdministrators(f *fleet, trial int) {
	var all []*account.Account
	for i := range 4 {
		all = append(all, f.AddUser(fmt.Sprintf("root%d-%d", trial, i), func(a *account.NewAccount) { a.Admin = true }))
	}
	by := f.Machine(fmt.Sprint("desk", trial), "idp.people.read", "idp.people.help", "idp.staff.write")
	token := by.Token("")
	var refused atomic.Int64
	atOnce(width, func(i int) {
		r, err := http.NewRequest(http.MethodPost, f.at(i)+"/api/v1/people/"+all[i/len(f.each)%len(all)].Subject+"/role", strings.NewReader(`{"role":""}`))
		if err != nil {
			f.t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		a, err := f.do(r)
		if err != nil || a.status >= 500 || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
			f.t.Errorf("an administrator: %d %s %v", a.status, a.body, err)
		}
		if a.status >= 400 {
			refused.Add(1)
		}
	})
	if n := f.count(`SELECT COUNT(*) FROM accounts WHERE admin AND NOT disabled`); n != 1 || refused.Load() == 0 {
		f.t.Errorf("%d administrators are left, %d requests were refused", n, refused.Load())
	}
	f.exec(`UPDATE accounts SET admin = FALSE, role = ''`)
}
