package mfasql

import "context"

// Failing is a factor of somebody with many failures in a row.
type Failing struct {
	Key string `db:"key"` // the factor's name, a slash, the subject
	N   int    `db:"n"`
}

// Failing returns up to limit factors with least failures in a row or more, those with most of them first.
func (s *Store) Failing(ctx context.Context, least, limit int) ([]Failing, error) {
	var out []Failing
	err := s.db.Select(ctx, &out, `SELECT key, n FROM mfa_attempts WHERE n >= $1 AND key NOT LIKE 'network/%'
		ORDER BY n DESC LIMIT $2`, least, limit)
	return out, err
}
