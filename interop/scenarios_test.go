package interop

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// scenario is something that a relying party does, with what has to come of it.
type scenario struct {
	name, title string
	shows       string
	run         func(*visit)
}

// scenarios are the columns of the table.
func scenarios() []scenario {
	return []scenario{
		{"password", "password", "a sign-in; userinfo tells about the same person", password},
		{"code", "password + code", "a sign-in with a second factor", code},
		{"none", "`prompt=none`", "`login_required` before the sign-in, no page after it", none},
		{"max_age", "`max_age`", "an hour after a sign-in, two hours are granted without a page and with the true " +
			"`auth_time`; for ten minutes the password is asked for again", maxAge},
		{"step-up", "`acr_values`", "somebody who is signed in by a password is asked for the code alone", stepUp},
		{"refresh", "refresh", "twice, the second time with the token from the first", refresh},
		{"logout", "sign-out", "begun by the client, it ends the session at the provider and leads back", logout},
		{"disabled", "person disabled", "the refresh token, `prompt=none` and a new sign-in are refused", disabled},
	}
}

// extras are what some relying parties can do beyond that.
func extras() []scenario {
	return []scenario{
		{"par", "pushed request", "a sign-in by RFC 9126", par},
		{"dpop", "DPoP", "pushed request, code, userinfo and refresh, all bound to a key (RFC 9449)", dpop},
		{"introspection", "introspection", "of the access token (RFC 7662)", introspection},
		{"revocation", "revocation", "of the refresh token, which is refused after it (RFC 7009)", revocation},
		{"device", "device grant", "with the code typed on another screen, and a second factor there (RFC 8628)", device},
		{"backchannel", "back-channel sign-out", "signing out at the provider ends the session at the client", backchannel},
		{"again", "code used twice", "refused, and what the code had brought ends", again},
		{"thief", "another's verifier", "the code is refused (RFC 7636)", thief},
		{"machine", "client credentials", "a token without a person (RFC 6749 section 4.4)", machine},
		{"register", "registration", "the client registers itself, then signs in (RFC 7591)", register},
	}
}

// visit is one person with a browser, at one relying party of one provider.
type visit struct {
	t     *testing.T
	op    provider
	party party
	home  string // of the relying party
	who   person
	browser
	fresh func(testing.TB) browser
	shown []string // the provider's pages on the way of the last goTo
}

// by makes somebody new, with or without a second factor, who sits down at a browser without cookies.
func (v *visit) by(enrolled bool) {
	v.t.Helper()
	v.who, v.browser = v.op.person(v.t), v.fresh(v.t)
	if enrolled {
		v.op.enrol(v.t, &v.who)
	}
}

// refusedHere is the error of an answer that the provider gave to the person, not to the relying party.
const refusedHere = "refused on the provider's page"

// login begins a sign-in, as somebody does whom the relying party does not know.
func (v *visit) login(parameters string) answer {
	v.t.Helper()
	v.forget()
	return v.goTo("/login?" + parameters)
}

// goTo opens a page of the relying party and does what the provider's pages ask for, until the relying party answers.
func (v *visit) goTo(path string) answer {
	v.t.Helper()
	v.shown = nil
	v.open(v.home + path)
	return v.until("")
}

// until does what the provider's pages ask for, until the relying party answers or the provider shows what matches.
func (v *visit) until(selector string) answer {
	v.t.Helper()
	for range 10 {
		if a, ok := v.answer(); ok {
			return a
		}
		switch {
		case selector != "" && v.has(selector):
			return answer{}
		case v.has("#rp-sign-in"):
			v.press("rp-sign-in")
		case v.has("[role=alert]"):
			return answer{Error: refusedHere}
		case v.has("#username"):
			v.pressShown("login-submit", "username", v.who.name, "password", idptest.Password)
		case v.has("#password"):
			v.pressShown("login-submit", "password", idptest.Password)
		case v.has("#mfa-submit") && v.who.code != nil:
			v.pressShown("mfa-submit", "code", v.who.code())
		default:
			v.pressAny("consent-allow", "logout-confirm")
		}
	}
	v.t.Fatalf("no end of pages: %s", v)
	return answer{}
}

func (v *visit) pressShown(button string, fields ...string) {
	v.t.Helper()
	v.shown = append(v.shown, button)
	v.press(button, fields...)
}

func (v *visit) pressAny(buttons ...string) {
	v.t.Helper()
	for _, button := range buttons {
		if v.has("#" + button) {
			v.press(button)
			return
		}
	}
	v.t.Fatalf("what is this page? %s", v)
}

// asked fails unless these pages were shown on the way of the last goTo.
func (v *visit) asked(buttons ...string) {
	v.t.Helper()
	if !slices.Equal(v.shown, buttons) {
		v.t.Errorf("asked: %q, want %q", v.shown, buttons)
	}
}

// signedIn fails unless a says that the person is signed in, and how.
func (v *visit) signedIn(a answer) answer {
	v.t.Helper()
	amr, acr := []string{"pwd"}, "aal1"
	if v.who.code != nil {
		amr, acr = []string{"pwd", "otp", "mfa"}, "aal2"
	}
	switch {
	case !a.OK:
		v.t.Fatalf("not signed in: %s", a.Error)
	case !slices.Equal(a.AMR, amr) || a.ACR != acr:
		v.t.Errorf("amr %q, acr %q, want %q, %q", a.AMR, a.ACR, amr, acr)
	case a.Claims["sub"] == nil:
		v.t.Errorf("no sub: %v", a.Claims)
	}
	if a.Userinfo != nil && (a.Userinfo["sub"] != a.Claims["sub"] || a.Userinfo["email"] != v.who.name+"@example.com") {
		v.t.Errorf("userinfo %v for %v", a.Userinfo, a.Claims)
	}
	return a
}

