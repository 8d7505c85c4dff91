package mfa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Factor is a kind of proof that this package doesn't know: a passkey, a code by mail. What it keeps is its own affair;
// once it is given to [Service.Register] it counts like an app. A person who has it alone is enrolled, [Service.Reset]
// and [Service.Disable] take it away, and its wrong tries are counted by [Service.Try].
//
// Both methods are called inside the transaction of the [Store], with its context. A factor that keeps its rows
// elsewhere must bear that the transaction is undone or repeated after its Reset.
type Factor interface {
	// Name is one lower-case word of up to 32 letters, such as "passkey". It is part of the count's key and of the
	// kinds of events, so it stays for ever.
	Name() string
	// Enrolled reports whether the person can use this factor now.
	Enrolled(ctx context.Context, subject string) (bool, error)
	// Reset takes away all that is kept about the subject; nothing to take away is no error.
	Reset(ctx context.Context, subject string) error
}

// FactorStatus is how a registered factor stands with a person who has it.
type FactorStatus struct {
	Name    string
	Sealed  bool      // nothing is looked at any more
	RetryAt time.Time // when the next try is looked at; zero: at once
}

// Register makes a factor of others count. Call it while wiring, before anything else: a Service that doesn't know a
// factor lets people who have no other in without it.
func (s *Service) Register(f Factor) error {
	name := f.Name()
	valid := name != "" && len(name) <= 32 && !slices.Contains([]string{string(factorTOTP), string(factorRecovery), networkCount}, name)
	for _, r := range name {
		valid = valid && r >= 'a' && r <= 'z'
	}
	if !valid || s.registered(name) {
		return fmt.Errorf("mfa: a factor can't be named %q", name)
	}
	s.others = append(s.others, f)
	return nil
}

func (s *Service) registered(name string) bool {
	return slices.ContainsFunc(s.others, func(f Factor) bool { return f.Name() == name })
}

// known refuses the name of a factor that was not registered: nobody would ever clear its counts.
func (s *Service) known(name string) error {
	if !s.registered(name) {
		return fmt.Errorf("mfa: no factor named %q is registered", name)
	}
	return nil
}

// Try looks at one proof of a registered factor: it counts the try, calls compare, and puts the outcome on record.
// Waits, seal and notices are those of [Limits.Others], counted per person and factor; a success clears the count.
//
// compare reports whether the proof is right, and uses it up by one conditional statement if it is; label is the person's
// name for what was shown, for the record, "" when it has none or is not known. It runs inside the store's transaction,
// with its context, and again when that is repeated; its error undoes what it did, but the try stays counted. Whatever
// can be told without comparing (no such factor, a text that is no code) is to be told before.
//
// Try returns a [*ThrottledError] (compare was not called) or [ErrInvalidCode], from which [TriesLeft] tells how many
// tries are left. As for [Service.VerifyTOTP]: not inside a transaction of the caller.
func (s *Service) Try(
	ctx context.Context, name, subject string, compare func(context.Context) (label string, right bool, err error),
) error {
	if err := s.known(name); err != nil {
		return err
	}
	f := factor(name)
	try, err := s.reserve(ctx, subject, f)
	if err != nil {
		return err
	}
	var refused *refusal
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		refused = nil
		label, right, err := compare(ctx)
		var what []string
		if label != "" {
			what = []string{"name", label}
		}
		switch {
		case err != nil:
			return err
		case !right:
			refused, err = s.refuse(ctx, subject, f, try, Kind(name+"_refused"), ErrInvalidCode, what...)
			return err
		}
		if err := s.clear(ctx, subject, f, name); err != nil {
			return err
		}
		return s.emit(ctx, subject, Kind(name+"_accepted"), append([]string{"factor", name}, what...)...)
	})
	if err != nil {
		return err
	}
	return s.outcome(ctx, try, refused)
}

