package e2e

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chromeWait bounds every step of a browser: a page that is not there by then will not come.
const chromeWait = 30 * time.Second

// chromeTab is a window with cookies of its own, and a record of what it asked for and complained about.
type chromeTab struct {
	t      *testing.T
	ctx    context.Context
	status int64 // of the page that is shown

	mu       sync.Mutex
	requests []string
	said     []string
}

// window opens a window 1280 pixels wide, until the test ends.
func (c *chrome) window() *chromeTab {
	c.t.Helper()
	// Headless Chromium has no window that a tab with other cookies could open in: it has to be a new one.
	var cookies cdp.BrowserContextID
	var id target.ID
	c.browse(func(ctx context.Context) (err error) {
		if cookies, err = target.CreateBrowserContext().Do(ctx); err == nil {
			id, err = target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true).Do(ctx)
		}
		return err
	})
	ctx, stop := chromedp.NewContext(c.ctx, chromedp.WithTargetID(id))
	c.t.Cleanup(func() {
		stop()
		c.browse(func(ctx context.Context) error { return target.DisposeBrowserContext(cookies).Do(ctx) })
	})
	tab := &chromeTab{t: c.t, ctx: ctx}
	chromedp.ListenTarget(ctx, tab.listen)
	if err := chromedp.Run(ctx); err != nil { // without a deadline, which would be the window's
		c.t.Fatalf("chromium: %v", err)
	}
	tab.look(1280, 900, "light")
	return tab
}

func (b *chromeTab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			b.said = append(b.said, fmt.Sprintf("console %s: %s", e.Type, arg.Value))
		}
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception: "+e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		// A mistake's page has status 4xx, which Chromium notes like a failure.
		mistake := e.Entry.Source == log.SourceNetwork && strings.Contains(e.Entry.Text, "status of 4")
		if e.Entry.Level != log.LevelInfo && !mistake {
			b.said = append(b.said, fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	}
}

// onlyTalksTo fails the test when the window asked any other origin for something, or when Chromium complained: scripts
// that threw, things that the Content-Security-Policy kept from happening.
func (b *chromeTab) onlyTalksTo(origins ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, request := range b.requests {
		u, err := url.Parse(request)
		if err != nil || u.Scheme != "data" && !slices.Contains(origins, u.Scheme+"://"+u.Host) {
			b.t.Errorf("a request went to %s", request)
		}
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen at all")
	}
	for _, said := range b.said {
		b.t.Errorf("Chromium complains: %s", said)
	}
}

// complaints returns what Chromium has complained about up to now.
func (b *chromeTab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said)
}

func (b *chromeTab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := b.try(actions...); err != nil {
		b.fatal(err)
	}
}

func (b *chromeTab) try(actions ...chromedp.Action) error {
	ctx, stop := context.WithTimeout(b.ctx, chromeWait)
	defer stop()
	return chromedp.Run(ctx, actions...)
}

// fatal ends the test with what the window shows.
func (b *chromeTab) fatal(err error) {
	b.t.Helper()
	var address, text string
	_ = b.try(chromedp.Location(&address), chromedp.Evaluate(`document.body.innerText`, &text))
	b.t.Fatalf("%v\nat %s (%d):\n%s", err, address, b.status, text)
}

// load runs actions that lead to another page and waits until that is loaded.
func (b *chromeTab) load(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, chromeWait)
	defer stop()
	response, err := chromedp.RunResponse(ctx, actions...)
	if err != nil {
		b.fatal(err)
	}
	b.status = 0
	if response != nil {
		b.status = response.Status
	}
}

// open opens an address.
func (b *chromeTab) open(address string) {
	b.t.Helper()
	b.load(chromedp.ActionFunc(func(ctx context.Context) error {
		_, _, failed, _, err := page.Navigate(address).Do(ctx)
		if err == nil && failed != "" {
			err = fmt.Errorf("%s: %s", address, failed)
		}
		return err
	}))
}

// point returns where the first element that matches can be clicked, after scrolling there. It waits while the element is
// hidden, covered or disabled. The mouse is used, not the document as chromedp knows it: that is lost when Chromium
// shows a page again that it has kept.
func (b *chromeTab) point(selector string) (x, y float64) {
	b.t.Helper()
	b.mustHave(selector)
	var at []float64
	for deadline := time.Now().Add(chromeWait); at == nil; time.Sleep(20 * time.Millisecond) {
		b.ask(fmt.Sprintf(`(e => {
			if (e === null || e.disabled) return null;
			e.scrollIntoView({block: "center", behavior: "instant"});
			const r = e.getBoundingClientRect(), at = [r.x + r.width / 2, r.y + r.height / 2];
			return e.contains(document.elementFromPoint(...at)) ? at : null;
		})(document.querySelector(%q))`, selector), &at)
		if time.Now().After(deadline) {
			b.fatal(fmt.Errorf("%s cannot be clicked", selector))
		}
	}
	return at[0], at[1]
}

// wait waits until the first element that matches can be clicked.
func (b *chromeTab) wait(selector string) {
	b.t.Helper()
	b.point(selector)
}

// follow clicks on what leads to another page: the first link or button that matches.
func (b *chromeTab) follow(selector string) {
	b.t.Helper()
	x, y := b.point(selector)
	b.load(chromedp.MouseClickXY(x, y))
}

