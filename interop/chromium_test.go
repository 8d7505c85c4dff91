package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// spa serves the page of a relying party in the browser, over https: one that is not would count as a program on the
// person's machine.
func spa(t testing.TB, known environment) string {
	t.Helper()
	library := filepath.Join("node_modules", "oidc-client-ts", "dist", "browser", "oidc-client-ts.min.js")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/environment":
			_ = json.NewEncoder(w).Encode(map[string]string{"ISSUER": known.issuer, "CLIENT_ID": known.id, "SCOPE": known.scope})
		case "/oidc-client-ts.js":
			http.ServeFile(w, r, library)
		default:
			http.ServeFile(w, r, filepath.Join("oidc-client-ts", "page.html"))
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// chromium runs Chromium until the test ends. Each browser that the result makes shares no cookies with the others.
func chromium(t testing.TB) func(testing.TB) browser {
	t.Helper()
	programs := []string{"chromium", "chromium-browser", "google-chrome"}
	i := slices.IndexFunc(programs, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if i < 0 {
		t.Fatal("chromium not found: run `make deps`")
	}
	folder, err := os.MkdirTemp("", "interop-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) }) // its children may still write there, so it cannot be the test's own
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(programs[i]), chromedp.UserDataDir(folder), chromedp.WSURLReadTimeout(2 * startWait),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-component-update",
		"disable-sync", "disable-dev-shm-usage", "ignore-certificate-errors",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return func(t testing.TB) browser {
		t.Helper()
		return newTab(t, ctx)
	}
}

// tab is a browser with scripts.
type tab struct {
	t   testing.TB
	ctx context.Context
}

func newTab(t testing.TB, browser context.Context) *tab {
	t.Helper()
	var id target.ID
	err := chromedp.Run(browser, chromedp.ActionFunc(func(ctx context.Context) error {
		ctx = cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)
		cookies, err := target.CreateBrowserContext().Do(ctx)
		if err == nil {
			id, err = target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true).Do(ctx)
		}
		return err
	}))
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	ctx, stop := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	t.Cleanup(stop)
	if err := chromedp.Run(ctx); err != nil { // without a deadline, which would be the window's
		t.Fatalf("chromium: %v", err)
	}
	return &tab{t, ctx}
}

func (b *tab) ask(expression string, result any) error {
	ctx, stop := context.WithTimeout(b.ctx, startWait)
	defer stop()
	return chromedp.Run(ctx, chromedp.Evaluate(expression, result))
}

// leave does what leads to another page and waits for one that stays: a page of the provider, or one where the relying
// party has answered.
func (b *tab) leave(expression string) {
	b.t.Helper()
	if err := b.ask("window.left = true; "+expression, nil); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
	const stays = `document.readyState === "complete" && !window.left &&
		(location.hostname !== "localhost" || document.querySelector("#answer").textContent !== "")`
	for deadline := time.Now().Add(startWait); ; time.Sleep(20 * time.Millisecond) {
		var done bool
		// In the middle of a navigation there is nothing to ask.
		if err := b.ask(stays, &done); err == nil && done {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("this page does not go on: %s", b)
		}
	}
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.leave(fmt.Sprintf("location.href = %q", address))
}

func (b *tab) has(selector string) (found bool) {
	b.t.Helper()
	if err := b.ask(fmt.Sprintf("document.querySelector(%q) !== null", selector), &found); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
	return found
}

func (b *tab) press(button string, fields ...string) {
	b.t.Helper()
	var script strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&script, "document.querySelector('[name=%s]').value = %q; ", fields[i], fields[i+1])
	}
	fmt.Fprintf(&script, "document.getElementById(%q).click()", button)
	b.leave(script.String())
}

func (b *tab) answer() (a answer, ok bool) {
	b.t.Helper()
	var text string
	if err := b.ask(`document.querySelector("#answer")?.textContent ?? ""`, &text); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
	if text == "" {
		return a, false
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		b.t.Fatalf("%v: %s", err, text)
	}
	return a, true
}

// forget has nothing to do: this relying party sets no cookies, and each of its sign-ins begins anew.
func (b *tab) forget() {}

func (b *tab) String() string {
	var address, text string
	err := errors.Join(b.ask("location.href", &address), b.ask("document.body?.innerText ?? ''", &text))
	return fmt.Sprintf("%s:\n%s (%v)", address, text, err)
}
