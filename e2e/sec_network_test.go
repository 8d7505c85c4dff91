package e2e

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

// secFrom makes a browser at that address, for a site that believes its proxy.
func (s *secSite) secFrom(address string) *idptest.Browser {
	b := s.Browser()
	b.Header.Set("X-Forwarded-For", address)
	return b
}

// Whoever has many people's passwords, and tries one code with each of them from one network, is stopped there: nobody's own
// count is touched, devices that are remembered don't wait, and other networks hear nothing of it.
func TestSec_MF10_OneCodeForManyPeopleFromOneNetwork(t *testing.T) {
	t.Parallel()
	s := secOpen(t, func(c *idp.Config) {
		c.TrustedProxies = []string{"127.0.0.0/8"}
		c.Limits.CodeAddress.Waits = append(c.Limits.CodeAddress.Waits, struct {
			From int          `yaml:"from"`
			For  idp.Duration `yaml:"for"`
		}{6, idp.Duration(time.Minute)})
	})
	var people [3]*secPerson
	for n, name := range []string{"alice", "bob", "carol"} {
		people[n] = s.enrolled(name)
	}
	bob := people[1]
	known := s.secFrom("2001:db8:1:2::77")
	secRemember(t, bob, known)
	// A few that are right do not count.
	for _, p := range people {
		for range 3 {
			s.Clock.Add(30 * time.Second)
			page := secAt(t, secPassword(s.begin(s.secFrom("2001:db8:1:2::1"), s.app), p.Username), "/mfa")
			secGranted(t, page.Submit("mfa-submit", "code", p.phone.Code(0)))
		}
	}
	now := s.Clock.Now() // what follows is of one hour
	s.Clock.Add(now.Truncate(time.Hour).Add(2*time.Hour + time.Minute).Sub(now))
	attack := func(p *secPerson, address, button, field, code string) *idptest.Page {
		page := secAt(t, secPassword(s.begin(s.secFrom(address), s.app), p.Username), "/mfa")
		if field == "recovery_code" {
			page = page.Follow("#use-recovery-code")
		}
		return page.Submit(button, field, code)
	}
	for n := range 6 { // each from another address of the same /64
		p, address := people[n%3], "2001:db8:1:2::"+string(rune('a'+n))
		page := attack(p, address, "mfa-submit", "code", p.no())
		if page.Status != http.StatusUnprocessableEntity {
			t.Fatalf("try %d: %d", n, page.Status)
		}
	}
	code := bob.phone.Code(0)
	for _, refused := range []*idptest.Page{
		attack(bob, "2001:db8:1:2::1", "mfa-submit", "code", code),
		attack(bob, "2001:db8:1:2::2", "recovery-submit", "recovery_code", bob.codes[0]),
	} {
		wait, err := strconv.Atoi(refused.Header.Get("Retry-After")) // the clock goes on, and counts are kept to a second
		if refused.Status != http.StatusTooManyRequests || err != nil || wait < 50 || wait > 60 || refused.Text("[role=alert]") == "" {
			t.Errorf("in the network that waits: %d, Retry-After %q", refused.Status, refused.Header.Get("Retry-After"))
		}
	}
	for _, p := range people {
		status, err := s.MFA.Status(t.Context(), p.Subject)
		if err != nil || status.Failures != 2 || !status.RetryAt.IsZero() || status.Sealed || status.CodesLeft != 10 {
			t.Errorf("%s: %+v, %v", p.Username, status, err)
		}
	}
	if n := s.count(`SELECT n FROM mfa_attempts WHERE key LIKE 'network/2001:db8:1:2::/64/%' ORDER BY until DESC LIMIT 1`); n != 6 {
		t.Errorf("%d are counted", n)
	}
	// The device that is remembered there is asked for nothing, and the same code is good next door.
	copied := secCopy(s, known, "device_")
	copied.Header = known.Header
	secGranted(t, secPassword(secAt(t, s.begin(copied, s.app), "/login"), bob.Username))
	secGranted(t, attack(bob, "2001:db8:1:3::1", "mfa-submit", "code", code))
	// One a minute.
	s.Clock.Add(61 * time.Second)
	secGranted(t, attack(bob, "2001:db8:1:2::1", "mfa-submit", "code", bob.phone.Code(0)))
}
