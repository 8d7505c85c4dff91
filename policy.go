package idp

import (
	"context"
	"time"

	"github.com/focushq/idp/account"
)

// Reach is whom a policy asks for a second factor: what an administrator should see before it is put in force.
type Reach = account.Reach

// PolicyReach returns whom want would ask, compared with the policy in force. It puts nothing in force. After an upgrade it first
// makes up for what lists do not know yet of people's factors. An [account.Policy] that could not be set is an error.
func (p *IdP) PolicyReach(ctx context.Context, want account.Policy) (Reach, error) {
	if err := p.settleFactors(ctx); err != nil {
		return Reach{}, err
	}
	return p.Accounts.PolicyReach(ctx, want)
}

// settleFactors looks at everybody's factors if no process has ever done that. It must not run in a transaction.
func (p *IdP) settleFactors(ctx context.Context) error {
	settled, err := p.Accounts.Settled(ctx)
	if err != nil || settled {
		return err
	}
	return p.Accounts.CheckFactors(ctx, p.factorsOf)
}

// wireRules makes the snapshot of the policy, which every request asks for. One that cannot be read is none: nobody gets by
// because of it.
func (p *IdP) wireRules() {
	p.rules = snapshot[account.Policy]{
		what: "the policy", topic: "policy", db: p.db, log: p.log,
		read: func(ctx context.Context) (account.Policy, error) { return p.Accounts.Policy(ctx) },
	}
	p.rules.hear()
}

// sessionLives is what sessions ask, at every request.
func (p *IdP) sessionLives(ctx context.Context) (idle, overall time.Duration, err error) {
	rules, err := p.rules.get(ctx)
	return rules.SessionIdle, rules.SessionOverall, err
}
