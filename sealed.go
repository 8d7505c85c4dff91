package idp

import (
	"context"
	"strings"

	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfasql"
)

// mostSealed is how many sealed factors are looked at: an administrator who sees that many has another problem.
const mostSealed = 1000

// sealed returns how many people have a factor of which nothing is looked at any more, after so many wrong codes.
func (p *IdP) sealed(ctx context.Context) (int, error) {
	least := p.MFA.SealsAt(mfapasskey.Name)
	for _, name := range []string{"totp", "recovery"} {
		least = min(least, p.MFA.SealsAt(name))
	}
	failing, err := mfasql.New(p.db.SQLX()).Failing(ctx, least, mostSealed)
	if err != nil {
		return 0, err
	}
	people := map[string]bool{}
	for _, f := range failing {
		if name, subject, ok := strings.Cut(f.Key, "/"); ok && f.N >= p.MFA.SealsAt(name) {
			people[subject] = true
		}
	}
	return len(people), nil
}
