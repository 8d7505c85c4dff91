package templates

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/focushq/idp/internal/htmlcheck"
)

func newSet(t *testing.T, o Options) *Set {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is parsed when it is first shown is right.
func TestAllTemplatesParse(t *testing.T) {
	if err := newSet(t, Options{}).parseAll(); err != nil {
		t.Error(err)
	}
}

func render(t *testing.T, s *Set, page string, data any) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(WithView(context.Background(), View{FormToken: "token-1", RequestID: "req-1"}))
	w := httptest.NewRecorder()
	s.Render(w, r, http.StatusOK, page, data)
	return w
}

func page(t *testing.T, name string) *htmlcheck.Page {
	t.Helper()
	sample := find(t, name)
	w := render(t, newSet(t, Options{Product: "Focus HQ"}), sample.page, sample.data)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d: %s", name, w.Code, w.Body)
	}
	return htmlcheck.Must(t, w.Body.String())
}

func TestEveryPage(t *testing.T) {
	s := newSet(t, Options{Product: "Focus HQ", Help: "the help desk", HelpURL: "mailto:help@focus.example"})
	seen := map[string]bool{}
	for _, sample := range samples(t) {
		t.Run(sample.name, func(t *testing.T) {
			seen[sample.page] = true
			w := render(t, s, sample.page, sample.data)
			if w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			p := htmlcheck.Must(t, w.Body.String())
			for _, found := range p.Lint() {
				t.Error(found)
			}
			if strings.Contains(w.Body.String(), "<no value>") {
				t.Error("an argument of a sentence is missing")
			}
			if !strings.HasSuffix(p.Title(), " – Focus HQ") {
				t.Errorf("title %q", p.Title())
			}
			if p.Has("form[method=post]") && p.Attr("input[name=form_token]", "value") != "token-1" {
				t.Error("the form token is not the view's")
			}
			if wrong := p.Has("[aria-invalid]"); wrong {
				if !p.Has("#problem[role=alert] a") || !strings.HasPrefix(p.Title(), "Error: ") {
					t.Error("a field is wrong, but there is no summary or no word in the title")
				}
				if at := p.Text("p.wrong"); at == "" || at != p.Text("#problem p") {
					t.Errorf("the field says %q, the summary %q", at, p.Text("#problem p"))
				}
			}
		})
	}
	for name := range s.pages["en"] {
		if !seen[name] {
			t.Errorf("page %s has no sample", name)
		}
	}
}

