package mfa

import (
	"context"
	"fmt"
	"time"
)

// Kind says what an [Event] is about.
type Kind string

// The kinds of events, and what their details hold. A registered [Factor] has kinds of its own that begin with its name:
// for one that is called "email" these are email_added (name; first, when MFA was off) and email_removed (name), email_accepted (name, when [Service.Try]
// was told one), email_refused (failures; name likewise), and whatever it says by [Service.Record]. Their detail "factor"
// is the factor's name.
const (
	Enrolled             Kind = "enrolled"              // MFA is on; name, and offset, or factor when it is no app
	EnrollRefused        Kind = "enroll_refused"        // two codes of an enrolment were wrong; reason (below), offset of "clock"
	AuthenticatorAdded   Kind = "authenticator_added"   // a further one; name, offset
	AuthenticatorRenamed Kind = "authenticator_renamed" // name, before
	AuthenticatorRemoved Kind = "authenticator_removed" // name
	Disabled             Kind = "disabled"              // the last factor is gone, recovery codes and devices with it
	CodesReplaced        Kind = "codes_replaced"        // a new set of recovery codes stands; first, when there was none before
	CodeAccepted         Kind = "code_accepted"         // name; offset, when it was moved; pair: of two codes, which set it, and before, what it was
	CodeRefused          Kind = "code_refused"          // failures; pair: of two codes, which count twice
	CodeReplayed         Kind = "code_replayed"         // failures; pair
	ClockWrong           Kind = "clock_wrong"           // offset, failures; pair
	RecoveryUsed         Kind = "recovery_used"         // left
	RecoveryRefused      Kind = "recovery_refused"      // failures
	DeviceRemembered     Kind = "device_remembered"     // device, browser, system
	DeviceUsed           Kind = "device_used"           // device
	DeviceForgotten      Kind = "device_forgotten"      // device, cause: "removed", or "reused" when a copied cookie came
	DevicesForgotten     Kind = "devices_forgotten"     // count, cause
	Warned               Kind = "warned"                // the 5th failure in a row: tell the person; factor
	Throttled            Kind = "throttled"             // a code was not looked at; factor, sealed; network, when it is the network that waits
	Sealed               Kind = "sealed"                // factor
	Unsealed             Kind = "unsealed"              // factor, cause; an administrator's reason
	WasReset             Kind = "reset"                 // all factors, codes and devices were taken away; reason; enrolled: false, when there were none
	Unsealable           Kind = "unsealable"            // a secret at rest was moved, changed or lost its key; place
)

// The reasons of [EnrollRefused].
const (
	ReasonSame           = "same"            // the same code twice
	ReasonSwapped        = "swapped"         // in the wrong order
	ReasonGap            = "gap"             // one between them was missed
	ReasonFirst          = "first"           // the first is wrong, the second right
	ReasonSecond         = "second"          // the other way round
	ReasonNeither        = "neither"         // most likely of an entry that is not this person's
	ReasonOtherEntry     = "other_entry"     // of another authenticator of theirs
	ReasonAbandonedEntry = "abandoned_entry" // of an enrolment that was begun and not finished
	ReasonClock          = "clock"           // right, but for a clock that is off by more than ten minutes
)

// Event is something that happened to a person's factors. It never holds a code, a key or a token.
type Event struct {
	At      time.Time
	Subject string
	Kind    Kind
	Detail  map[string]string // nil when there is nothing to add
}

// emit tells the host inside the store's transaction, so that nothing happens that is not on record.
func (s *Service) emit(ctx context.Context, subject string, kind Kind, detail ...string) error {
	if s.config.Observe == nil {
		return nil
	}
	event := Event{At: s.config.Now(), Subject: subject, Kind: kind}
	for i := 0; i+1 < len(detail); i += 2 {
		if event.Detail == nil {
			event.Detail = make(map[string]string, len(detail)/2)
		}
		event.Detail[detail[i]] = detail[i+1]
	}
	if err := s.config.Observe(ctx, event); err != nil {
		return fmt.Errorf("mfa: observe %s: %w", kind, err)
	}
	return nil
}
