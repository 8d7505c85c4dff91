package mfa

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/crypto/argon2"
)

// alphabet is Crockford's: no I, L, O or U.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	recoveryLen   = 10 // bytes of a code: 80 bits, 16 characters
	recoveryChars = 16
	saltLen       = 16
)

var recoveryEncoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// argon is the hash of a recovery code: two passes, about 40 ms with 19 MiB. One salt serves the whole set, so that one
// run is compared with all its codes.
func argon(memory uint32) func(code string, salt []byte) []byte {
	return func(code string, salt []byte) []byte { return argon2.IDKey([]byte(code), salt, 2, memory, 1, 32) }
}

func newRecoveryCode() string { return recoveryEncoding.EncodeToString(random(recoveryLen)) }

// formatRecovery returns a code as it is shown: four groups of four.
func formatRecovery(code string) string {
	return code[:4] + "-" + code[4:8] + "-" + code[8:12] + "-" + code[12:]
}

// normalizeRecovery returns the 16 characters that were typed. Case, spaces and dashes don't matter, O is 0, I and L
// are 1: none of these letters is in the alphabet, so no two codes become one.
func normalizeRecovery(typed string) (string, bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	var out strings.Builder
	for _, r := range typed {
		if separator(r) {
			continue
		}
		r = unicode.ToUpper(r)
		switch r {
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if d, ok := digit(r); ok {
			r = rune(d)
		}
		if !strings.ContainsRune(alphabet, r) || out.Len() == recoveryChars {
			return "", false
		}
		out.WriteRune(r)
	}
	return out.String(), out.Len() == recoveryChars
}

// NewRecoveryCodes makes ten recovery codes and returns them as they are shown (this once), with the name of the set
// for [Service.Confirm] or, when enrollment is "", [Service.ConfirmRecoveryCodes]. Until then they don't work, and those
// that the person has go on working. The pending set that was made before is void: a page that is loaded again shows
// codes that count.
//
// It returns [ErrNotProven] for an enrolment whose codes are missing, [ErrNotEnrolled] when enrollment is "" and the
// person has no factor, and [ErrNotFound] or [ErrExpired].
func (s *Service) NewRecoveryCodes(ctx context.Context, owner Owner, enrollment string) (codes []string, set string, err error) {
	if err := s.mayHaveCodes(ctx, owner, enrollment); err != nil {
		return nil, "", err
	}
	salt := random(saltLen)
	made := CodeSet{ID: newID(), Owner: owner, Enrollment: enrollment, CreatedAt: s.config.Now()}
	if codes, made.Codes, err = s.newCodes(ctx, salt); err != nil {
		return nil, "", err
	}
	// The salt is sealed: without the key a dump of the store is not enough to try codes, however weak they were.
	if made.Salt, err = s.seal(PlaceCodes, made.ID, owner.Subject, salt); err != nil {
		return nil, "", err
	}
	err = s.change(ctx, owner.Subject, func(ctx context.Context) error { return s.store.AddCodes(ctx, made) })
	if err != nil {
		return nil, "", err
	}
	return codes, made.ID, nil
}

// newCodes makes a set's codes and their hashes, in one turn: who had to come ten times would hardly end where many wait.
func (s *Service) newCodes(ctx context.Context, salt []byte) (codes []string, records []CodeRecord, err error) {
	release, err := s.config.Gate(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	for n := range RecoveryCodeCount {
		code := newRecoveryCode()
		codes = append(codes, formatRecovery(code))
		records = append(records, CodeRecord{N: n, Hash: s.kdf(code, salt)})
	}
	return codes, records, nil
}

// mayHaveCodes refuses recovery codes before there is a factor that they could stand in for.
func (s *Service) mayHaveCodes(ctx context.Context, owner Owner, enrollment string) error {
	if enrollment != "" {
		pending, _, err := s.pending(ctx, owner, enrollment)
		if err == nil && !pending.Proven {
			return ErrNotProven
		}
		return err
	}
	return s.enrolled(ctx, owner.Subject)
}

// Enrolled reports whether the person has a factor of any kind: [Service.Status] for those who need no more.
func (s *Service) Enrolled(ctx context.Context, subject string) (bool, error) {
	brief, err := s.Brief(ctx, subject)
	return len(brief.Factors) > 0, err
}

// enrolled returns ErrNotEnrolled for somebody without a factor.
func (s *Service) enrolled(ctx context.Context, subject string) error {
	known, err := s.store.Authenticators(ctx, subject)
	if err != nil {
		return err
	}
	first, err := s.first(ctx, subject, known)
	if err == nil && first {
		return ErrNotEnrolled
	}
	return err
}

// ConfirmRecoveryCodes puts a set that the same owner made, and has seen, in the place of the old one. It reopens
// recovery codes that were sealed. [ErrReplaced] says that set is not the newest.
func (s *Service) ConfirmRecoveryCodes(ctx context.Context, owner Owner, set string) error {
	return s.change(ctx, owner.Subject, func(ctx context.Context) error {
		if err := s.enrolled(ctx, owner.Subject); err != nil {
			return err
		}
		before, err := s.store.Codes(ctx, owner.Subject)
		if err != nil {
			return err
		}
		if active, err := s.store.ActivateCodes(ctx, owner, "", set); err != nil || !active {
			return cmpErr(err, ErrReplaced)
		}
		if err := s.clear(ctx, owner.Subject, factorRecovery, string(CodesReplaced)); err != nil {
			return err
		}
		if before.ID == "" { // the first factor was not an app, which has codes from its enrolment on
			return s.emit(ctx, owner.Subject, CodesReplaced, "first", "true")
		}
		return s.emit(ctx, owner.Subject, CodesReplaced)
	})
}

// VerifyRecoveryCode accepts one of the person's unused recovery codes, in any order, and returns how many are left.
// It also reopens a sealed authenticator and ends all remembered devices.
//
// It returns [ErrNotEnrolled] and [ErrMalformedCode] (neither counted), a [*ThrottledError], or [ErrInvalidCode] (also
// for a used one, of which nothing is kept) or [ErrReplayed] (used this very moment), with [TriesLeft]. The same holds
// as for [Service.VerifyTOTP]: after the password, outside of the caller's transactions.
func (s *Service) VerifyRecoveryCode(ctx context.Context, subject, code string) (left int, err error) {
	typed, ok := normalizeRecovery(code)
	if !ok {
		return 0, ErrMalformedCode
	}
	set, err := s.store.Codes(ctx, subject)
	if err != nil {
		return 0, err
	}
	if set.ID == "" {
		return 0, ErrNotEnrolled
	}
	salt, err := s.unseal(ctx, PlaceCodes, set.ID, subject, set.Salt)
	if err != nil {
		return 0, err
	}
	try, hash, err := s.tryRecovery(ctx, subject, typed, salt)
	if err != nil {
		return 0, err
	}
	match := -1
	for i, c := range set.Codes {
		if subtle.ConstantTimeCompare(c.Hash, hash) == 1 {
			match = i
		}
	}
	var refused *refusal
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if match < 0 {
			refused, err = s.refuse(ctx, subject, factorRecovery, try, RecoveryRefused, ErrInvalidCode)
			return err
		}
		left, refused, err = s.spend(ctx, set, set.Codes[match].N, try)
		return err
	})
	if err != nil {
		return 0, err
	}
	return left, s.outcome(ctx, try, refused)
}

