package consent

import (
	"context"
	"errors"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

var errSkeleton = errors.New("consent: being written")

// Store keeps the decisions.
type Store struct {
	DB  *dbx.DB
	Now func() time.Time
}

// Decision is what a person said about requested scopes.
type Decision struct {
	Granted []string  // of those requested, in their order
	At      time.Time // the last decision; zero: some are undecided
}

// Grant is what a person decided about one client.
type Grant struct {
	Client            string
	Granted, Declined []string
	At                time.Time
}

func (s *Store) Decide(ctx context.Context, subject, client string, granted, declined []string) error {
	return errSkeleton
}
func (s *Store) Decided(ctx context.Context, subject, client string, scopes []string) (Decision, error) {
	return Decision{}, errSkeleton
}
func (s *Store) Revoke(ctx context.Context, subject, client string) error  { return errSkeleton }
func (s *Store) RevokeAll(ctx context.Context, subject string) error       { return errSkeleton }
func (s *Store) List(ctx context.Context, subject string) ([]Grant, error) { return nil, errSkeleton }