func TestNames(t *testing.T) {
	tests := []struct{ sample, selector, text string }{
		{"login", "title", "Sign in – Focus HQ"},
		{"login", "input#username[name=username][autocomplete=username]", ""},
		{"login", "input#password[name=password][type=password][autocomplete=current-password]", ""},
		{"login", "#login-submit", "Sign in"},
		{"login", "form button[name=cancel]", "Cancel and go back to Focus HQ"},
		{"login again", "input#password", ""},
		{"login told", ".lead span", "app.example"},
		{"login told", "a[href='https://app.example/privacy'][rel~=noreferrer]", "Privacy policy"},
		{"login told", "a[href='https://app.example/terms'][rel~=noreferrer]", "Terms of service"},
		{"login told", "img[src='/oauth2/logo/notes?v=1'][alt='']", ""},
		{"consent told", "a[href='https://app.example/terms'][rel~=noreferrer]", "Terms of service"},
		{"mfa", "h1", "MFA code"},
		{"mfa", ".whose", "You are signing in as carol@example.com. Not you? Sign in as somebody else"},
		{"mfa", "a#not-you[href='/login?other=1&request=r1']", "Not you? Sign in as somebody else"},
		{"key", "a#not-you", ""},
		{"pair", "a#not-you", ""},
		{"recovery", "a#not-you", ""},
		{"start forced", "a#not-you", ""},
		{"add key first", "a#not-you", ""},
		{"remind after a code", "a#not-you", ""},
		{"mfa of the settings", "h1 + p", "To change your settings, show that it is you."},
		{"mfa of the settings", ".whose", "You are signed in as carol@example.com. Not you? Sign in as somebody else"},
		{"mfa of the settings", "a#back[href='https://focus.example/profile']", "Back to Focus HQ"},
		{"recovery none", ".lead", "You have none: the last one was used, or none were made."},
		{"recovery none", "button[name=cancel]", "Cancel and go back to Focus HQ"},
		{"codes forced", "a#leave[href='/account/mfa/enrol/start?request=r1']", "Leave without setting up MFA"},
		{"codes forced", "a#not-you", ""},
		{"start overdue", "a#sign-out[href='/oauth2/logout']", "Sign out"},
		{"settings off, overdue", ".news + .news", "Your organisation requires MFA now. Set it up to use your account."},
		{"settings off, overdue", ".news", "MFA is off."},
		{"settings off, overdue", "a#sign-out", "Sign out"},
		{"sheet of another passkey", ".news", "The passkey is added."},
		{"sheet", "input#saved[autocomplete=off]", ""},
		{"remind after a code, passkey", "h1", "Is your passkey gone?"},
		{"remind after a code, passkey", "a.primary#remind-add", "Set up another way to sign in"},
		{"mfa every time", "#insists", "Focus HQ asks for a code every time, on a remembered device too."},
		{"mfa every time, device", "#insists", "This app asks for a code every time, on a remembered device too."},
		{"login again for the settings", ".lead", "To change your settings, show that it is you."},
		{"login again for the settings", "[role=alert] p", "That password is not right. Check it and try again."},
		{"start overdue", ".news", "Your organisation wants your account to be protected by MFA. Please set it up now to go on. You could put this off until 24 November 2026. That time is over."},
		{"start after a recovery code", "a#back[href='/account/mfa/codes?request=r1']", "Go on without another authenticator"},
		{"remind after a code", "h1", "Is your phone gone?"},
		{"remind after a code", "[role=status]", "You used a recovery code. 7 are left."},
		{"remind after a code", "a.primary#remind-add[href='/account/mfa/enrol/start?more=1']", "Set up my new phone"},
		{"remind after a code", "a#remind-make", "Make new recovery codes"},
		{"remind after a code", "#remind-later", "Go on"},
		{"remind after the last code", "[role=status]", "You used your last recovery code. None is left."},
		{"mfa", "input#code[name=code][inputmode=numeric][autocomplete=one-time-code]", ""},
		{"mfa", "input#remember[name=remember][type=checkbox]:not([checked])", ""},
		{"mfa", "label[for=remember]", "Remember me on this device for 30 days"},
		{"mfa wrong", "label[for=remember]", "Remember me on this device for 1 day"},
		{"mfa", "#mfa-submit", "Continue"},
		{"mfa", "a#use-recovery-code[href]", "I can't use my app"},
		{"mfa", ".entry strong", "Focus HQ: alice@example.com"},
		{"login passkey", "input#username[autocomplete='username webauthn']", ""},
		{"login passkey", "form:has(#password) + [data-if-passkeys=yes][hidden] form[action^='/login/passkey?request='][data-conditional] #passkey-submit[hidden]", "Sign in with a passkey"},
		{"login passkey", "form[data-passkey=get][data-options='/login/passkey/options'] input[type=hidden][name=response]", ""},
		{"login passkey", "head script[src='/mfa/passkey-0123456789ab.js'][defer]", ""},
		{"login passkey again", "input#password[autocomplete='current-password webauthn']", ""},
		{"mfa ways", "[data-if-passkeys=yes][hidden] a#use-passkey[href='/mfa?way=passkey']", "Use a passkey instead"},
		{"mfa ways", "a#use-pair[href='/mfa?way=pair']", "The codes are right, but not accepted?"},
		{"pair", "input#code1[name=code1][autocomplete=one-time-code]", ""},
		{"pair", "input#code2[name=code2][autocomplete=off]", ""},
		{"pair", "#pair-submit", "Continue"},
		{"pair", ".entry strong", "Focus HQ: alice@example.com"},
		{"key", "form[data-passkey=get][data-options='/mfa/passkey'][action^='/mfa?'] input[name=ceremony]", ""},
		{"key", "form[data-passkey] input#remember[name=remember]:not([checked])", ""},
		{"key", "#passkey-submit[hidden]", "Use passkey"},
		{"key", "a#use-code[href='/mfa']", "Use a code from my app instead"},
		{"key", "a#use-recovery-code", "I can't use my passkey"},
		{"key tried first", ".steps .now", "Try it"},
		{"key tried first", ".news[role=status]", "The passkey is added. Use it now, to see that it works."},
		{"add key", "form[data-passkey=create][data-options='/account/mfa/passkeys/options'][action^='/account/mfa/passkeys/add?'] #name[name=name]", ""},
		{"add key", "#passkey-add[hidden]", "Create passkey"},
		{"add key", "a#back", "Back to the settings"},
		{"add key first", "a#back", "Use an authenticator app instead"},
		{"add key first", "button[name=cancel]", "Cancel and go back to Focus HQ"},
		{"sheet of a passkey", "h1", "Recovery codes"},
		{"sheet of a passkey", ".steps .now", "Recovery"},
		{"sheet of a passkey", "form[action^='/account/mfa/codes'] #enrol-confirm", "Confirm"},
		{"start or passkey", "[data-if-passkeys=yes][hidden] a#use-passkey", "Use a passkey instead"},
		{"settings", "[data-if-passkeys=yes][hidden] a#add-passkey", "Add another passkey"},
		{"settings", "#passkeys + ul li:first-child .hint", "Synced between your devices · added 24 October 2026 · last used 23 November 2026, 10:00 UTC"},
		{"settings", "#passkeys + ul li:last-child .hint", "On one device only · added 20 November 2026 · not used yet"},
		{"settings", "form[action^='/account/mfa/passkeys/rename'] input[name=id][value=k2]", ""},
		{"settings", "#authenticators + ul li:first-child form[action^='/account/mfa/remove'] p", "Codes from this entry will stop working and your remembered devices will be forgotten."},
		{"settings passkey only", "#enrol-start", "Add an authenticator app"},
		{"settings passkey only", "form[action^='/account/mfa/passkeys/remove'] p", "This passkey is all that you have: removing it turns MFA off. Your recovery codes and remembered devices go with it. Your device may still offer it: delete it there too."},
		{"settings off, passkeys", "a#use-passkey", "Use a passkey instead"},
		{"recovery passkey", "a#use-passkey", "Use a passkey instead"},
		{"recovery", "input#recovery_code[name=recovery_code]", ""},
		{"recovery", "#recovery-submit", "Continue"},
		{"consent", "input[name=scope][value=email][checked]", ""},
		{"consent", "button#consent-allow[name=decision][value=allow]", "Allow"},
		{"consent", "button#consent-deny[name=decision][value=deny]", "Don't allow"},
		{"consent", "label[for=scope-email]", "See your e-mail address"},
		{"start", "#enrol-start", "Enrol in MFA"},
		{"settings off", "#enrol-start", "Enrol in MFA"},
		{"settings off", "h1", "Multi-Factor Authentication Settings"},
		{"settings off", "[role=status]", "MFA is off. Your password alone is enough to sign in now."},
		{"scan", "h1", "Scan QR Code"},
		{"scan", "details#qr:not([open]) > summary", "Click to reveal the QR code"},
		{"scan", "details#qr #qr-image", ""},
		{"scan", "details#qr #totp-key", spaced(sampleKey)},
		{"scan", "details#qr a[href^='otpauth://totp/Focus%20HQ:alice@example.com?secret=']", "On this phone already? Open the entry in your app"},
		{"scan", "#scan-next", "Next"},
		{"scan", "a#leave[href='/account/mfa/enrol/start?request=r1']", "Leave without setting up MFA"},
		{"scan further", "a#leave[href='/account/mfa']", "Leave without adding it"},
		{"codes", "h1", "Enter 6-digit codes"},
		{"codes", "input#code1[name=code1][autocomplete=one-time-code]", ""},
		{"codes", "input#code2[name=code2][autocomplete=off]", ""},
		{"codes", "#codes-next", "Next"},
		{"codes wrong", "#code2[value='654321']", ""},
		{"sheet", "details#codes:not([open]) > summary", "Reveal"},
		{"sheet", "details#codes ol#recovery-codes li:nth-child(10) code", "AB3D-7KMP-Q2RS-9WX9"},
		{"sheet", "input#saved[name=saved][type=checkbox]:not([checked])", ""},
		{"sheet", "#codes-copy", "Copy"},
		{"sheet", "#codes-download[download='focus-hq-recovery-codes.txt'][href^='data:text/plain']", "Download"},
		{"sheet", "#enrol-confirm:not([disabled])", "Confirm"},
		{"sheet", "input[name=set][value=s1]", ""},
		{"sheet", "a#codes-leave[href='/account/mfa/enrol/start?request=r1']", "Leave without setting up MFA"},
		{"sheet", "form:not([novalidate]) input#saved[required]", ""},
		{"sheet", ".print-only", "Recovery codes for Focus HQalice · 24 November 2026https://id.example.com"},
		{"sheet again", "a#codes-leave[href='/account/mfa']", "Keep the codes that I have"},
		{"sheet again", ".notes li:last-child", "The codes that you have now work until you confirm."},
		{"sheet again", "#confirm-hint", "The new codes replace the old ones when you confirm. Copy, download or print them first, or tick the box."},
		{"sheet after none", "a#codes-leave[href='/account/mfa']", "Leave without recovery codes"},
		{"sheet after none", "#confirm-hint", "The codes work when you confirm. Copy, download or print them first, or tick the box."},
		{"sheet after none", "h1", "New recovery codes"},
		{"sheet after the reminder", "form[action='/account/mfa/codes/later?request=r1'] #codes-leave", "Keep the codes that I have"},
		{"sheet of a passkey", "form[action='/account/mfa/codes/later?request=r1'] #codes-leave", "Go on without recovery codes"},
		{"key tried first", "form[action='/mfa'] button#key-abandon[name=abandon][value='1']", "It does not work? Remove it."},
		{"start or passkey", ".news[role=status]", "The passkey is removed, and MFA is off as it was before. You can set it up in another way."},
		{"done", "h1", "MFA is set up"},
		{"done", "p a[href='/account/mfa']", ""},
		{"done further", "h1", "Authenticator added"},
		{"done further", ".lead", "Tablet is added to your account. Your remembered devices are forgotten."},
		{"done further", "[role=status] p + p", "Your phone's clock seems to be about 1 minute slow, or you took a while to type. Either is fine: we allow for both, and your next sign-in will show which it is."},
		{"done further", "#done-settings[href='/account/mfa?client_id=focus-hq']", ""},
		{"settings passkey only", ".news[role=status]", "The passkey is removed. Your remembered devices are forgotten."},
		{"settings", "a#sessions[href='/account/sessions']", "Sign out other browsers under Sessions"},
		{"settings", "#devices ~ ul li:first-child .hint", "First used 19 November 2026, 12:00 UTC · last used 24 November 2026, 12:00 UTC · remembered until 19 December 2026"},
		{"settings", "#authenticators + ul li:last-child .hint", "Added 23 November 2026 · not used yet · its clock may be about 1 minute slow, which we allow for, or its codes were typed slowly"},
		{"settings few", "#problem a[href='#name-a2']", "Enter a name of up to 64 visible characters."},
		{"settings few", "details[open] #name-a2[aria-invalid=true][aria-describedby=name-a2-error][value^='long long ']", ""},
		{"done", "#done-back[href='https://focus.example/']", "Back to Focus HQ"},
		{"settings", "#enrol-start", "Add another authenticator"},
		{"settings", "#back[href='https://focus.example/profile']", "Back to Focus HQ"},
		{"logout", "button#logout-confirm[name=confirm][value=everywhere]", "Sign out everywhere"},
		{"logout", "button#logout-here[name=confirm][value=here]", "Sign out of Focus HQ only"},
		{"logout", "a#logout-stay[href='https://focus.example/']", "Stay signed in"},
		{"sessions", "li:first-child strong", "Firefox on Windows"},
		{"sessions", "li:last-child strong", "python-requests"}, // whose system nobody knows
		{"error", ".facts code", "invalid_request"},
		{"error", ".facts div:nth-child(2) code", "redirect_uri"},
	}
	for _, test := range tests {
		p := page(t, test.sample)
		if n := p.Count(test.selector); n == 0 {
			t.Errorf("%s: no %s", test.sample, test.selector)
		} else if got := p.Text(test.selector); test.text != "" && got != test.text {
			t.Errorf("%s: %s says %q, want %q", test.sample, test.selector, got, test.text)
		}
	}
	if page(t, "start").Has("#not-you") || page(t, "scan").Has("#not-you") || page(t, "mfa of the settings").Has("#remember") {
		t.Error("somebody else is asked for outside of a sign-in, or a box that does nothing is there")
	}
	if page(t, "recovery none").Has("#recovery_code") || page(t, "sheet of another passkey").Has(".steps") || page(t, "settings off, overdue").Has("a[href='/account']") {
		t.Error("a form for nothing, steps of a first passkey, or a way that is closed")
	}
	for _, sample := range []string{"sheet again", "sheet after none"} {
		news, old := page(t, sample).Has(".news"), strings.Contains(page(t, sample).Text(".notes"), "that you have now")
		if mistake := sample == "sheet again"; news == mistake || old != mistake {
			t.Errorf("%s: the page says that it was opened again: %v, that old codes work: %v", sample, news, old)
		}
	}
	if p := page(t, "settings few"); p.Count("details[open]") != 1 || page(t, "settings").Has("[aria-invalid]") {
		t.Error("another form than that of the refused name is open")
	}
	if page(t, "key").Has("#key-abandon") {
		t.Error("a passkey that may have worked can be removed with the password alone")
	}
	if page(t, "login again").Has("input[name=username]") {
		t.Error("the user name can be changed where only the password is asked again")
	}
	for _, sample := range []string{"login", "mfa", "settings few", "settings off", "start"} {
		if p := page(t, sample); p.Has("[data-if-passkeys]") || p.Has("#passkeys") || p.Has("noscript") {
			t.Errorf("%s speaks of passkeys where there are none", sample)
		}
	}
	if p := page(t, "recovery passkey"); p.Has("a[href='']") || p.Has("#use-code") {
		t.Error("whoever has no app is sent to it")
	}
	if p := page(t, "mfa throttled"); p.Has("#remember") || !strings.Contains(p.Text("[role=alert]"), "15 minutes") {
		t.Error("throttled: a box without days, or no wait")
	}
	if p := page(t, "signed out"); !strings.Contains(strings.ToLower(p.Text("main")), "signed out") {
		t.Error(`the signed-out page does not say "signed out"`)
	}
}

