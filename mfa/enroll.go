package mfa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxPairs bounds the wrong pairs of one enrolment. They touch no count of the sign-in: whoever enrols sees the key.
const maxPairs = 30

// Enrollment is an authenticator that is being set up. Nothing is on before [Service.Confirm].
type Enrollment struct {
	ID        string
	Account   string // as whom the entry stands in the app, beside Issuer
	Issuer    string
	Key       string // base32 without padding, 32 characters
	URI       string // otpauth://, for the QR code and for a link
	ExpiresAt time.Time
	Proven    bool // the two codes were given
	First     bool // the person has no factor yet: recovery codes follow
}

// Drift is the difference between the phone's clock and ours.
type Drift struct {
	Offset time.Duration // positive: the phone is fast; zero when it is within a minute, which nobody needs to know
	// The codes came one to three minutes late: the phone may be as slow as Offset says, or its owner took so long to
	// type. The next accepted code settles it; until then the clock may be either.
	Provisional bool
}

// newDrift is the drift of so many steps that a pair of codes shows.
func newDrift(offset int64) Drift {
	return Drift{Offset: time.Duration(offset) * Period, Provisional: provisional(offset)}
}

// Enroll begins to set up an authenticator and returns its secret, which stays the same for half an hour. An
// authenticator that the person has goes on working. Account is the name under which the entry stands in the app.
//
// It returns [ErrTooMany] when the person has [MaxAuthenticators], and [ErrName] for an account that no app can show.
// Call it on POST only, and for a person who has just proved what they have.
func (s *Service) Enroll(ctx context.Context, owner Owner, account string) (*Enrollment, error) {
	if account == "" || len(account) > 254 || !printable(account) {
		return nil, fmt.Errorf("%w: account %q", ErrName, account)
	}
	secret, now := random(secretLen), s.config.Now()
	pending := PendingEnrollment{
		ID: newID(), Owner: owner, Account: account,
		CreatedAt: now, ExpiresAt: now.Add(EnrollmentLife),
	}
	var err error
	if pending.Secret, err = s.seal(PlaceEnrollment, pending.ID, owner.Subject, secret); err != nil {
		return nil, err
	}
	var out *Enrollment
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		known, err := s.store.Authenticators(ctx, owner.Subject)
		if err != nil {
			return err
		}
		if len(known) >= MaxAuthenticators {
			return ErrTooMany
		}
		first, err := s.first(ctx, owner.Subject, known)
		if err != nil {
			return err
		}
		out = s.show(pending, secret, first)
		return s.store.AddEnrollment(ctx, pending)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Enrollment returns an enrolment that the same owner began: [ErrNotFound] for anybody else, [ErrExpired] after its
// half hour.
func (s *Service) Enrollment(ctx context.Context, owner Owner, id string) (*Enrollment, error) {
	pending, _, err := s.pending(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	known, err := s.store.Authenticators(ctx, owner.Subject)
	if err != nil {
		return nil, err
	}
	first, err := s.first(ctx, owner.Subject, known)
	if err != nil {
		return nil, err
	}
	secret, err := s.unseal(ctx, PlaceEnrollment, pending.ID, owner.Subject, pending.Secret)
	if err != nil {
		return nil, err
	}
	return s.show(pending, secret, first), nil
}

// first reports whether the person, who has the known authenticators, has no factor yet.
func (s *Service) first(ctx context.Context, subject string, known []AuthenticatorRecord) (bool, error) {
	if len(known) > 0 {
		return false, nil
	}
	other, err := s.otherFactor(ctx, subject)
	return !other, err
}

func (s *Service) show(p PendingEnrollment, secret []byte, first bool) *Enrollment {
	key := keyEncoding.EncodeToString(secret)
	return &Enrollment{
		ID: p.ID, Account: p.Account, Issuer: s.config.Issuer, Key: key, URI: keyURI(s.config.Issuer, p.Account, key),
		ExpiresAt: p.ExpiresAt, Proven: p.Proven, First: first,
	}
}

// pending returns the owner's enrolment, and the subject's other ones.
func (s *Service) pending(ctx context.Context, owner Owner, id string) (PendingEnrollment, []PendingEnrollment, error) {
	all, err := s.store.Enrollments(ctx, owner.Subject)
	if err != nil {
		return PendingEnrollment{}, nil, err
	}
	at := slices.IndexFunc(all, func(p PendingEnrollment) bool { return p.ID == id && p.Owner == owner })
	if at < 0 {
		return PendingEnrollment{}, nil, ErrNotFound
	}
	found := all[at]
	if !s.config.Now().Before(found.ExpiresAt) {
		return PendingEnrollment{}, nil, ErrExpired
	}
	return found, slices.Delete(all, at, at+1), nil
}

// VerifyEnrollment takes the app's current code and the one that comes next, and measures the phone's clock by them:
// up to ten minutes are allowed for, and both codes are used up. A second call for a proven enrolment changes nothing.
//
// What is wrong it says as precisely as can be: [ErrSameCode], [ErrSwapped], [ErrNotConsecutive], a [*PairError], an
// [*OtherEntryError], a [*ClockError] for a clock that is off by more, [ErrInvalidCode] when neither code fits. All but
// what is no code goes on record, so that a help desk sees why somebody could not enrol. None of that counts at sign-in;
// after thirty pairs the enrolment is [ErrExpired].
func (s *Service) VerifyEnrollment(ctx context.Context, owner Owner, id, code, next string) (Drift, error) {
	pending, others, err := s.pending(ctx, owner, id)
	if err != nil {
		return Drift{}, err
	}
	if pending.Proven {
		return newDrift(pending.Offset), nil
	}
	digits, nextDigits, malformed := twoCodes(code, next)
	if errors.Is(malformed, ErrMalformedCode) {
		return Drift{}, malformed
	}
	counted, err := s.store.CountPair(ctx, owner.Subject, id, maxPairs)
	if err != nil {
		return Drift{}, err
	}
	if !counted {
		return Drift{}, ErrExpired
	}
	if malformed != nil {
		return Drift{}, s.refuseEnrollment(ctx, owner.Subject, malformed)
	}

	secret, err := s.unseal(ctx, PlaceEnrollment, pending.ID, owner.Subject, pending.Secret)
	if err != nil {
		return Drift{}, err
	}
	now := stepAt(s.config.Now())
	typed, err := comparePair(secret, digits, nextDigits, now, farthest)
	if err != nil {
		return Drift{}, err
	}
	last, wrong := typed.explain()
	if wrong != nil && !typed.belongs() {
		wrong = cmpErr(s.otherEntry(ctx, owner.Subject, others, digits, nextDigits, now), wrong)
	}
	if wrong != nil {
		return Drift{}, s.refuseEnrollment(ctx, owner.Subject, wrong)
	}
	offset := typed.offset(last)
	if _, err := s.store.Prove(ctx, owner.Subject, id, offset, last); err != nil {
		return Drift{}, err
	}
	return newDrift(offset), nil
}

// refuseEnrollment puts on record why two codes were refused, in a word and without them, and returns wrong. What is not
// about the codes is returned alone.
func (s *Service) refuseEnrollment(ctx context.Context, subject string, wrong error) error {
	var field *PairError
	var clock *ClockError
	var other *OtherEntryError
	var detail []string
	switch {
	case errors.Is(wrong, ErrSameCode):
		detail = []string{"reason", ReasonSame}
	case errors.Is(wrong, ErrSwapped):
		detail = []string{"reason", ReasonSwapped}
	case errors.Is(wrong, ErrNotConsecutive):
		detail = []string{"reason", ReasonGap}
	case errors.As(wrong, &field): // the other one is right
		detail = []string{"reason", map[string]string{"code1": ReasonFirst, "code2": ReasonSecond}[field.Field]}
	case errors.As(wrong, &clock):
		detail = []string{"reason", ReasonClock, "offset", clock.Offset.String()}
	case errors.As(wrong, &other) && other.Abandoned:
		detail = []string{"reason", ReasonAbandonedEntry}
	case errors.As(wrong, &other):
		detail = []string{"reason", ReasonOtherEntry}
	case errors.Is(wrong, ErrInvalidCode):
		detail = []string{"reason", ReasonNeither}
	default:
		return wrong
	}
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		return s.emit(ctx, subject, EnrollRefused, detail...)
	})
	return cmpErr(err, wrong)
}

