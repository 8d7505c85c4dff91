// Package errorsx is the part of github.com/ory/x/errorsx that ory/fosite calls: errors that carry a stack and
// the interfaces by which an error tells more about itself.
package errorsx

import (
	"errors"

	pkgerrors "github.com/pkg/errors"
)

// WithStack adds a stack trace to err unless there is one in its chain. It returns nil for nil.
func WithStack(err error) error {
	if err == nil {
		return nil
	}
	var traced interface{ StackTrace() pkgerrors.StackTrace }
	if errors.As(err, &traced) {
		return err
	}
	return pkgerrors.WithStack(err)
}

// Cause returns the innermost error that err was made from by a Cause method.
func Cause(err error) error { return pkgerrors.Cause(err) }

// StatusCodeCarrier is an error that knows its HTTP status.
type StatusCodeCarrier interface{ StatusCode() int }

// RequestIDCarrier is an error that knows the request it happened in.
type RequestIDCarrier interface{ RequestID() string }

// ReasonCarrier is an error that explains itself to the caller.
type ReasonCarrier interface{ Reason() string }

// DebugCarrier is an error that explains itself to the developer.
type DebugCarrier interface{ Debug() string }

// StatusCarrier is an error that knows the text of its HTTP status.
type StatusCarrier interface{ Status() string }

// DetailsCarrier is an error with further details.
type DetailsCarrier interface{ Details() map[string]interface{} }
