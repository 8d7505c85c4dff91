package e2e

import (
	"strings"

	"github.com/focushq/idp/internal/mail"
)

// letters returns what was mailed after the first so many letters, but for those about a new browser, which tests sign in from
// all the time.
func (s *secSite) letters(after int) (out []mail.Message) {
	for _, m := range s.Mail.Sent()[after:] {
		if !strings.Contains(m.Subject, "in a new browser") && !strings.Contains(m.Subject, "in einem neuen Browser") {
			out = append(out, m)
		}
	}
	return out
}