// otherEntry returns an error when the codes come from another of the person's entries: an authenticator, or an
// enrolment that was given up (password managers keep every key that was once shown). It returns nil otherwise, and
// when that cannot be told.
func (s *Service) otherEntry(ctx context.Context, subject string, pending []PendingEnrollment, code, next string, now int64) error {
	fits := func(place, id string, sealed []byte, offset int64) bool {
		secret, err := s.unseal(ctx, place, id, subject, sealed)
		if err != nil {
			return false
		}
		typed, err := comparePair(secret, code, next, now+offset, lookBack)
		return err == nil && typed.belongs()
	}
	known, err := s.store.Authenticators(ctx, subject)
	if err != nil {
		return err
	}
	for _, a := range known {
		if fits(PlaceAuthenticator, a.ID, a.Secret, a.Offset) {
			return &OtherEntryError{Name: a.Name}
		}
	}
	for _, p := range pending {
		if fits(PlaceEnrollment, p.ID, p.Secret, 0) {
			return &OtherEntryError{Name: p.Account, Abandoned: true}
		}
	}
	return nil
}

// Confirm makes a proven enrolment an authenticator and returns its name. As the first factor of a person it turns
// MFA on, and set must be the recovery codes that the page has shown: [ErrReplaced] when they are not the newest. For a
// further one set is "". Remembered devices end, and other enrolments of the person with them.
//
// It returns [ErrNotProven], [ErrTooMany], [ErrExpired], and [ErrNotFound] also when it was confirmed before.
func (s *Service) Confirm(ctx context.Context, owner Owner, enrollment, set string) (name string, err error) {
	err = s.change(ctx, owner.Subject, func(ctx context.Context) error {
		name, err = s.confirm(ctx, owner, enrollment, set)
		return err
	})
	return name, err
}

