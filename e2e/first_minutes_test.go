package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/focushq"
)

// served is a running `idp serve`.
type served struct {
	Provider string // its origin
	SetupURL string // the link that it printed
	folder   string
}

// serveStart runs the server in folder, on port, until the test ends. Where there is no administrator yet, it prints a link.
func serveStart(t *testing.T, folder string, port int) *served {
	t.Helper()
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(folder, "data"))
	empty := err != nil
	s := &served{Provider: "http://localhost:" + strconv.Itoa(port), folder: folder}
	cmd := exec.Command(binary, "serve")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "IDP_LISTEN=localhost:"+strconv.Itoa(port), "IDP_PUBLIC_URL="+s.Provider)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demoStop(t, cmd, &complaints) })
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "listening on ") {
	}
	if empty {
		for s.SetupURL == "" && lines.Scan() {
			s.SetupURL = regexp.MustCompile(`http://\S+/setup\?\S+`).FindString(lines.Text())
		}
	}
	go io.Copy(io.Discard, out)
	return s
}

// relyOn runs Focus HQ on a port, as a client of the provider with what its console has shown.
func relyOn(t *testing.T, provider string, port int, id, secret string) string {
	t.Helper()
	app := "http://localhost:" + strconv.Itoa(port)
	hq, err := focushq.New(focushq.Config{Issuer: provider, ClientID: id, ClientSecret: secret, PublicURL: app})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("localhost", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: hq.Handler(), ReadHeaderTimeout: 10 * time.Second}
	t.Cleanup(func() { server.Close() })
	go server.Serve(listener)
	return app
}

// hand counts the clicks of somebody who has never seen any of it.
type hand struct {
	*chromeTab
	clicks int
}

func (h *hand) press(selector string) {
	h.t.Helper()
	h.clicks++
	h.click(selector)
}

func (h *hand) goOn(selector string) {
	h.t.Helper()
	h.clicks++
	h.follow(selector)
}

// TestFirstTenMinutes goes from an empty folder to an app of one's own that somebody has signed in to, in a browser and
// without editing a file. make test prints what it took.
func TestFirstTenMinutes(t *testing.T) {
	began := time.Now()
	ports := demoPorts(t, 2)
	s := serveStart(t, t.TempDir(), ports[0])
	h := &hand{chromeTab: chromeStart(t).window()}
	app := "http://localhost:" + strconv.Itoa(ports[1])

	h.open(s.SetupURL)
	h.fill("#username", "root", "#name", "Robin Root", "#password", "plum lantern river 42")
	h.goOn("#setup-submit")
	firstFactor(t, h)

	h.at(s.Provider + "/admin/first") // no code is asked for again
	h.fill("#name", "Focus HQ", "#redirect_uri", app+"/callback")
	h.goOn("#first-create")
	h.says("h1", "Focus HQ")
	id, secret := h.text("#client-id"), h.text("#client-secret")
	if id == "" || len(secret) < 32 {
		t.Fatalf("id %q and a secret of %d letters", id, len(secret))
	}
	h.press("#client-secret ~ [data-copy]") // it can be copied

	relyOn(t, s.Provider, ports[1], id, secret)
	h.goOn("#first-try")
	h.says("#signins", "Nobody has signed in")
	h.open(app)
	h.goOn("#sign-in")
	if h.has("#consent-allow") {
		h.goOn("#consent-allow")
	}
	h.at(app + "/")
	h.open(app + "/tokens")
	names, values := h.texts("#id-token tbody th"), h.texts("#id-token tbody td.value")
	claims := map[string]string{}
	for i := range names {
		claims[names[i]] = values[i]
	}
	if claims["amr"] != `["pwd","otp","mfa"]` || claims["acr"] != "aal2" {
		h.fatal(fmt.Errorf("the ID token has %q", claims))
	}
	h.open(s.Provider + "/admin/first/" + id)
	h.says("#signins", "root")
	h.says("#signins", "aal2")

	took := time.Since(began)
	fmt.Printf("first ten minutes: %d clicks, %.1f s\n", h.clicks, took.Seconds())
	if h.clicks > 20 || took > 3*time.Minute {
		t.Errorf("%d clicks and %s are too many", h.clicks, took)
	}
	h.onlyTalksTo(s.Provider, app)
}

// firstFactor enrols an app, as every administrator has to.
func firstFactor(t *testing.T, h *hand) *demoPhone {
	t.Helper()
	h.goOn("#enrol-start")
	h.press("#qr summary")
	phone := &demoPhone{key: strings.ReplaceAll(h.text("#totp-key"), " ", "")}
	h.goOn("#scan-next")
	current, next := phone.pair(t)
	h.fill("#code1", current, "#code2", next)
	h.goOn("#codes-next")
	h.press("#codes summary")
	h.press("#codes-copy")
	h.goOn("#enrol-confirm")
	h.goOn("#done-next")
	return phone
}
