package idp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

// TestSec_DS06_AThousandAsksAreThreeLetters: a thousand asks within an hour for a new password of one person, from as many
// networks, are three letters to them; a thousand from one network for as many names are thirty looked at, and the others hear
// when to come again. Whether there is such a person shows nowhere.
func TestSec_DS06_AThousandAsksAreThreeLetters(t *testing.T) {
	p := idptest.Start(t, func(c *idp.Config) { c.TrustedProxies = []string{"127.0.0.0/8"} })
	p.AddUser("alice")
	b := p.Browser()
	form := b.Get("/reset").Fields("reset-submit")
	ask := func(name, address string) string {
		r, err := http.NewRequest(http.MethodPost, p.Issuer+"/reset", strings.NewReader("form_token="+form.Get("form_token")+"&username="+name))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", address)
		for _, c := range b.Jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
		response, err := p.HTTP.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		again := ""
		if response.Header.Get("Retry-After") != "" {
			again = ", later"
		}
		return fmt.Sprint(response.StatusCode, again)
	}
	tally := func(asks int, who func(n int) (name, address string)) map[string]int {
		var mu sync.Mutex
		var wait sync.WaitGroup
		out := map[string]int{}
		for worker := range 4 {
			wait.Go(func() {
				for n := worker; n < asks; n += 4 {
					got := ask(who(n))
					mu.Lock()
					out[got]++
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		return out
	}
	from := func(n int) string { return fmt.Sprintf("203.%d.%d.7", n/250, n%250) }
	known := tally(1000, func(n int) (string, string) { return "alice", from(n) })
	unknown := tally(40, func(n int) (string, string) { return "nobody", from(n + 2000) })
	p.Deliver(t.Context())
	if sent := len(p.Mail.Sent()); sent > 3 || sent == 0 {
		t.Errorf("%d letters", sent)
	}
	crowd := tally(1000, func(n int) (string, string) { return fmt.Sprint("name", n), "198.51.100.1" })
	for what, got := range map[string]map[string]int{"alice": known, "nobody": unknown} {
		if len(got) != 2 || got["303"] != 3 {
			t.Errorf("%s: %v", what, got)
		}
	}
	if len(crowd) != 2 || crowd["303"] != 30 || crowd["429, later"] != 970 {
		t.Errorf("one network: %v", crowd)
	}
}
