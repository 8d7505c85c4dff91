package mfa

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

const (
	secretLen = 20 // bytes; RFC 4226, section 4, R6
	window    = 1  // steps to either side that are accepted; RFC 6238, section 5.2
	lookBack  = 20 // steps that are searched to say that a phone is slow, and that an offset may have
	edgeRun   = 3  // accepted codes in a row at the same edge that move the offset
	slowest   = 6  // steps by which a pair may be late because it was typed slowly; nobody takes longer
)

var keyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// stepAt returns the number of the time step that t lies in (RFC 6238, section 4.2).
func stepAt(t time.Time) int64 { return t.Unix() / int64(Period/time.Second) }

// codeAt returns the code of one time step: HMAC-SHA-1 and six digits, which is all that every app gets right.
func codeAt(secret []byte, step int64) (string, error) {
	return hotp.GenerateCodeCustom(keyEncoding.EncodeToString(secret), uint64(step),
		hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
}

// stepsOf returns, for each of the codes, which of the steps from first to last have it, ascending. All of them are
// compared, each in constant time.
func stepsOf(secret []byte, first, last int64, codes ...string) ([][]int64, error) {
	found := make([][]int64, len(codes))
	for step := max(first, 0); step <= last; step++ {
		candidate, err := codeAt(secret, step)
		if err != nil {
			return nil, err
		}
		for i, code := range codes {
			if subtle.ConstantTimeCompare([]byte(candidate), []byte(code)) == 1 {
				found[i] = append(found[i], step)
			}
		}
	}
	return found, nil
}

// keyURI returns the otpauth:// URI that the QR code holds. Both parts of the label are escaped, so that a ':' in the
// account stays one.
func keyURI(issuer, account, key string) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return "otpauth://totp/" + escape(issuer) + ":" + escape(account) +
		"?secret=" + key + "&issuer=" + escape(issuer) + "&algorithm=SHA1&digits=6&period=30"
}

// maxTyped bounds what is looked at of a typed code; no sensible spelling of one is longer.
const maxTyped = 96

// normalizeCode returns the six digits that were typed. Spaces and dashes are left out; full-width, Arabic and Persian
// digits are digits.
func normalizeCode(typed string) (string, bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	digits := make([]byte, 0, Digits+1)
	for _, r := range typed {
		if separator(r) {
			continue
		}
		d, ok := digit(r)
		if !ok || len(digits) == Digits {
			return "", false
		}
		digits = append(digits, d)
	}
	return string(digits), len(digits) == Digits
}

func separator(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) }

func digit(r rune) (byte, bool) {
	for _, zero := range []rune{'0', '０', '٠', '۰'} {
		if r >= zero && r <= zero+9 {
			return byte('0' + r - zero), true
		}
	}
	return 0, false
}

// VerifyTOTP accepts a code of one of the person's apps: of the current time step, the one before or the one after, in
// the app's own clock; each once, ever. Nothing but the Service's own clock counts. While that clock's offset is
// provisional (see [Drift]) the steps between it and ours are accepted too, and the code settles the offset.
//
// It returns [ErrNotEnrolled] and [ErrMalformedCode] (neither counted), a [*ThrottledError] (not looked at), or one of
// [ErrInvalidCode], [ErrReplayed] and [*ClockError], from which [TriesLeft] tells how many tries are left; the failure
// that seals is a sealed [*ThrottledError] as well. It must be called after the right password, and not inside a
// transaction of the caller: a count that is undone limits nobody.
func (s *Service) VerifyTOTP(ctx context.Context, subject, code string) error {
	digits, ok := normalizeCode(code)
	if !ok {
		return ErrMalformedCode
	}
	known, secrets, err := s.apps(ctx, subject)
	if err != nil {
		return err
	}
	try, err := s.reserve(ctx, subject, factorTOTP)
	if err != nil {
		return err
	}
	hits, err := s.search(known, secrets, digits)
	if err != nil {
		return err
	}
	var refused *refusal
	err = s.store.InOne(ctx, func(ctx context.Context) error {
		refused, err = s.settle(ctx, subject, try, hits)
		return err
	})
	if err != nil {
		return err
	}
	return s.outcome(ctx, try, refused)
}

// apps returns the person's authenticators and their secrets, or [ErrNotEnrolled].
func (s *Service) apps(ctx context.Context, subject string) (known []AuthenticatorRecord, secrets [][]byte, err error) {
	if known, err = s.store.Authenticators(ctx, subject); err != nil {
		return nil, nil, err
	}
	if len(known) == 0 {
		return nil, nil, ErrNotEnrolled
	}
	secrets = make([][]byte, len(known))
	for i, a := range known {
		if secrets[i], err = s.unseal(ctx, PlaceAuthenticator, a.ID, subject, a.Secret); err != nil {
			return nil, nil, err
		}
	}
	return known, secrets, nil
}

