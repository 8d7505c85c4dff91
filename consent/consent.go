package consent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Store keeps decisions in the tables of the migration stream "consent".
type Store struct {
	DB  *dbx.DB
	Now func() time.Time // nil: time.Now
}

// Decision is what a person said about the scopes of one request.
type Decision struct {
	Granted []string  // of those requested, in the order of the request
	At      time.Time // the latest decision on any of them, to the millisecond; zero: some are undecided
}

// Grant is everything a person decided about one client.
type Grant struct {
	Client            string
	Granted, Declined []string // sorted
	At                time.Time
}

// row is a line of the table consents.
type row struct {
	Client    string `db:"client"`
	Scope     string `db:"scope"`
	Granted   bool   `db:"granted"`
	DecidedAt int64  `db:"decided_at"`
}

// Decide stores subject's answer to client: the granted and the declined scopes, each replacing an earlier answer. A
// scope in both lists is declined. Both lists empty is the answer to a request without scopes.
func (s *Store) Decide(ctx context.Context, subject, client string, granted, declined []string) error {
	answers := make(map[string]bool, len(granted)+len(declined))
	for _, scope := range granted {
		answers[scope] = true
	}
	for _, scope := range declined {
		answers[scope] = false
	}
	if len(answers) == 0 {
		answers[""] = true
	}
	scopes := make([]string, 0, len(answers))
	for scope := range answers {
		scopes = append(scopes, scope)
	}
	slices.Sort(scopes) // one order for everybody: two tabs that decide at once must not deadlock
	now := s.now().UnixMilli()
	err := s.DB.InTx(ctx, func(ctx context.Context) error {
		for _, scope := range scopes {
			_, err := s.DB.Exec(ctx, `
				INSERT INTO consents (subject, client, scope, granted, decided_at) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (subject, client, scope)
				DO UPDATE SET granted = excluded.granted, decided_at = excluded.decided_at`,
				subject, client, scope, answers[scope], now)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("consent: decide: %w", err)
	}
	return nil
}

const selectDecided = `SELECT client, scope, granted, decided_at FROM consents WHERE subject = $1 AND client = $2`

// Lookup is what [Store.Decided] will ask.
func Lookup(subject, client dbx.Arg) dbx.Lookup {
	return dbx.Lookup{Query: selectDecided, Args: []dbx.Arg{subject, client}}
}

// Decided returns what subject answered client about scopes. A declined scope counts as decided: whoever leaves an
// optional box empty is not asked again.
func (s *Store) Decided(ctx context.Context, subject, client string, scopes []string) (Decision, error) {
	var rows []row
	err := s.DB.Select(ctx, &rows, selectDecided, subject, client)
	if err != nil {
		return Decision{}, fmt.Errorf("consent: decided: %w", err)
	}
	answers := make(map[string]row, len(rows))
	for _, r := range rows {
		answers[r.Scope] = r
	}
	asked := scopes
	if len(asked) == 0 {
		asked = []string{""}
	}
	var out Decision
	var last int64
	undecided := false
	for _, scope := range asked {
		answer, ok := answers[scope]
		undecided = undecided || !ok
		last = max(last, answer.DecidedAt)
		if answer.Granted && scope != "" && !slices.Contains(out.Granted, scope) {
			out.Granted = append(out.Granted, scope)
		}
	}
	if !undecided {
		out.At = time.UnixMilli(last)
	}
	return out, nil
}

// Revoke forgets everything subject decided about client: the next request is asked about again. Ending the tokens
// that were issued is up to oauth.
func (s *Store) Revoke(ctx context.Context, subject, client string) error {
	if _, err := s.DB.Exec(ctx, `DELETE FROM consents WHERE subject = $1 AND client = $2`, subject, client); err != nil {
		return fmt.Errorf("consent: revoke: %w", err)
	}
	return nil
}

// RevokeAll forgets everything subject decided.
func (s *Store) RevokeAll(ctx context.Context, subject string) error {
	if _, err := s.DB.Exec(ctx, `DELETE FROM consents WHERE subject = $1`, subject); err != nil {
		return fmt.Errorf("consent: revoke all: %w", err)
	}
	return nil
}

// RevokeClient forgets what everybody decided about client, whose id somebody else may have later.
func (s *Store) RevokeClient(ctx context.Context, client string) error {
	if err := s.DB.Prune(ctx, "consents", "client", "client = $1", client); err != nil { // there may be very many
		return fmt.Errorf("consent: revoke client: %w", err)
	}
	return nil
}

// List returns what subject decided, a Grant per client, ordered by client.
func (s *Store) List(ctx context.Context, subject string) ([]Grant, error) {
	var rows []row
	err := s.DB.Select(ctx, &rows, `
		SELECT client, scope, granted, decided_at FROM consents WHERE subject = $1 ORDER BY client, scope`, subject)
	if err != nil {
		return nil, fmt.Errorf("consent: list: %w", err)
	}
	var out []Grant
	for _, r := range rows {
		if len(out) == 0 || out[len(out)-1].Client != r.Client {
			out = append(out, Grant{Client: r.Client})
		}
		grant := &out[len(out)-1]
		if at := time.UnixMilli(r.DecidedAt); at.After(grant.At) {
			grant.At = at
		}
		switch {
		case r.Scope == "":
		case r.Granted:
			grant.Granted = append(grant.Granted, r.Scope)
		default:
			grant.Declined = append(grant.Declined, r.Scope)
		}
	}
	return out, nil
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