func (s *Service) confirm(ctx context.Context, owner Owner, enrollment, set string) (string, error) {
	subject := owner.Subject
	pending, _, err := s.pending(ctx, owner, enrollment)
	if err != nil {
		return "", err
	}
	known, err := s.store.Authenticators(ctx, subject)
	if err != nil {
		return "", err
	}
	first, err := s.first(ctx, subject, known)
	if err != nil {
		return "", err
	}
	kind := AuthenticatorAdded
	switch {
	case !pending.Proven:
		return "", ErrNotProven
	case len(known) >= MaxAuthenticators:
		return "", ErrTooMany
	case !first && set != "":
		return "", ErrReplaced
	case first:
		kind = Enrolled
		if active, err := s.store.ActivateCodes(ctx, owner, enrollment, set); err != nil || !active {
			return "", cmpErr(err, ErrReplaced)
		}
	}
	if removed, err := s.store.RemoveEnrollments(ctx, subject); err != nil || removed == 0 {
		return "", cmpErr(err, ErrNotFound)
	}
	added, err := s.activate(ctx, pending, freeName(known))
	if err != nil {
		return "", err
	}
	if err := s.forgetDevices(ctx, subject, string(kind)); err != nil {
		return "", err
	}
	if kind == Enrolled { // whatever was counted before was counted against factors that are gone
		if err := s.clearAll(ctx, subject, string(kind)); err != nil {
			return "", err
		}
	}
	return added.Name, s.emit(ctx, subject, kind, "name", added.Name,
		"offset", (time.Duration(added.Offset) * Period).String())
}

// activate seals the secret anew for its place among the authenticators. The identifier stays, so that one enrolment
// can never become two of them.
func (s *Service) activate(ctx context.Context, p PendingEnrollment, name string) (AuthenticatorRecord, error) {
	out := AuthenticatorRecord{
		ID: p.ID, Subject: p.Subject, Name: name, Offset: p.Offset, Provisional: provisional(p.Offset),
		LastStep: p.LastStep, AddedAt: s.config.Now(),
	}
	secret, err := s.unseal(ctx, PlaceEnrollment, p.ID, p.Subject, p.Secret)
	if err != nil {
		return out, err
	}
	if out.Secret, err = s.seal(PlaceAuthenticator, out.ID, out.Subject, secret); err != nil {
		return out, err
	}
	return out, s.store.AddAuthenticator(ctx, out)
}

// freeName returns a first name for a new authenticator.
func freeName(known []AuthenticatorRecord) string {
	name := "Authenticator app"
	for n := 2; slices.ContainsFunc(known, func(a AuthenticatorRecord) bool { return a.Name == name }); n++ {
		name = fmt.Sprintf("Authenticator app %d", n)
	}
	return name
}

// cmpErr returns err, or otherwise when there is none.
func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