func TestActionsKeepTheQuery(t *testing.T) {
	action, values := page(t, "mfa").Form("#mfa-submit")
	if action != "/mfa?request=r%2F1&to=%2Faccount" || values.Has("remember") || values.Has("cancel") {
		t.Errorf("action %q, values %v", action, values)
	}
	action, values = page(t, "scan").Form("#scan-next")
	if action != "/account/mfa/enrol/codes" || values.Get("enrolment") != "e1" || values.Get("request") != "r/1" {
		t.Errorf("next goes to %q with %v", action, values)
	}
	if got := string(to("/x", `a=1&"><script>=2`)); strings.ContainsAny(got, `"<>`) {
		t.Errorf("a query left its place: %s", got)
	}
}

func TestHeaders(t *testing.T) {
	s := newSet(t, Options{})
	for _, sample := range samples(t) {
		w := render(t, s, sample.page, sample.data)
		h, body := w.Header(), w.Body.String()
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self'") {
			t.Errorf("%s: policy %q", sample.name, csp)
		}
		home := map[string]bool{"account": true, "mfa_settings": true, "setup": true}[sample.page]
		away := strings.HasPrefix(sample.page, "mfa") && !home || sample.page == "login" || sample.page == "recovery" || sample.page == "password" ||
			sample.page == "consent" || sample.page == "logout"
		if has := strings.Contains(csp, "form-action 'self'"); home && !has || away && has {
			t.Errorf("%s: form-action is wrong: %s", sample.name, csp)
		}
		asks := htmlcheck.Must(t, body).Has("[data-options]") || strings.HasPrefix(sample.page, "admin_")
		if may := strings.Contains(csp, "connect-src 'self'"); asks && !may || may && !asks && sample.page != "login" {
			t.Errorf("%s: asks for options: %v: %s", sample.name, asks, csp)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Language") != "en" {
			t.Errorf("%s: headers %v", sample.name, h)
		}
	}
	onward := render(t, s, "signed_out", find(t, "signed out onward").data)
	if csp := onward.Header().Get("Content-Security-Policy"); !strings.HasSuffix(csp, "; frame-src https://rp.example") {
		t.Errorf("front-channel logout: %s", csp)
	}
}

