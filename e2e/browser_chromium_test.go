package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// chrome is a running Chromium. Each of its windows is a fresh browser to the sites: it shares no cookies.
type chrome struct {
	t   *testing.T
	ctx context.Context
}

// chromeStart returns a headless Chromium. It is the same for all tests, which take turns: only one window has the focus.
func chromeStart(t *testing.T) *chrome {
	t.Helper()
	ctx, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	return &chrome{t, ctx}
}

// chromeStop ends Chromium when a test has started it; TestMain calls it.
var chromeStop = func() {}

// chromium starts Chromium once.
var chromium = sync.OnceValues(func() (context.Context, error) {
	programs := []string{"chromium", "chromium-browser", "google-chrome"}
	at := slices.IndexFunc(programs, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if at < 0 {
		return nil, errors.New("chromium not found: run `make deps`")
	}
	folder, err := os.MkdirTemp(demoFolder, "chromium-")
	if err != nil {
		return nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(programs[at]), chromedp.UserDataDir(folder), chromedp.WSURLReadTimeout(2 * chromeWait),
		chromedp.UserAgent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-dev-shm-usage", true), // small in containers
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	chromeStop = func() { stop(); end() }
	if err := chromedp.Run(ctx); err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	return ctx, nil
})

// browse speaks to the browser itself, not to a window.
func (c *chrome) browse(say func(context.Context) error) {
	c.t.Helper()
	err := chromedp.Run(c.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		return say(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
	}))
	if err != nil {
		c.t.Fatalf("chromium: %v", err)
	}
}
