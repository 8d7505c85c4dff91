package replicas

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/focushq/idp/idptest"
)

// Two hundred guesses at the same moment over two processes: as many are compared as the limit says, exactly, and the right
// one is refused by either until the wait is over.
func TestFault_R02_AsManyAreComparedAsTheLimitSays(t *testing.T) {
	t.Parallel()
	f := start(t, plan{hash: true, settings: `limits:
  password: {waits: [{from: 6, for: 1h}]}
  code: {waits: [{from: 7, for: 1h}], seal: 60}
  recovery: {waits: [{from: 3, for: 1h}], seal: 30}
  code_address: {waits: [{from: 10000, for: 1s}]}
  address: {waits: [{from: 10000, for: 1s}]}
`})
	const guesses = 200
	tally := func(what string, limit int, send func(i int, replica string) (answer, error)) {
		t.Helper()
		var mu sync.Mutex
		statuses := map[int]int{}
		atOnce(guesses, func(i int) {
			a, err := send(i, f.at(i))
			mu.Lock()
			defer mu.Unlock()
			if statuses[a.status]++; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
		refused := statuses[http.StatusTooManyRequests] + statuses[http.StatusServiceUnavailable] // by the limit, or as all were too many at once
		if statuses[http.StatusUnprocessableEntity] != limit || refused != guesses-limit {
			t.Errorf("%s: %v, want %d compared", what, statuses, limit)
		}
	}
	for trial := range times(1, 50) {
		p := f.enrolled(fmt.Sprint("guess", trial))
		b := f.tab(p.Subject)
		tally("app codes", 7, func(i int, replica string) (answer, error) {
			return b.post(replica, "/mfa?to=%2Faccount", url.Values{"code": {p.wrong()}})
		})
		tally("recovery codes", 3, func(i int, replica string) (answer, error) {
			return b.post(replica, "/mfa?way=recovery&to=%2Faccount", url.Values{"recovery_code": {fmt.Sprintf("AAAA-BBBB-CCCC-D%03d", i)}})
		})
		page := f.Browser().Get("/login")
		form := page.Fields("login-submit")
		stranger := tab{f: f, cookies: page.Browser().Jar.Cookies(page.URL), token: form.Get("form_token")}
		try := func(replica, password string) (answer, error) {
			return stranger.post(replica, "/login", url.Values{"username": {p.Username}, "password": {password}})
		}
		tally("passwords", 6, func(i int, replica string) (answer, error) { return try(replica, fmt.Sprint("not it ", i)) })
		for _, r := range f.each {
			for what, right := range map[string]func() (answer, error){
				"app code": func() (answer, error) { return b.post(r.origin, "/mfa", url.Values{"code": {p.phone.Code(0)}}) },
				"recovery code": func() (answer, error) {
					return b.post(r.origin, "/mfa?way=recovery", url.Values{"recovery_code": {p.codes[0]}})
				},
				"password": func() (answer, error) { return try(r.origin, idptest.Password) },
			} {
				if a, err := right(); err != nil || a.status != http.StatusTooManyRequests {
					t.Errorf("the right %s during the wait: %d, %v", what, a.status, err)
				}
			}
		}
	}
}

// wrong returns six digits that are not the person's code for some time.
func (p *person) wrong() string {
	near := map[string]bool{}
	for step := -20; step <= 20; step++ {
		near[p.phone.Code(step)] = true
	}
	for n := 0; ; n++ {
		if code := fmt.Sprintf("%06d", n); !near[code] {
			return code
		}
	}
}
