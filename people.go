package idp

import (
	"context"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfasql"
)

// changesFactors are the events after which somebody may have a factor that they had not, or other recovery codes. What
// lists and figures of people say is read anew then, in the transaction of the change.
var changesFactors = map[mfa.Kind]bool{
	mfa.Enrolled: true, mfa.Disabled: true, mfa.AuthenticatorAdded: true, mfa.AuthenticatorRemoved: true, mfa.CodesReplaced: true,
	mfa.RecoveryUsed: true, mfa.WasReset: true, mfapasskey.Name + "_added": true, mfapasskey.Name + "_removed": true,
}

// keepFactors notes what e made of a person's factors, for lists and figures.
func (p *IdP) keepFactors(ctx context.Context, e mfa.Event) error {
	if !changesFactors[e.Kind] {
		return nil
	}
	status, err := p.MFA.Status(ctx, e.Subject)
	if err != nil {
		return err
	}
	return p.Accounts.SetFactorFacts(ctx, e.Subject, account.Factors{Enrolled: status.Enrolled, CodesLeft: status.CodesLeft})
}

// factorsOf asks package mfa about many people at once.
func (p *IdP) factorsOf(ctx context.Context, subjects []string) (map[string]account.Factors, error) {
	enrolled, err := p.MFA.EnrolledAmong(ctx, subjects)
	if err != nil {
		return nil, err
	}
	codes, err := mfasql.New(p.db.SQLX()).CodesLeftAmong(ctx, subjects)
	if err != nil {
		return nil, err
	}
	out := make(map[string]account.Factors, len(enrolled))
	for _, subject := range subjects {
		if f := (account.Factors{Enrolled: enrolled[subject], CodesLeft: codes[subject]}); f != (account.Factors{}) {
			out[subject] = f
		}
	}
	return out, nil
}

// tendPeople brings what lists and figures of people read up to date: the words of names, what is kept of factors, today's
// figures. Each of them is done by one replica at a time; most of the time there is nothing to do.
func (p *IdP) tendPeople(ctx context.Context) {
	for _, work := range []func(context.Context) error{
		p.Accounts.IndexNames,
		func(ctx context.Context) error { return p.Accounts.CheckFactors(ctx, p.factorsOf) },
		p.Accounts.KeepFigures,
	} {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "lists of people lag behind", "error", err)
		}
	}
}
