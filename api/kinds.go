package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/session"
)

// kind is a kind of problem: its name is a promise, as programs decide by it.
type kind struct {
	name   string
	status int
	title  string
}

// The kinds. docs/api.md explains each; a test holds them together.
var (
	missingToken      = kind{"missing-token", http.StatusUnauthorized, "An access token is needed"}
	invalidToken      = kind{"invalid-token", http.StatusUnauthorized, "The access token is not good"}
	stepUp            = kind{"insufficient-authentication", http.StatusUnauthorized, "The sign-in behind the token is not strong or recent enough"}
	insufficientScope = kind{"insufficient-scope", http.StatusForbidden, "The access token lacks a scope"}
	forbidden         = kind{"forbidden", http.StatusForbidden, "The actor may not do this"}
	notFound          = kind{"not-found", http.StatusNotFound, "There is no such thing"}
	methodNotAllowed  = kind{"method-not-allowed", http.StatusMethodNotAllowed, "The path does not take this method"}
	malformed         = kind{"malformed", http.StatusBadRequest, "The request cannot be read"}
	invalidParameter  = kind{"invalid-parameter", http.StatusBadRequest, "The request has a parameter that cannot be"}
	mismatch          = kind{"id-mismatch", http.StatusBadRequest, "The path and the body speak of different things"}
	tooLarge          = kind{"too-large", http.StatusRequestEntityTooLarge, "The body is too large"}
	unsupportedMedia  = kind{"unsupported-media-type", http.StatusUnsupportedMediaType, "The body is of a type that is not taken here"}
	invalid           = kind{"invalid", http.StatusUnprocessableEntity, "The request has a value that cannot be"}
	taken             = kind{"taken", http.StatusConflict, "Somebody or something else has this name"}
	conflict          = kind{"conflict", http.StatusConflict, "The state of things does not allow this"}
	lastAdministrator = kind{"last-administrator", http.StatusConflict, "The last administrator stays"}
	notYourself       = kind{"not-yourself", http.StatusConflict, "Nobody does this to themselves"}
	stale             = kind{"stale", http.StatusPreconditionFailed, "It was changed meanwhile"}
	preconditionGone  = kind{"precondition-required", http.StatusPreconditionRequired, "If-Match is needed"}
	keyReused         = kind{"idempotency-key-reused", http.StatusUnprocessableEntity, "The idempotency key was used for another request"}
	keyInUse          = kind{"idempotency-key-in-use", http.StatusConflict, "A request with this idempotency key is being answered"}
	keyUnknown        = kind{"idempotency-answer-lost", http.StatusConflict, "What became of the first request is not known"}
	tooMany           = kind{"too-many-requests", http.StatusTooManyRequests, "Too many requests"}
	busy              = kind{"busy", http.StatusServiceUnavailable, "The server is busy"}
	internal          = kind{"internal", http.StatusInternalServerError, "The server failed"}
)

// kinds are all of them.
func kinds() []kind {
	return []kind{
		missingToken, invalidToken, stepUp, insufficientScope, forbidden, notFound, methodNotAllowed, malformed, invalidParameter, mismatch,
		tooLarge, unsupportedMedia, invalid, taken, conflict, lastAdministrator, notYourself, stale, preconditionGone, keyReused, keyInUse,
		keyUnknown, tooMany, busy, internal,
	}
}

// state is a refusal of a domain, and the kind of problem that it is.
type state struct {
	err    error
	kind   kind
	detail string
}