// link follows the link, or presses the button, with this text.
func (b *chromeTab) link(text string) {
	b.t.Helper()
	var found bool
	b.ask(fmt.Sprintf(`{
		document.querySelectorAll("[data-e2e]").forEach(e => e.removeAttribute("data-e2e"));
		const named = [...document.querySelectorAll("a, button")].find(e => e.textContent.replace(/\s+/g, " ").trim() === %q);
		named?.setAttribute("data-e2e", "");
		Boolean(named)
	}`, text), &found)
	if !found {
		b.fatal(fmt.Errorf("nothing is called %q", text))
	}
	b.follow("[data-e2e]")
}

// click clicks on what leads nowhere.
func (b *chromeTab) click(selector string) {
	b.t.Helper()
	x, y := b.point(selector)
	b.run(chromedp.MouseClickXY(x, y))
}

// fill types text into inputs: pairs of selector and text. What stood there is replaced.
func (b *chromeTab) fill(pairs ...string) {
	b.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		b.click(pairs[i])
		b.ask(fmt.Sprintf("document.querySelector(%q).select()", pairs[i]), nil)
		b.run(chromedp.KeyEvent(pairs[i+1]))
	}
}

// ask evaluates an expression in the page, whether or not its own scripts may run.
func (b *chromeTab) ask(expression string, result any) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, result))
}

func (b *chromeTab) has(selector string) (found bool) {
	b.t.Helper()
	b.ask(fmt.Sprintf("document.querySelector(%q) !== null", selector), &found)
	return found
}

func (b *chromeTab) mustHave(selector string) {
	b.t.Helper()
	if !b.has(selector) {
		b.fatal(fmt.Errorf("there is no %s", selector))
	}
}

// text returns the text of the first element that matches, white space folded.
func (b *chromeTab) text(selector string) (text string) {
	b.t.Helper()
	b.mustHave(selector)
	b.ask(fmt.Sprintf("document.querySelector(%q).textContent", selector), &text)
	return strings.Join(strings.Fields(text), " ")
}

// texts returns the text of every element that matches.
func (b *chromeTab) texts(selector string) (texts []string) {
	b.t.Helper()
	b.ask(fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.textContent.trim())", selector), &texts)
	return texts
}

// says fails the test unless the first element that matches says want, somewhere.
func (b *chromeTab) says(selector, want string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, want) {
		b.fatal(fmt.Errorf("%s says %q, not %q", selector, got, want))
	}
}

// at fails the test unless the page's address begins with want.
func (b *chromeTab) at(want string) {
	b.t.Helper()
	var address string
	b.run(chromedp.Location(&address))
	if !strings.HasPrefix(address, want) {
		b.fatal(fmt.Errorf("the address is not %s", want))
	}
}

// enabled reports whether a button may be pressed.
func (b *chromeTab) enabled(selector string) (on bool) {
	b.t.Helper()
	b.mustHave(selector)
	b.ask(fmt.Sprintf("!document.querySelector(%q).disabled", selector), &on)
	return on
}

// look sets width and height of the window and the color scheme, "light" or "dark".
func (b *chromeTab) look(width, height int64, scheme string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}))
}

// picture returns a PNG of the whole page.
func (b *chromeTab) picture() (png []byte) {
	b.t.Helper()
	b.run(chromedp.FullScreenshot(&png, 100))
	return png
}

// withoutScripts keeps pages from running scripts, as some people's browsers do.
func (b *chromeTab) withoutScripts() {
	b.t.Helper()
	b.run(emulation.SetScriptExecutionDisabled(true))
}

// signIn opens Focus HQ and gives alice's password to the provider.
func (b *chromeTab) signIn(d *demo) {
	b.t.Helper()
	b.signInAs(d, "alice")
}

// signInAs is signIn of somebody else.
func (b *chromeTab) signInAs(d *demo, name string) {
	b.t.Helper()
	b.open(d.App)
	b.link("Sign in")
	b.at(d.Provider + "/login")
	b.fill("#username", name, "#password", d.passwords[name])
	b.follow("#login-submit")
}

// signOut leaves Focus HQ, and with it the provider.
func (b *chromeTab) signOut(d *demo) {
	b.t.Helper()
	b.open(d.App)
	b.link("Sign out")
	b.at(d.App + "/")
	b.says("[role=status]", "signed out")
}

// claims returns what the tokens page of Focus HQ says in the ID token's table.
func (b *chromeTab) claims(d *demo) map[string]string {
	b.t.Helper()
	b.open(d.App + "/tokens")
	b.at(d.App + "/tokens")
	claims := map[string]string{}
	names, values := b.texts("#id-token tbody th"), b.texts("#id-token tbody td.value")
	for i := range names {
		claims[names[i]] = values[i]
	}
	return claims
}

// proved fails the test unless the ID token says how the person signed in.
func (b *chromeTab) proved(d *demo, amr, acr string) {
	b.t.Helper()
	if got := b.claims(d); got["amr"] != amr || got["acr"] != acr {
		b.fatal(fmt.Errorf("the ID token says amr %s and acr %s, not %s and %s", got["amr"], got["acr"], amr, acr))
	}
}