// Add gives the person a registered factor, or one more of its kind, which keep writes down. As for an app it ends
// remembered devices, and as the first factor of all it turns MFA on: enrolments that were begun end, in whatever
// session, and recovery codes follow, by [Service.NewRecoveryCodes] with no enrolment. Let nobody do that who has not just
// proved what they have.
//
// keep runs inside a transaction that has the person's factors for itself; its error is returned as it is. label is the
// person's name for what was added, for the record.
func (s *Service) Add(ctx context.Context, name, subject, label string, keep func(context.Context) error) error {
	if err := s.known(name); err != nil {
		return err
	}
	return s.change(ctx, subject, func(ctx context.Context) error {
		before := s.enrolled(ctx, subject)
		if before != nil && !errors.Is(before, ErrNotEnrolled) {
			return before
		}
		if err := keep(ctx); err != nil {
			return err
		}
		kind := Kind(name + "_added")
		if err := s.forgetDevices(ctx, subject, string(kind)); err != nil {
			return err
		}
		detail := []string{"factor", name, "name", label}
		if before != nil {
			detail = append(detail, "first", "true")
		}
		if err := s.emit(ctx, subject, kind, detail...); err != nil || before == nil {
			return err
		}
		if err := s.clearAll(ctx, subject, string(Enrolled)); err != nil {
			return err
		}
		// What the password alone had begun must not become a further factor.
		if _, err := s.store.RemoveEnrollments(ctx, subject); err != nil {
			return err
		}
		return s.emit(ctx, subject, Enrolled, "factor", name, "name", label)
	})
}

// Drop takes something of a registered factor away, which remove deletes. As for an app it ends remembered devices and
// enrolments that were begun, and when nothing is left MFA is off: the recovery codes go too. remove runs and answers
// as keep does in [Service.Add]; when there is nothing to delete it returns [ErrNotFound].
func (s *Service) Drop(ctx context.Context, name, subject, label string, remove func(context.Context) error) error {
	if err := s.known(name); err != nil {
		return err
	}
	return s.change(ctx, subject, func(ctx context.Context) error {
		if err := remove(ctx); err != nil {
			return err
		}
		kind := Kind(name + "_removed")
		if err := s.emit(ctx, subject, kind, "factor", name, "name", label); err != nil {
			return err
		}
		return s.dropped(ctx, subject, string(kind))
	})
}

// Record puts something else on record that a registered factor did, as the event "<name>_<what>"; details are pairs.
// It joins the transaction of ctx.
func (s *Service) Record(ctx context.Context, name, subject, what string, details ...string) error {
	if err := s.known(name); err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		return s.emit(ctx, subject, Kind(name+"_"+what), append([]string{"factor", name}, details...)...)
	})
}

// dropped follows upon the removal of a factor.
func (s *Service) dropped(ctx context.Context, subject, cause string) error {
	left := s.enrolled(ctx, subject)
	if errors.Is(left, ErrNotEnrolled) {
		return s.removeAll(ctx, subject, Disabled)
	}
	if left != nil {
		return left
	}
	if _, err := s.store.RemoveEnrollments(ctx, subject); err != nil {
		return err
	}
	return s.forgetDevices(ctx, subject, cause)
}

// counted returns all that has a count of its own.
func (s *Service) counted() []factor {
	out := []factor{factorTOTP, factorRecovery}
	for _, f := range s.others {
		out = append(out, factor(f.Name()))
	}
	return out
}

// otherFactor reports whether the person has a registered factor.
func (s *Service) otherFactor(ctx context.Context, subject string) (bool, error) {
	for _, f := range s.others {
		if enrolled, err := f.Enrolled(ctx, subject); err != nil || enrolled {
			return enrolled, err
		}
	}
	return false, nil
}

// standings returns how the registered factors stand that the person has.
func (s *Service) standings(ctx context.Context, subject string) ([]FactorStatus, error) {
	var out []FactorStatus
	for _, f := range s.others {
		enrolled, err := f.Enrolled(ctx, subject)
		if err != nil {
			return nil, err
		}
		if !enrolled {
			continue
		}
		status := FactorStatus{Name: f.Name()}
		if status.Sealed, status.RetryAt, err = s.standing(ctx, subject, factor(f.Name())); err != nil {
			return nil, err
		}
		out = append(out, status)
	}
	return out, nil
}