// tryRecovery counts a try and runs the hash. The gate comes first: nothing is counted that a busy server turns away.
func (s *Service) tryRecovery(ctx context.Context, subject, code string, salt []byte) (try tries, hash []byte, err error) {
	release, err := s.config.Gate(ctx)
	if err != nil {
		return tries{}, nil, err
	}
	defer release()
	if try, err = s.reserve(ctx, subject, factorRecovery); err != nil {
		return tries{}, nil, err
	}
	return try, s.kdf(code, salt), nil
}

// spend uses up the n-th code of a set and returns how many are left.
func (s *Service) spend(ctx context.Context, set CodeSet, n int, try tries) (int, *refusal, error) {
	if err := s.store.Lock(ctx, set.Subject); err != nil {
		return 0, nil, err
	}
	won, err := s.store.UseCode(ctx, set.Subject, set.ID, n, s.config.Now())
	if err != nil {
		return 0, nil, err
	}
	if !won {
		refused, err := s.refuse(ctx, set.Subject, factorRecovery, try, RecoveryRefused, ErrReplayed)
		return 0, refused, err
	}
	if err := s.clearAll(ctx, set.Subject, string(RecoveryUsed)); err != nil {
		return 0, nil, err
	}
	if err := s.forgetDevices(ctx, set.Subject, string(RecoveryUsed)); err != nil {
		return 0, nil, err
	}
	now, err := s.store.Codes(ctx, set.Subject)
	if err != nil {
		return 0, nil, err
	}
	return now.unused(), nil, s.emit(ctx, set.Subject, RecoveryUsed, "left", strconv.Itoa(now.unused()))
}

func (set CodeSet) unused() int {
	n := 0
	for _, c := range set.Codes {
		if c.UsedAt.IsZero() {
			n++
		}
	}
	return n
}
