package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Somebody with write access to the database gives alice the secret of bob's app, or bob's recovery codes. Neither bob's
// phone nor hers opens her account then; it is on record, and the page tells nothing of the inside.
func TestSec_DR02_MovedSecretsOpenNothing(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	db := s.database()
	for _, row := range []struct {
		name, move string
		use        func(alice, bob *secPerson) (status int, body string, granted bool)
	}{
		{"app", `UPDATE mfa_authenticators SET secret = (SELECT secret FROM mfa_authenticators WHERE subject = $2) WHERE subject = $1`,
			func(alice, bob *secPerson) (int, string, bool) {
				page := alice.atCode().Submit("mfa-submit", "code", bob.code())
				return page.Status, page.Body, page.URL.Query().Has("code")
			}},
		{"codes", `UPDATE mfa_recovery_sets SET salt = (SELECT salt FROM mfa_recovery_sets WHERE subject = $2) WHERE subject = $1`,
			func(alice, bob *secPerson) (int, string, bool) {
				page := alice.recover(s.Browser(), alice.codes[0])
				return page.Status, page.Body, page.URL.Query().Has("code")
			}},
		{"row", `UPDATE mfa_authenticators SET subject = $1 WHERE subject = $2`,
			func(alice, bob *secPerson) (int, string, bool) {
				page := alice.atCode().Submit("mfa-submit", "code", bob.code())
				return page.Status, page.Body, page.URL.Query().Has("code")
			}},
	} {
		alice, bob := s.enrolled("alice"+row.name), s.enrolled("bob"+row.name)
		s.Clock.Add(31 * time.Second)
		if _, err := db.Exec(t.Context(), row.move, alice.Subject, bob.Subject); err != nil {
			t.Fatal(err)
		}
		status, body, granted := row.use(alice, bob)
		if granted || status != http.StatusInternalServerError || strings.Contains(body, alice.Email) {
			t.Errorf("%s: %d, granted %v", row.name, status, granted)
		}
		secNoInside(t, row.name, body)
		if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'mfa.unsealable' AND subject = $1`, alice.Subject); n == 0 {
			t.Errorf("%s: nothing is on record", row.name)
		}
		if row.name != "row" {
			secGranted(t, bob.atCode().Submit("mfa-submit", "code", bob.code()))
		}
	}
}
