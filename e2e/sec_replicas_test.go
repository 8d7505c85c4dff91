package e2e

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// secReplicas are two processes of the binary on one PostgreSQL and one keyset, behind one public URL at which requests
// alternate between them, and a provider in this process, on the same database, for what tests prepare.
type secReplicas struct {
	*secSite
	each [2]string // where each answers for itself
	turn atomic.Int64
}

func secReplicate(t *testing.T) *secReplicas {
	t.Helper()
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	r := &secReplicas{}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			target, _ := url.Parse(r.each[r.turn.Add(1)%2])
			p.SetURL(target)
			p.Out.Host = p.In.Host
		},
	})
	t.Cleanup(front.Close)
	folder := t.TempDir()
	database, keyset := dbxtest.PostgresURL(t), filepath.Join(folder, "keyset.json")
	r.secSite = &secSite{t: t, Server: idptest.Start(t, func(c *idp.Config) {
		c.DatabaseURL, c.KeysetFile, c.PublicURL = database, keyset, front.URL
		c.HashMemory = 0 // as the binary's: they read each other's recovery codes
	})}
	r.Issuer = front.URL
	for i := range r.each {
		r.each[i] = secServe(t, binary, folder, "IDP_PUBLIC_URL="+front.URL, "IDP_DATABASE_URL="+database, "IDP_KEYSET_FILE="+keyset)
	}
	r.app = r.client("app")
	r.app.Endpoint = oauth2.Endpoint{AuthURL: front.URL + "/oauth2/authorize", TokenURL: front.URL + "/oauth2/token"}
	if r.oidc, err = oidc.NewProvider(t.Context(), front.URL); err != nil {
		t.Fatal(err)
	}
	return r
}

