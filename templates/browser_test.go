package templates

import (
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// go test ./templates -run Screens -screens DIR writes a picture of every page, narrow and wide, light and dark;
// -run Accessibility -axe FILE lets axe-core's axe.min.js judge them all.
var (
	screens = flag.String("screens", "", "write pictures of all pages into this directory")
	axe     = flag.String("axe", "", "check all pages with this copy of axe.min.js")
)

// browse starts a browser and a server with a page per sample, at /?page=NAME.
func browse(t *testing.T) (ctx context.Context, url string) {
	t.Helper()
	s := newSet(t, Options{Product: "Focus HQ ID", Help: "the help desk"})
	all := samples(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/static/") {
			s.Static().ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/mfa/passkey-") { // stands for the script of package mfahttp
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, `document.querySelectorAll("[data-passkey] button").forEach((b) => { b.hidden = false; });`)
			return
		}
		for _, sample := range all {
			if sample.name == r.FormValue("page") {
				s.Render(w, r, http.StatusOK, sample.page, sample.data)
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatalf("chromium is needed to look at pages: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox,
		chromedp.Flag("force-color-profile", "srgb"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	return ctx, server.URL + "/?page="
}

func look(scheme string, width int64) chromedp.Action {
	return chromedp.Tasks{
		chromedp.EmulateViewport(width, 800),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}),
	}
}

func TestQRCodeIsReadOffTheScreen(t *testing.T) {
	ctx, url := browse(t)
	for _, scheme := range []string{"light", "dark"} {
		var shot []byte
		err := chromedp.Run(ctx, look(scheme, 360), chromedp.Navigate(url+"scan"), chromedp.Click("#qr summary"),
			chromedp.WaitVisible("#qr-image"), chromedp.FullScreenshot(&shot, 100))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "scan.png")
		if err := os.WriteFile(file, shot, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(ctx, "zbarimg", "--nodbus", "-q", "--raw", file).Output()
		if err != nil {
			t.Fatalf("%s: zbarimg: %v", scheme, err)
		}
		if got := strings.TrimSpace(string(out)); got != sampleURI {
			t.Errorf("%s: the picture says %q", scheme, got)
		}
	}
}

func TestScript(t *testing.T) {
	ctx, url := browse(t)
	var focused, kind, said, countdown string
	var off, asked, on, sideways bool
	var saved []string
	err := chromedp.Run(ctx, look("light", 320),
		chromedp.Navigate(url+"login wrong"),
		chromedp.Evaluate(`document.activeElement.id`, &focused),
		chromedp.Click(".reveal button"), chromedp.Evaluate(`document.querySelector("#password").type`, &kind),
		chromedp.Navigate(url+"codes"),
		chromedp.Text("[data-countdown]", &countdown),
		chromedp.Navigate(url+"sheet"),
		chromedp.Evaluate(`document.querySelector("#enrol-confirm").disabled`, &off),
		chromedp.Evaluate(`!document.querySelector("#enrol-confirm").form.checkValidity()`, &asked),
		chromedp.Click("#codes summary"), chromedp.Click("#codes-copy"), chromedp.WaitEnabled("#enrol-confirm"),
		chromedp.Sleep(100*time.Millisecond), chromedp.Text("#said", &said),
		chromedp.Evaluate(`!document.querySelector("#enrol-confirm").disabled && document.querySelector("#enrol-confirm").form.checkValidity()`, &on),
		chromedp.Evaluate(`new FormData(document.querySelector("#enrol-confirm").form).getAll("saved")`, &saved),
		chromedp.Evaluate(`document.documentElement.scrollWidth > 320`, &sideways),
	)
	if err != nil {
		t.Fatal(err)
	}
	if focused != "problem" {
		t.Errorf("focus is on %q, not on the summary", focused)
	}
	if kind != "text" {
		t.Errorf("Show leaves the password a %q", kind)
	}
	if !strings.HasPrefix(countdown, "Next code in 1") {
		t.Errorf("countdown says %q", countdown)
	}
	if !off || !asked || !on || len(saved) != 1 || saved[0] != "1" {
		t.Errorf("Confirm off at first %v, on after Copy %v, saved %q", off, on, saved)
	}
	if !strings.HasPrefix(said, "Copied") {
		t.Errorf("after Copy the page says %q", said)
	}
	if sideways {
		t.Error("at 320 pixels the page scrolls sideways")
	}
}

// Passkeys are offered only where the browser has them; else a page that is about nothing else names the other ways.
func TestPasskeysShowWhereTheyWork(t *testing.T) {
	ctx, url := browse(t)
	const seen = `[...document.querySelectorAll("main :is(button, a, summary, input, .problem)")]
		.filter((e) => e.id !== "problem" && e.checkVisibility()).map((e) => e.id || e.textContent.trim()).join("; ")`
	const wrong, noScript = "This browser cannot use passkeys here. ", "Passkeys need JavaScript, which is off in this browser. "
	const others = "Use a code from your app, or a recovery code.; use-code; use-recovery-code; Cancel and go back to Focus HQ"
	const app = "You can use an authenticator app instead.; back"
	look := look("light", 800)
	ask := func(mode, page, want string, prepare chromedp.Action) {
		t.Helper()
		var got string
		err := chromedp.Run(ctx, look, prepare, chromedp.Navigate(url+page), chromedp.Evaluate(seen, &got))
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s, %s: there is %q, want %q %v", page, mode, got, want, err)
		}
	}
	able, unable := chromedp.Tasks{}, chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdpage.AddScriptToEvaluateOnNewDocument(`delete window.PublicKeyCredential`).Do(ctx)
		return err
	})
	ask("able", "login passkey", "login-submit; passkey-submit; forgot", able)
	ask("able", "mfa ways", "mfa-submit; use-pair; use-passkey; use-recovery-code", able)
	ask("able", "key", "remember; passkey-submit; use-code; use-recovery-code", able)
	ask("able", "add key", "name; passkey-add; back", able)
	ask("able", "settings passkey only", "enrol-start; Rename Passkey; Remove Passkey; add-passkey; new-codes", able)
	ask("able", "settings off, passkeys", "enrol-start; use-passkey; Back", able)
	for _, how := range []struct {
		mode, why string
		prepare   chromedp.Action
	}{{"unable", wrong, unable}, {"no script", noScript, emulation.SetScriptExecutionDisabled(true)}} {
		ask(how.mode, "login passkey", "login-submit; forgot", how.prepare)
		ask(how.mode, "mfa ways", "mfa-submit; use-pair; use-recovery-code", how.prepare)
		ask(how.mode, "key", how.why+others, how.prepare)
		ask(how.mode, "add key", how.why+app, how.prepare)
		ask(how.mode, "settings passkey only", "enrol-start; Rename Passkey; Remove Passkey; new-codes", how.prepare)
		ask(how.mode, "settings off, passkeys", "enrol-start; Back", how.prepare)
	}
}