// states are the refusals that have no field.
func states() []state {
	return []state{
		{account.ErrNotFound, notFound, "There is no such person or group."},
		{session.ErrNotFound, notFound, "The person has no such session."},
		{mfa.ErrNotFound, notFound, "The person has no such device."},
		{oauth.ErrNotFound, notFound, "There is no such client."},
		{account.ErrStale, stale, "Read it again, and send the ETag that it has now."},
		{account.ErrLastAdmin, lastAdministrator, "Nobody else could administer this server."},
		{account.ErrDisabled, conflict, "The person is disabled."},
		{account.ErrHasMembers, conflict, "The group has members: say members=remove to delete it all the same."},
		{account.ErrGroupNeeded, conflict, "The policy names the group."},
		{admin.ErrSelf, notYourself, "Another administrator has to do it."},
		{admin.ErrHasPassword, conflict, "The person has a password already: a reset link is what helps."},
		{mfa.ErrNotSealed, conflict, "The person's codes are being looked at."},
		{account.ErrCursor, invalidParameter, "The cursor is not one of this list."},
		{oauth.ErrTaken, taken, "Another client has this id."},
		{oauth.ErrStale, stale, "Read it again, and send the ETag that it has now."},
		{oauth.ErrReserved, conflict, "The client is this server's own."},
		{oauth.ErrTwoSecrets, conflict, "A former secret is still good: end it first."},
		{oauth.ErrNoFormerSecret, conflict, "There is no former secret that is still good."},
		{oauth.ErrNoKey, notFound, "There is no such key, or it has been revoked."},
		{oauth.ErrKeyWaits, conflict, "The new key of every algorithm waits already until it may sign."},
		{oauth.ErrKeyRace, conflict, "Somebody else changed the keys at the same moment."},
		{brand.ErrStale, stale, "Read it again, and send the ETag that it has now."},
		{admin.ErrNoMail, conflict, "No mail is sent here: there is no smtp_url."},
		{admin.ErrNoAddress, conflict, "There is no e-mail address of yours to which it could go."},
		{admin.ErrTrailQuery, invalidParameter, "There is no such group, the end is before the beginning, or the cursor is of another list."},
		{audit.ErrNotFound, notFound, "There is no such entry, or retention has removed it."},
		{account.ErrImportSize, tooLarge, "An import has at most 10,000 people and 5 MB."},
		{account.ErrBusy, busy, "Try again in a moment."},
	}
}

// problem returns what is told of an error. What nobody knows is logged, once.
func (s *Server) problem(ctx context.Context, c *call, err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, admin.ErrForbidden):
		return problem(forbidden, "This is refused, or refused for this person.")
	case errors.Is(err, admin.ErrReason):
		return problem(invalid, "A reason is needed.").with(FieldError{Pointer: "#/reason", Code: "empty", Detail: "1 to 512 bytes"})
	}
	if p := refusedValue(c, err); p != nil {
		return p
	}
	for _, known := range states() {
		if errors.Is(err, known.err) {
			return atOnce(problem(known.kind, known.detail), err)
		}
	}
	if dbx.IsBusy(err) || dbx.IsAway(err) {
		return problem(busy, "Try again in a moment.").retry(1)
	}
	s.cfg.Log.ErrorContext(ctx, "request failed", "id", requestID(ctx), "operation", c.op.id, "error", err)
	return problem(internal, "The server failed; the failure has been recorded.")
}

func atOnce(p *Problem, err error) *Problem {
	switch {
	case errors.Is(err, account.ErrBusy):
		return p.retry(1)
	case errors.Is(err, account.ErrCursor):
		return p.with(FieldError{Parameter: "cursor", Code: "unknown"})
	}
	return p
}

// refusedValue returns the problem of a value that a domain does not take, nil for any other error.
func refusedValue(c *call, err error) *Problem {
	field, code, detail := "", "", ""
	var person *account.InvalidError
	var client *oauth.InvalidError
	var look *brand.InvalidError
	switch {
	case errors.As(err, &person):
		field, code = person.Field, person.Reason
	case errors.As(err, &client):
		field, code, detail = client.Field, "invalid", client.Reason
	case errors.As(err, &look):
		field, code = look.Field, look.Reason
	default:
		return nil
	}
	if c.queried(field) {
		return problem(invalidParameter, "A parameter is not acceptable.").with(FieldError{Parameter: field, Code: code, Detail: detail})
	}
	field = strings.TrimPrefix(field, "policy.")
	what := FieldError{Pointer: "#/" + strings.ReplaceAll(field, ".", "/"), Code: code, Detail: detail}
	if code == "taken" {
		return problem(taken, "").with(what)
	}
	return problem(invalid, "A value of the body is not acceptable.").with(what)
}

// queried reports whether a field came in the query.
func (c *call) queried(field string) bool { return slices.Contains(c.op.known, field) }
