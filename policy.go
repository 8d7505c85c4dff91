package idp

import (
	"context"
	"fmt"
	"strings"

	"github.com/focushq/idp/account"
)

// Reach is whom a policy asks for a second factor: what an administrator should see before it is put in force.
type Reach struct {
	Asked    int      `json:"asked"`    // people who may sign in and would be asked
	Enrolled int      `json:"enrolled"` // of them, those with a factor
	Hit      []string `json:"hit"`      // user names of those without one whom the policy in force does not ask
}

// PolicyReach returns whom want would ask, compared with the policy in force. It changes nothing. An [account.Policy] that
// could not be set is an error.
func (p *IdP) PolicyReach(ctx context.Context, want account.Policy) (Reach, error) {
	is, err := p.Accounts.Policy(ctx)
	if err != nil {
		return Reach{}, err
	}
	asked, err := p.Accounts.AskedBy(ctx, want)
	if err != nil {
		return Reach{}, err
	}
	subjects := make([]string, len(asked))
	for i, a := range asked {
		subjects[i] = a.Subject
	}
	enrolled, err := p.MFA.EnrolledAmong(ctx, subjects)
	if err != nil {
		return Reach{}, err
	}
	reach := Reach{Asked: len(asked), Hit: []string{}}
	for _, a := range asked {
		already, _ := p.Accounts.MFAGrace(a, is)
		switch {
		case enrolled[a.Subject]:
			reach.Enrolled++
		case !already:
			reach.Hit = append(reach.Hit, a.Username)
		}
	}
	return reach, nil
}

// String says it in one line, with the first few names.
func (r Reach) String() string {
	const few = 5
	text := fmt.Sprintf("asks %s for MFA, of whom %d must still enrol, %d because of this change",
		people(r.Asked), r.Asked-r.Enrolled, len(r.Hit))
	if len(r.Hit) == 0 {
		return text
	}
	text += ": " + strings.Join(r.Hit[:min(few, len(r.Hit))], ", ")
	if more := len(r.Hit) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