// A heading that is broken inside a word with a hyphen reads like two words.
func TestHeadingsBreakBetweenWords(t *testing.T) {
	ctx, url := browse(t)
	for _, width := range []int64{320, 360, 390, 1280} {
		for _, page := range []string{"start", "start forced", "settings", "settings off"} {
			var torn []string
			err := chromedp.Run(ctx, look("light", width), chromedp.Navigate(url+page), chromedp.Evaluate(`(() => {
				const text = document.querySelector("h1").firstChild, range = document.createRange();
				return [...text.data.matchAll(/\S+/g)].filter(word => {
					range.setStart(text, word.index);
					range.setEnd(text, word.index + word[0].length);
					return range.getClientRects().length > 1;
				}).map(word => word[0]);
			})()`, &torn))
			if err != nil || len(torn) > 0 {
				t.Errorf("%s at %d pixels: %q %v", page, width, torn, err)
			}
		}
	}
}

func TestScreens(t *testing.T) {
	if *screens == "" {
		return
	}
	ctx, url := browse(t)
	for _, sample := range samples(t) {
		for _, scheme := range []string{"light", "dark"} {
			for size, width := range map[string]int64{"narrow": 360, "wide": 1280} {
				var shot []byte
				err := chromedp.Run(ctx, look(scheme, width), chromedp.Navigate(url+sample.name),
					chromedp.Evaluate(`document.querySelectorAll("details.secret").forEach(d => d.open = true)`, nil),
					chromedp.FullScreenshot(&shot, 100))
				if err != nil {
					t.Fatal(err)
				}
				name := strings.Join([]string{strings.ReplaceAll(sample.name, " ", "-"), size, scheme}, ".") + ".png"
				if err := os.WriteFile(filepath.Join(*screens, name), shot, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestAccessibility(t *testing.T) {
	if *axe == "" {
		return
	}
	library, err := os.ReadFile(*axe)
	if err != nil {
		t.Fatal(err)
	}
	const run = `axe.run(document).then(r => r.passes.length < 10 ? ["hardly anything was checked"] : r.violations.map(v =>
		v.id + ": " + v.help + " " + v.nodes.map(n => n.target + " " + n.any.map(a => a.message)).join(" | ")))`
	ctx, url := browse(t)
	for _, sample := range samples(t) {
		for _, scheme := range []string{"light", "dark"} {
			var found []string
			err := chromedp.Run(ctx, look(scheme, 360), chromedp.Navigate(url+sample.name),
				chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil),
				chromedp.Evaluate(string(library), nil),
				chromedp.Evaluate(run, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
					return p.WithAwaitPromise(true)
				}))
			if err != nil {
				t.Fatal(err)
			}
			for _, violation := range found {
				t.Errorf("%s, %s: %s", sample.name, scheme, violation)
			}
		}
	}
}
