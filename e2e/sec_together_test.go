package e2e

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp/idptest"
)

// tally sends what try makes, sixteen at once, half of them to each replica, and counts the statuses.
func (r *secReplicas) tally(what string, try func(i int, replica string) (status int, err error)) map[int]int {
	r.t.Helper()
	var mu sync.Mutex
	counts := map[int]int{}
	secAtOnce(16, func(i int) {
		status, err := try(i, r.each[i%2])
		mu.Lock()
		defer mu.Unlock()
		if counts[status]++; err != nil || status >= 500 {
			r.t.Errorf("%s: %d, %v", what, status, err)
		}
	})
	return counts
}

// Guesses that come to both replicas at once are counted by both together, exactly: app codes, recovery codes, passwords.
func TestSec_MF10_RC08_PW12_GuessesAtBothReplicas(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	for trial := range 6 {
		p := r.enrolled("guess" + strconv.Itoa(trial))
		tabs := r.tabs(p)
		guess := func(field, code string) map[int]int {
			return r.tally(field, func(i int, replica string) (int, error) {
				status, _, err := tabs[i].post(replica, "/mfa?to=%2Faccount", url.Values{field: {code}})
				return status, err
			})
		}
		if got := guess("code", p.no()); got[http.StatusUnprocessableEntity] != 5 || got[http.StatusTooManyRequests] != 11 {
			t.Errorf("app codes: %v", got)
		}
		for _, replica := range r.each { // the right one waits at either
			if status, _, err := tabs[0].post(replica, "/mfa", url.Values{"code": {p.phone.Code(1)}}); err != nil || status != http.StatusTooManyRequests {
				t.Errorf("the right code during the wait: %d, %v", status, err)
			}
		}
	}
	p := r.enrolled("recovery")
	tabs := r.tabs(p)
	got := r.tally("recovery codes", func(i int, replica string) (int, error) {
		status, _, err := tabs[i].insist(replica, "/mfa?way=recovery", url.Values{"recovery_code": {"AAAA-BBBB-CCCC-DDDD"}})
		return status, err
	})
	if got[http.StatusUnprocessableEntity] != 5 || got[http.StatusTooManyRequests] != 11 {
		t.Errorf("recovery codes: %v", got)
	}

	// Passwords have their own count, and their page: sixteen browsers that nobody is known in.
	r.person("word")
	var pages [16]*idptest.Page
	for i := range pages {
		pages[i] = r.Browser().Get("/login")
	}
	got = r.tally("passwords", func(i int, replica string) (int, error) {
		form := pages[i].Fields("login-submit")
		form.Set("username", "word")
		form.Set("password", "not it")
		tab := secTab{cookies: secCookies(pages[i].Browser(), r.Issuer), token: form.Get("form_token")}
		status, _, err := tab.post(replica, "/login", form)
		return status, err
	})
	if got[http.StatusUnprocessableEntity] != 10 || got[http.StatusTooManyRequests] != 6 {
		t.Errorf("passwords: %v", got)
	}
}

// secAuthorize asks a replica for a code in a session that has a password only and on a remembered device, and returns what
// the device's cookie has become; "" when it has not changed.
func (r *secReplicas) authorize(tab secTab, device *http.Cookie, replica string) (passed bool, next string, err error) {
	link, _ := url.Parse(secURL(r.app))
	request, err := http.NewRequest(http.MethodGet, replica+link.RequestURI(), nil)
	if err != nil {
		return false, "", err
	}
	request.AddCookie(device)
	for _, c := range tab.cookies {
		request.AddCookie(c)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false, "", err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	for _, c := range response.Cookies() {
		if c.Name == device.Name {
			next = c.Value
		}
	}
	return strings.HasPrefix(response.Header.Get("Location"), secCallback+"?code="), next, nil
}

// Sixteen tabs of one remembered browser, at both replicas at once: all pass, one secret lives; and what ends the device at
// one replica ends it at the other.
func TestSec_RD06_RD07_TabsAtBothReplicas(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	p, b := r.enrolled("alice"), r.Browser()
	remember := func(ahead int) *http.Cookie {
		page := secAt(t, secPassword(r.begin(b, r.app), p.Username), "/mfa")
		secGranted(t, page.Submit("mfa-submit", "code", p.phone.Code(ahead), "remember", "1"))
		return secCookies(secCopy(r.secSite, b, "device_"), r.Issuer)[0]
	}
	device, tabs := remember(1), r.tabs(p)
	for range 30 {
		var mu sync.Mutex
		var fresh []string
		secAtOnce(16, func(i int) {
			passed, next, err := r.authorize(tabs[i], device, r.each[i%2])
			mu.Lock()
			defer mu.Unlock()
			if !passed || err != nil {
				t.Errorf("a tab is asked: %v", err)
			}
			if next != "" {
				fresh = append(fresh, next)
			}
		})
		if len(fresh) != 1 {
			t.Fatalf("%d secrets", len(fresh))
		}
		device = &http.Cookie{Name: device.Name, Value: fresh[0]}
	}
	if n := r.count(`SELECT COUNT(*) FROM mfa_devices`); n != 1 {
		t.Errorf("%d devices", n)
	}
	for _, replica := range r.each {
		passed, next, err := r.authorize(tabs[0], device, replica)
		if !passed || err != nil {
			t.Fatalf("before: asked, %v", err)
		}
		if next != "" {
			device = &http.Cookie{Name: device.Name, Value: next}
		}
	}
	if err := r.MFA.ForgetDevices(t.Context(), p.Subject, "password_changed"); err != nil {
		t.Fatal(err)
	}
	for _, replica := range r.each {
		if passed, _, err := r.authorize(tabs[0], device, replica); passed || err != nil {
			t.Errorf("afterwards: not asked, %v", err)
		}
	}
	// A code and a recovery code that one replica has seen are nothing to the other.
	for n, replica := range r.each {
		form := url.Values{"recovery_code": {p.codes[3]}}
		status, location, err := tabs[n].insist(replica, "/mfa?way=recovery&to=%2Faccount", form)
		if good := secThrough(location); err != nil || good != (n == 0) || !good && status != http.StatusUnprocessableEntity {
			t.Errorf("replica %d: %d to %s, %v", n, status, location, err)
		}
	}
}