// secServe runs `idp serve` until the test ends and returns where it listens.
func secServe(t *testing.T, binary, folder string, settings ...string) string {
	t.Helper()
	// All that a test guesses comes from one address, and its races are about people's own counts.
	limits := "limits: {code_address: {waits: [{from: 10000, for: 1s}]}}\n"
	if err := os.WriteFile(filepath.Join(folder, "idp.yaml"), []byte(limits), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config", "idp.yaml", "serve")
	cmd.Dir = folder
	cmd.Env = append(settings, "IDP_LISTEN=127.0.0.1:0", "PATH="+os.Getenv("PATH"))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("idp serve: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(line, "listening on ")
	if err != nil || !ok {
		t.Fatalf("idp serve says %q, %v", line, err)
	}
	go io.Copy(io.Discard, out)
	address, _, _ = strings.Cut(address, ",")
	return "http://" + address
}

// race sends what try makes, sixteen at once, half of them to each replica, and fails unless exactly one has won and
// none met an error of ours.
func (r *secReplicas) race(what string, try func(i int, replica string) (won bool, status int, err error)) {
	r.t.Helper()
	var winners, failures atomic.Int64
	secAtOnce(16, func(i int) {
		won, status, err := try(i, r.each[i%2])
		if err != nil || status >= 500 {
			failures.Add(1)
			r.t.Errorf("%s: %d, %v", what, status, err)
		}
		if won {
			winners.Add(1)
		}
	})
	if winners.Load() != 1 {
		r.t.Errorf("%s: %d winners", what, winners.Load())
	}
}

func TestSec_MF05_RC05_OA07_TwoProcesses(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	for trial := range 12 {
		p := r.enrolled("otp" + strconv.Itoa(trial))
		code, tabs := p.phone.Code(1), r.tabs(p)
		r.race("an app's code", func(i int, replica string) (bool, int, error) {
			status, location, err := tabs[i].post(replica, "/mfa?to=%2Faccount", url.Values{"code": {code}})
			return location == "/account", status, err
		})
		if n := r.count(`SELECT COUNT(*) FROM sessions WHERE subject = $1 AND factor_at > 0`, p.Subject); n != 1 {
			t.Errorf("%d sessions have the factor", n)
		}
	}
	for trial := range 4 {
		p := r.enrolled("rec" + strconv.Itoa(trial))
		tabs := r.tabs(p)
		r.race("a recovery code", func(i int, replica string) (bool, int, error) {
			status, location, err := tabs[i].insist(replica, "/mfa?to=%2Faccount", url.Values{"recovery_code": {p.codes[trial]}})
			return secThrough(location), status, err
		})
		if status, err := r.MFA.Status(t.Context(), p.Subject); err != nil || status.CodesLeft != 9 {
			t.Errorf("%+v, %v", status, err)
		}
	}
	p := r.person("code")
	b := r.Browser()
	secGranted(t, p.signIn(b, r.app))
	for range 15 {
		code := secGranted(t, r.begin(b, r.app))
		r.race("an authorization code", func(_ int, replica string) (bool, int, error) {
			form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {secCallback}, "code_verifier": {secVerifier}}
			request, err := http.NewRequest(http.MethodPost, replica+"/oauth2/token", strings.NewReader(form.Encode()))
			if err != nil {
				return false, 0, err
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.SetBasicAuth(url.QueryEscape("app"), url.QueryEscape(r.app.ClientSecret))
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				return false, 0, err
			}
			defer response.Body.Close()
			_, _ = io.Copy(io.Discard, response.Body)
			return response.StatusCode == http.StatusOK, response.StatusCode, nil
		})
	}
}

func (r *secReplicas) tabs(p *secPerson) (tabs [16]secTab) {
	for i := range tabs {
		tabs[i] = r.tab(p)
	}
	return tabs
}

func TestSec_TK07_RequestsAlternate(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	asks := rpAsking(r.secSite, "asks")
	asks.Endpoint = r.app.Endpoint
	p, b := r.enrolled("alice"), r.Browser()
	hops := map[string]bool{}
	b.Trace = func(*http.Request, *http.Response) { hops[strconv.FormatInt(r.turn.Load()%2, 10)] = true }
	page := secAt(t, secPassword(r.begin(b, asks), "alice"), "/mfa")
	code := p.phone.Code(1)
	page = secAt(t, page.Submit("mfa-submit", "code", code, "remember", "1"), "/consent")
	tokens := r.exchange(asks, page.Submit("consent-allow"))
	if rpList(tokens.id["amr"]) != "pwd otp mfa" || len(hops) != 2 {
		t.Errorf("%v over %d replicas", tokens.id, len(hops))
	}
	for range 3 {
		tokens = r.mustRefresh(asks, tokens)
	}
	// What one replica has seen, the other knows: the code is used up, the device remembered.
	for _, replica := range r.each {
		if status, _, err := r.tab(p).post(replica, "/mfa?to=%2Faccount", url.Values{"code": {code}}); err != nil || status != http.StatusUnprocessableEntity {
			t.Errorf("a used code: %d, %v", status, err)
		}
	}
	for range 2 {
		secGranted(t, p.onDevice(b))
	}
	// Wrong passwords are counted together.
	wrong := r.person("wrong")
	looked := 0
	login := secAt(t, r.begin(r.Browser(), r.app), "/login")
	for range 14 {
		if login = login.Submit("login-submit", "username", "wrong", "password", "nonsense"); login.Status != http.StatusTooManyRequests {
			looked++
		}
	}
	if looked != 10 {
		t.Errorf("%d wrong passwords were looked at on both", looked)
	}
	if page := secPassword(login, wrong.Username); page.Status != http.StatusTooManyRequests {
		t.Errorf("the right one during the wait: %d", page.Status)
	}
	// Signed out on one, nobody on the other; disabled, too.
	old := secCopy(r.secSite, b)
	secAt(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	for range 2 {
		secAt(t, old.Get("/account"), "/login")
	}
	if err := r.Actions().Disable(t.Context(), p.Subject); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r.userInfo(tokens) != nil {
			t.Error("userinfo answers for somebody disabled")
		}
		_, err := r.refresh(asks, tokens)
		secInvalidGrant(t, err)
	}
}
