package main

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// The script of the pages in a real browser, whose authenticator is the browser's own for tests: with the functions of
// today's browsers, and without them.
func TestPasskeysInABrowser(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal("chromium not found: run `make deps`")
	}
	w := newWorld(t)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox)...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)

	signIn := chromedp.Tasks{
		chromedp.Navigate(w.origin + "/login"), chromedp.SendKeys("#username", "alice"),
		chromedp.SendKeys("#password", w.password), chromedp.Click("#login-submit"),
	}
	said := func(words string) chromedp.Action {
		return chromedp.Poll(`document.querySelector("[data-passkey-said]").textContent.includes("`+words+`")`, nil)
	}
	var removed [2]bool
	old := func(removed *bool) chromedp.Action { // a browser that translates nothing
		return chromedp.Evaluate(`delete PublicKeyCredential.parseCreationOptionsFromJSON &&
			delete PublicKeyCredential.parseRequestOptionsFromJSON && delete PublicKeyCredential.prototype.toJSON`, removed)
	}
	steps := []struct {
		what string
		do   chromedp.Action
	}{
		{"an authenticator", chromedp.Tasks{webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
				Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
				HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			}).Do(ctx)
			return err
		})}},
		{"the first passkey", chromedp.Tasks{
			signIn, chromedp.Click("#use-passkey"), chromedp.WaitVisible("#passkey-add"), old(&removed[0]),
			chromedp.SendKeys("#name", "Laptop"), chromedp.Click("#passkey-add"),
		}},
		{"its first use", chromedp.Tasks{chromedp.WaitVisible("#passkey-submit"), chromedp.Click("#passkey-submit")}},
		{"the codes", chromedp.Tasks{
			chromedp.WaitVisible("#saved"), chromedp.Click("#saved"), chromedp.Click("#enrol-confirm"),
			chromedp.WaitVisible("#add-passkey"),
		}},
		{"the same device again", chromedp.Tasks{
			chromedp.Click("#add-passkey"), chromedp.WaitVisible("#passkey-add"), chromedp.Click("#passkey-add"),
			said("has a passkey"),
		}},
		{"a change of mind", chromedp.Tasks{
			signIn, chromedp.WaitVisible("#passkey-submit"), old(&removed[1]),
			chromedp.Evaluate(`void (navigator.credentials.get = () => Promise.reject(new DOMException("", "NotAllowedError")))`, nil),
			chromedp.Click("#passkey-submit"), said("try again"),
			chromedp.Evaluate(`delete navigator.credentials.get`, nil),
			chromedp.Click("#passkey-submit"), chromedp.WaitVisible("#add-passkey"),
		}},
		// As on a page that signs in with a passkey alone: the offer in an input gives way to the dialogue of the button.
		{"the browser's offer", chromedp.Tasks{
			chromedp.Navigate(w.origin + "/mfa?way=passkey"), chromedp.WaitVisible("#passkey-submit"),
			chromedp.Evaluate(offer, nil), chromedp.Poll("window.offered", nil),
			chromedp.Click("#passkey-submit"), chromedp.WaitVisible("#add-passkey"),
		}},
		{"the offer, taken", chromedp.Tasks{
			chromedp.Navigate(w.origin + "/mfa?way=passkey"), chromedp.WaitVisible("#passkey-submit"),
			chromedp.Evaluate(offer, nil), chromedp.Poll("window.offered", nil),
			chromedp.Evaluate(`window.taken()`, nil), chromedp.WaitVisible("#add-passkey"),
		}},
	}
	for _, step := range steps {
		if err := chromedp.Run(ctx, step.do); err != nil {
			var page string
			_ = chromedp.Run(ctx, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &page))
			t.Fatalf("%s: %v\n%s", step.what, err, page)
		}
	}
	if !removed[0] || !removed[1] {
		t.Error("the browser has kept its functions")
	}
	w.recorded("passkey_added", "passkey_accepted")
}

// offer makes the page's form one with an offer, in a browser that allows one request at a time. taken accepts the offer.
const offer = `(() => {
	const get = navigator.credentials.get.bind(navigator.credentials);
	navigator.credentials.get = ({ mediation, signal, ...more }) => {
		if (window.offered) return Promise.reject(new DOMException("", "OperationError"));
		if (mediation !== "conditional") return get(more);
		window.offered = true;
		return new Promise((resolve, reject) => {
			window.taken = () => { resolve(get(more)); };
			signal.addEventListener("abort", () => { window.offered = false; reject(signal.reason); });
		});
	};
	const form = document.querySelector("form[data-passkey]"), script = document.createElement("script");
	form.replaceWith(form.cloneNode(true)); // without the listeners that it has
	document.querySelector("form[data-passkey]").dataset.conditional = "";
	script.src = document.querySelector("script[src]").src;
	document.body.append(script);
})()`