// refused fails unless the relying party was told that error. One that keeps errors to itself need only not succeed.
func (v *visit) refused(a answer, code string) {
	v.t.Helper()
	if a.OK || a.Error != code && !v.party.mute {
		v.t.Errorf("got %+v, want the error %s", a, code)
	}
}

func password(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	v.asked("login-submit")
}

func code(v *visit) {
	v.by(true)
	v.signedIn(v.login(""))
	v.asked("login-submit", "mfa-submit")
}

func none(v *visit) {
	v.by(false)
	v.refused(v.login("prompt=none"), "login_required")
	first := v.signedIn(v.login(""))
	if second := v.signedIn(v.login("prompt=none")); second.Claims["sub"] != first.Claims["sub"] {
		v.t.Errorf("another person: %v", second.Claims)
	}
	v.asked()
}

func maxAge(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	v.op.age(v.t, v.who, time.Hour)
	old := v.signedIn(v.login("max_age=7200"))
	v.asked()
	if age := time.Since(authTime(v.t, old)); age < 59*time.Minute || age > 61*time.Minute {
		v.t.Errorf("auth_time is %v ago, want an hour", age)
	}
	anew := v.signedIn(v.login("max_age=600"))
	v.asked("login-submit")
	if age := time.Since(authTime(v.t, anew)); age > time.Minute {
		v.t.Errorf("auth_time is %v ago after a new sign-in", age)
	}
}

func authTime(t testing.TB, a answer) time.Time {
	t.Helper()
	seconds, ok := a.Claims["auth_time"].(float64)
	if !ok {
		t.Fatalf("no auth_time: %v", a.Claims)
	}
	return time.Unix(int64(seconds), 0)
}

func stepUp(v *visit) {
	v.by(false)
	first := v.signedIn(v.login(""))
	v.op.enrol(v.t, &v.who)
	if second := v.signedIn(v.login("acr_values=aal2")); second.Claims["sub"] != first.Claims["sub"] {
		v.t.Errorf("another person: %v", second.Claims)
	}
	v.asked("mfa-submit")
}

func refresh(v *visit) {
	v.by(true)
	first := v.signedIn(v.login(""))
	for range 2 { // the second time with the token that the first has brought
		if next := v.signedIn(v.goTo("/refresh")); next.Claims["sub"] != first.Claims["sub"] {
			v.t.Errorf("another person: %v", next.Claims)
		}
	}
}

func logout(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	if a := v.goTo("/logout"); !a.OK {
		v.t.Errorf("signing out: %+v", a)
	}
	v.refused(v.login("prompt=none"), "login_required")
}

func disabled(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	v.op.disable(v.t, v.who)
	if v.party.lacks["refresh"] == "" {
		v.refused(v.goTo("/refresh"), "invalid_grant")
	}
	v.refused(v.login("prompt=none"), "login_required")
	v.browser = v.fresh(v.t)
	if a := v.login(""); a.Error != refusedHere {
		v.t.Errorf("a new sign-in: %+v", a)
	}
}

func par(v *visit) {
	v.by(false)
	v.signedIn(v.login("par=1"))
}

func dpop(v *visit) {
	v.by(false)
	for _, a := range []answer{v.login("par=1&dpop=1"), v.goTo("/refresh")} {
		if v.signedIn(a); !strings.EqualFold(a.TokenType, "DPoP") {
			v.t.Errorf("token_type %q", a.TokenType)
		}
	}
}

func introspection(v *visit) {
	v.by(true)
	first := v.signedIn(v.login(""))
	a := v.goTo("/introspect")
	if !a.OK || a.Claims["sub"] != first.Claims["sub"] || a.Claims["client_id"] == nil {
		v.t.Errorf("introspection: %+v", a)
	}
	if _, is := v.op.(*ours); is { // the other says nothing of it here
		v.signedIn(a)
	}
}

func revocation(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	if a := v.goTo("/revoke"); !a.OK {
		v.t.Errorf("revocation: %+v", a)
	}
	v.refused(v.goTo("/refresh"), "invalid_grant")
}

func device(v *visit) {
	v.by(true)
	waiting := v.goTo("/device")
	if !waiting.OK {
		v.t.Fatalf("no code for the person: %+v", waiting)
	}
	v.shown = nil
	v.open(waiting.VerificationURI) // another screen
	v.press("device-submit", "user_code", waiting.UserCode)
	v.until("[role=status]")
	v.asked("login-submit", "mfa-submit")
	v.signedIn(v.goTo("/device/tokens"))
}

func backchannel(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	v.open(v.op.signOutURL())
	v.press("logout-confirm")
	v.op.deliver(v.t)
	if a := v.goTo("/me"); a.OK {
		v.t.Errorf("still signed in: %+v", a)
	}
}

func again(v *visit) {
	v.by(false)
	v.signedIn(v.login(""))
	v.refused(v.goTo("/again"), "invalid_grant")
	v.refused(v.goTo("/refresh"), "invalid_grant") // what the code has brought ends with it
}

func thief(v *visit) {
	v.by(false)
	v.refused(v.login("thief=1"), "invalid_grant")
}

func machine(v *visit) {
	v.by(false)
	if a := v.goTo("/machine"); !a.OK || !strings.EqualFold(a.TokenType, "Bearer") {
		v.t.Errorf("client credentials: %+v", a)
	}
}

func register(v *visit) {
	v.by(false)
	a := v.signedIn(v.login("register=" + v.op.registrationToken(v.t)))
	if id := a.Claims["aud"]; id == nil || id == v.party.id() {
		v.t.Errorf("it signs in as %v", id)
	}
	v.signedIn(v.goTo("/refresh"))
}