// hit is an authenticator that a code fits, at the given distance from its clock's current step.
type hit struct {
	AuthenticatorRecord
	step, distance int64
}

// inTime reports whether the code is accepted, unless it is used up. Later ones than the window are no hits.
func (h hit) inTime() bool { return h.distance >= -window }

// follow returns what is known of the phone's clock after the code was accepted.
func (h hit) follow() (offset int64, run int) {
	if h.Provisional {
		return allowance(h.Offset + h.distance), 0
	}
	return correct(h.Offset, h.Run, int(h.distance))
}

// search compares a code with all steps of all authenticators that matter. Of several steps of one authenticator the
// newest counts, so that the same digits are used up for good.
func (s *Service) search(known []AuthenticatorRecord, secrets [][]byte, digits string) ([]hit, error) {
	var hits []hit
	now := stepAt(s.config.Now())
	for i, a := range known {
		current := now + a.Offset
		last := current + window
		if a.Provisional { // the phone may be right, and its owner was slow
			last = now + window
		}
		found, err := stepsOf(secrets[i], current-lookBack, last, digits)
		if err != nil {
			return nil, err
		}
		if steps := found[0]; len(steps) > 0 {
			newest := steps[len(steps)-1]
			hits = append(hits, hit{a, newest, newest - current})
		}
	}
	return hits, nil
}

// settle uses up what the code fits and puts the outcome on record. A code older than the window is used up as well:
// else the sentence about the clock would tell a guesser what is good. Nothing is said about codes still to come.
func (s *Service) settle(ctx context.Context, subject string, try tries, hits []hit) (*refusal, error) {
	kind, cause := CodeRefused, ErrInvalidCode
	var accepted *hit
	var moved []string
	for _, h := range hits {
		advance := Advance{Step: h.step, Offset: h.Offset, Run: h.Run, Provisional: h.Provisional}
		if h.inTime() {
			advance.Offset, advance.Run = h.follow()
			advance.Provisional, advance.At = false, s.config.Now()
		}
		won, err := s.store.AdvanceStep(ctx, subject, h.ID, advance)
		switch {
		case err != nil:
			return nil, err
		case won && h.inTime():
			accepted = &h
			if advance.Offset != h.Offset { // the clock has been drifting for a while, or is right after all
				moved = []string{"offset", (time.Duration(advance.Offset) * Period).String()}
			}
		case !h.inTime() && (won || h.step < h.LastStep-1):
			// Only a slow clock shows it now, whether it was still good or older than what was used last: that is one
			// code, or the two of an enrolment.
			kind, cause = ClockWrong, &ClockError{Offset: time.Duration(h.Offset+h.distance) * Period}
		case cause == ErrInvalidCode:
			kind, cause = CodeReplayed, ErrReplayed
		}
	}
	if accepted == nil {
		return s.refuse(ctx, subject, factorTOTP, try, kind, cause)
	}
	return nil, s.accept(ctx, subject, try, accepted.AuthenticatorRecord, moved...)
}

// accept follows upon the right code, or the right two, of an app.
func (s *Service) accept(ctx context.Context, subject string, try tries, a AuthenticatorRecord, detail ...string) error {
	if err := s.clearAt(ctx, subject, factorTOTP, try.last, "code"); err != nil {
		return err
	}
	return s.emit(ctx, subject, CodeAccepted, append([]string{"name", a.Name}, detail...)...)
}

// allowance is what is stored of a clock that a code shows to be so many steps off. Up to one step slow typing and a
// wrong clock look alike.
func allowance(off int64) int64 {
	if off < -window || off > window {
		return off
	}
	return 0
}

// provisional reports whether an offset that was measured by a pair may still be slow typing: the first code that is
// accepted after it tells.
func provisional(offset int64) bool { return -slowest <= offset && offset < -window }

// correct follows a phone whose clock is drifting: edgeRun accepted codes in a row at the same edge of the window move
// the offset by one step. A single one moves nothing, for that may as well be slow typing.
func correct(offset int64, run, distance int) (int64, int) {
	switch {
	case distance == 0:
		return offset, 0
	case run*distance <= 0:
		return offset, distance
	case run+distance != edgeRun*distance:
		return offset, run + distance
	}
	moved := offset + int64(distance)
	if moved < -lookBack || moved > lookBack {
		return offset, 0
	}
	return moved, 0
}
