package idp

import "errors"

// ErrRefused says that a provider does not start on the files that it was given: keys that are missing, that others may read
// or that are not those of the database, or a database that others may read. Nothing was changed.
var ErrRefused = errors.New("idp: refused to start")

// refusal is an error that is [ErrRefused] and says why in its own words.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func (refusal) Is(target error) bool { return target == ErrRefused }

// refused marks an error, if it is one.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return refusal{err}
}