func TestNeverHalfAPage(t *testing.T) {
	s := newSet(t, Options{Override: fstest.MapFS{"account.html": {
		Data: []byte(`{{define "title"}}x{{end}}{{define "main"}}half {{.Data.Missing}}{{end}}`)}}})
	for _, name := range []string{"account", "no_such_page"} {
		w := render(t, s, name, accountData{})
		body := w.Body.String()
		if w.Code != 500 || strings.Contains(body, "half") || !strings.Contains(body, "req-1") {
			t.Errorf("%s: %d %q", name, w.Code, body)
		}
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOverride(t *testing.T) {
	s := newSet(t, Options{Override: fstest.MapFS{
		"messages/en.yaml": {Data: []byte("login.title: Come in\n")},
		"messages/de.yaml": {Data: []byte("login.title: Anmelden\n")},
		"style.css":        {Data: []byte("body{}")},
	}})
	r := httptest.NewRequest("GET", "/login?ui_locales=xx+de-AT", nil)
	r.Header.Set("Accept-Language", "en")
	w := httptest.NewRecorder()
	s.Render(w, r, 200, "login", loginData{})
	p := htmlcheck.Must(t, w.Body.String())
	if p.Text("h1") != "Anmelden" || p.Attr("html", "lang") != "de" || p.Text("#login-submit") != "Sign in" {
		t.Errorf("German: %q, the rest %q", p.Text("h1"), p.Text("#login-submit"))
	}
	if got := htmlcheck.Must(t, render(t, s, "login", loginData{}).Body.String()).Text("h1"); got != "Come in" {
		t.Errorf("English overridden: %q", got)
	}
	css := p.Attr("link[rel=stylesheet]", "href")
	w = httptest.NewRecorder()
	s.Static().ServeHTTP(w, httptest.NewRequest("GET", css, nil))
	if w.Body.String() != "body{}" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%s: %q %v", css, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	s.Static().ServeHTTP(w, httptest.NewRequest("GET", "/static/style.css", nil))
	if w.Code != 404 {
		t.Errorf("without its hash: %d", w.Code)
	}
}
