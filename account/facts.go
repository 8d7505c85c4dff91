package account

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// FewCodes is how many unused recovery codes are few. The index accounts_few_codes has the same number.
const FewCodes = 3

// Factors is what lists and figures know of somebody's second factors.
type Factors struct {
	Enrolled  bool
	CodesLeft int // unused recovery codes
}

// SetFactorFacts keeps what lists and figures say of subject's second factors. The host calls it in the transaction of the
// change; nothing is decided by it. For somebody who has no account (any more) it does nothing.
func (s *Service) SetFactorFacts(ctx context.Context, subject string, f Factors) error {
	// No new version: it does not compete with whoever edits the account meanwhile.
	_, err := s.cfg.DB.Exec(ctx, `
		UPDATE accounts SET mfa_enrolled = $2, codes_left = $3
		WHERE subject = $1 AND (mfa_enrolled <> $2 OR codes_left <> $3)`, subject, f.Enrolled, f.CodesLeft)
	if err != nil {
		return fmt.Errorf("account: facts of factors: %w", err)
	}
	return nil
}

// factorBatch is how many people CheckFactors asks for at once.
const factorBatch = 500

// CheckFactors compares what is kept of everybody's second factors with what ask answers for up to 500 people at once, and
// writes what differs: once after an upgrade from a release that kept nothing, and then once a day, because a replica of
// such a release may have run meanwhile. Between days it does nothing; it goes on where another run was interrupted, and
// leaves the work to one replica at a time.
func (s *Service) CheckFactors(ctx context.Context, ask func(ctx context.Context, subjects []string) (map[string]Factors, error)) error {
	turn, err := s.claim(ctx, workFactors)
	if turn == nil {
		return err
	}
	for {
		last, err := s.checkFactors(ctx, turn.position, ask)
		switch {
		case err != nil:
			return err
		case last == "":
			return turn.done(ctx, s.now().Add(24*time.Hour))
		}
		if turn.position = last; turn.lost {
			return nil
		}
		if err := turn.advance(ctx, last); err != nil {
			return err
		}
	}
}

// checkFactors compares one batch, of those whose subjects follow after, and returns the last of them, "" for nobody.
func (s *Service) checkFactors(ctx context.Context, after string, ask func(context.Context, []string) (map[string]Factors, error)) (last string, err error) {
	var kept []struct {
		Subject   string `db:"subject"`
		Enrolled  bool   `db:"mfa_enrolled"`
		CodesLeft int    `db:"codes_left"`
	}
	err = s.cfg.DB.Select(ctx, &kept, `
		SELECT subject, mfa_enrolled, codes_left FROM accounts WHERE subject > $1 ORDER BY subject LIMIT $2`, after, factorBatch)
	if err != nil || len(kept) == 0 {
		return "", err
	}
	subjects := make([]string, len(kept))
	for i, k := range kept {
		subjects[i] = k.Subject
	}
	truth, err := ask(ctx, subjects)
	if err != nil {
		return "", err
	}
	for _, k := range kept {
		is := truth[k.Subject]
		if is == (Factors{k.Enrolled, k.CodesLeft}) {
			continue
		}
		// Only over what was read before ask: an event since then knows better.
		_, err := s.cfg.DB.Exec(ctx, `
			UPDATE accounts SET mfa_enrolled = $4, codes_left = $5
			WHERE subject = $1 AND mfa_enrolled = $2 AND codes_left = $3`,
			k.Subject, k.Enrolled, k.CodesLeft, is.Enrolled, is.CodesLeft)
		if err != nil {
			return "", fmt.Errorf("account: check factors: %w", err)
		}
	}
	return kept[len(kept)-1].Subject, nil
}

// Settled reports whether lists and figures are whole: after an upgrade it takes a while until everybody's names can be
// searched and their factors were looked at ([Service.IndexNames], [Service.CheckFactors]).
func (s *Service) Settled(ctx context.Context) (bool, error) {
	var open int
	err := s.cfg.DB.Get(ctx, &open, `
		SELECT (SELECT count(*) FROM account_work WHERE name = $1 AND due_at = 0) +
			(SELECT count(*) FROM (SELECT 1 AS one FROM accounts WHERE `+unsearched+` LIMIT 1) AS unmade)`, workFactors)
	if err != nil {
		return false, fmt.Errorf("account: settled: %w", err)
	}
	return open == 0, nil
}

// signedInEvery is how exact [Account.SignedInAt] is: most sign-ins of a day write nothing.
const signedInEvery = time.Hour

// SignedIn lets a sign in: it belongs into the transaction that begins the session, which must not begin after an error. A is
// what proved who it is: of [Service.Authenticate], or read before a passkey was accepted. That may be seconds ago, and whoever
// changes the password or disables the account meanwhile is told that all sessions have ended: [ErrCredentials] when the password is
// another one, [ErrDisabledCredentials] when the account was disabled. It notes when that was, unless that was noted within the hour.
func (s *Service) SignedIn(ctx context.Context, a *Account) error {
	// The row is written in any case. Until this transaction ends, whoever wants to change it waits, and then ends the session of
	// it as well; whoever was first has changed what is asked for here. No index is written where no indexed column changes.
	now := s.now().Unix()
	n, err := s.cfg.DB.Exec(ctx, `
		UPDATE accounts SET signed_in_at = CASE WHEN signed_in_at <= $3 THEN $2 ELSE signed_in_at END
		WHERE subject = $1 AND password = $4 AND NOT disabled`, a.Subject, now, now-int64(signedInEvery/time.Second), a.passwordThen())
	if err != nil {
		return fmt.Errorf("account: signed in: %w", err)
	}
	if n > 0 {
		return nil
	}
	r, err := s.rowOf(ctx, a.Subject)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	case err == nil && r.Disabled && r.Password == a.passwordThen():
		return ErrDisabledCredentials
	}
	return ErrCredentials
}
