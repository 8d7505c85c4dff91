package mfahttp

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/focushq/idp/mfa"
)

// Problem is what was wrong with a form: the page chooses the sentence by ID.
//
//	problem.code.malformed, .wrong, .replayed, .clock, .sealed           a code at sign-in
//	problem.pair.malformed, .same, .swapped, .wrong, .replayed, .clock,
//	    .sealed                                                          two codes at sign-in
//	problem.pair.one                                                     one code, for two are too many before the seal
//	problem.recovery.malformed, .wrong, .none, .sealed                   a recovery code at sign-in
//	problem.key.refused, .cloned, .ceremony, .malformed, .sealed,
//	    .in_use                                                          a passkey at sign-in
//	problem.key.refused, .taken, .ceremony, .malformed, .too_many        a new passkey
//	problem.throttled                                                    not looked at; Args Wait
//	problem.enrol.same, .swapped, .gap, .field1, .field2, .malformed,
//	    .wrong_entry, .other_entry, .other_abandoned, .clock             the two codes of an enrolment
//	problem.enrol.unsaved, .replaced                                     its recovery codes
//	problem.enrol.expired, .not_found, .too_many                         cannot go on, or begin
//	problem.settings.name, .name_taken, .not_found                       rename, remove or forget
//
// Args may hold Left (int: tries left, when only one or two are), Single (bool: the one try left is too few for two codes,
// which have to wait), Wait (time.Duration: no code is looked at before),
// Offset (time.Duration: the phone's clock minus ours), Name ("Issuer: account", the entry to look for in the app), Other
// (the entry that the codes came from) and Max (int: the most authenticators, or passkeys).
type Problem struct {
	ID    string
	Field string // name of the input at fault, "" when it is the whole form
	Args  map[string]any
}

// fewTries is from how many on the page says how many are left.
const fewTries = 2

// codeProblem puts the refusal of a factor at sign-in, of kind "code", "pair", "recovery" or "key", into a problem.
// It is nil for an error that is not the person's.
func (h *handler) codeProblem(kind string, err error) *Problem {
	field := map[string]string{"code": "code", "pair": "code1", "recovery": "recovery_code"}[kind]
	p := &Problem{Field: field, Args: map[string]any{}}
	var throttled *mfa.ThrottledError
	var clock *mfa.ClockError
	switch {
	case errors.As(err, &throttled) && throttled.Sealed:
		p.ID = kind + ".sealed"
	case errors.As(err, &throttled):
		p.ID = "throttled"
	case errors.Is(err, mfa.ErrMalformedCode):
		p.ID = kind + ".malformed"
	case errors.As(err, &clock):
		p.ID = kind + ".clock"
		p.Args["Offset"] = clock.Offset
	case errors.Is(err, mfa.ErrReplayed) && kind != "recovery":
		p.ID = kind + ".replayed"
	case errors.Is(err, mfa.ErrCloned):
		p.ID = kind + ".cloned"
	case errors.Is(err, mfa.ErrInvalidCode) && kind == "key":
		p.ID = "key.refused"
	case errors.Is(err, mfa.ErrInvalidCode), errors.Is(err, mfa.ErrReplayed), errors.Is(err, mfa.ErrSwapped):
		p.ID = kind + ".wrong"
	default:
		return nil
	}
	p.ID = "problem." + p.ID
	if left, ok := mfa.TriesLeft(err); ok && left > 0 {
		tries := left
		if kind == "pair" {
			tries = left / 2 // a pair costs two
		}
		switch {
		case tries == 0:
			p.Args["Single"] = true
		case tries <= fewTries:
			p.Args["Left"] = tries
		}
	}
	if wait := h.wait(err); wait > 0 {
		p.Args["Wait"] = wait
	}
	return p
}

// pairProblem puts the refusal of an enrolment's two codes into a problem. It is nil for an error that is not about
// them.
func (h *handler) pairProblem(e *mfa.Enrollment, err error) *Problem {
	p := &Problem{Args: map[string]any{"Name": entry(e.Issuer, e.Account)}}
	var pair *mfa.PairError
	var other *mfa.OtherEntryError
	var clock *mfa.ClockError
	switch {
	case errors.Is(err, mfa.ErrSameCode):
		p.ID, p.Field = "same", "code2"
	case errors.Is(err, mfa.ErrSwapped):
		p.ID, p.Field = "swapped", "code1"
	case errors.Is(err, mfa.ErrNotConsecutive):
		p.ID, p.Field = "gap", "code2"
	case errors.As(err, &other):
		p.ID, p.Field, p.Args["Other"] = "other_entry", "code1", other.Name
		if other.Abandoned {
			p.ID = "other_abandoned"
		}
	case errors.As(err, &clock):
		p.ID, p.Field, p.Args["Offset"] = "clock", "code1", clock.Offset
	case errors.As(err, &pair):
		p.Field = pair.Field
		switch {
		case errors.Is(err, mfa.ErrMalformedCode):
			p.ID = "malformed"
		case pair.Field == "code2":
			p.ID = "field2"
		default:
			p.ID = "field1"
		}
	case errors.Is(err, mfa.ErrMalformedCode):
		p.ID, p.Field = "malformed", "code1"
	case errors.Is(err, mfa.ErrInvalidCode):
		p.ID, p.Field = "wrong_entry", "code1"
	default:
		return nil
	}
	p.ID = "problem.enrol." + p.ID
	return p
}

// status returns the answer's status for the refusal of a code, after setting Retry-After where there is a wait.
func (h *handler) status(w http.ResponseWriter, err error) int {
	var throttled *mfa.ThrottledError
	switch {
	case !errors.As(err, &throttled):
		return http.StatusUnprocessableEntity
	case throttled.Sealed: // no waiting helps
		return http.StatusForbidden
	}
	retryAfter(w, h.wait(err))
	return http.StatusTooManyRequests
}

func retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait/time.Second))))
}

// wait returns how long no code is looked at after err, in whole seconds rounded up.
func (h *handler) wait(err error) time.Duration {
	at, ok := mfa.RetryAt(err)
	if !ok {
		return 0
	}
	return h.until(at)
}

// until returns the time from now to at in whole seconds rounded up, zero when at is over or unset.
func (h *handler) until(at time.Time) time.Duration {
	left := at.Sub(h.Now())
	if at.IsZero() || left <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(left.Seconds())) * time.Second
}

// standing returns what a page says before anything was typed: that codes are not looked at, and for how long.
func (h *handler) standing(kind string, sealed bool, retryAt time.Time) (*Problem, time.Duration) {
	if sealed {
		return h.codeProblem(kind, &mfa.ThrottledError{Sealed: true}), 0
	}
	if wait := h.until(retryAt); wait > 0 {
		return h.codeProblem(kind, &mfa.ThrottledError{Until: retryAt}), wait
	}
	return nil, 0
}

func entry(issuer, account string) string { return issuer + ": " + account }
