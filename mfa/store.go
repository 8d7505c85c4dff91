package mfa

import (
	"context"
	"time"
)

// Store keeps a person's factors. Package mfasql has one for SQLite and PostgreSQL, mfatest one in memory and the
// tests that any other has to pass.
//
// Reports of the form (bool, error) answer "was I the one?" of a single conditional statement: of any number of callers
// at once exactly one gets true. Times are kept to the second. Subjects and identifiers are opaque text. Byte slices
// that come from a Store are not changed by its callers, nor the other way round.
type Store interface {
	// InTx runs fn in a transaction that rides in fn's context; inside another InTx it joins that one. What fn did is
	// undone when it returns an error. A Store may run fn again after a conflict.
	InTx(ctx context.Context, fn func(context.Context) error) error
	// InOne is InTx for a function that reads nothing, for whom it is enough to know of each write whether it did
	// something: a Store may do all of it in one round trip. InTx does as well.
	InOne(ctx context.Context, fn func(context.Context) error) error
	// Lock serialises, until the transaction ends, everything else that locks the same subject.
	Lock(ctx context.Context, subject string) error

	// Attempts returns how often key was counted and until when it waits; zero for an unknown key.
	Attempts(ctx context.Context, key string) (n int, until time.Time, err error)
	// CountAttempt moves key from n to n+tries with a wait until then; false when it does not stand at n any more. tries
	// is negative, and n+tries not, where some are given back. It is committed by itself: a transaction of the caller's that is rolled back must not take it back. A Store that
	// cannot do that returns an error inside a transaction.
	CountAttempt(ctx context.Context, key string, n, tries int, until time.Time) (bool, error)
	// ClearAttempts forgets key.
	ClearAttempts(ctx context.Context, key string) error
	// ClearBelow forgets key if it was counted, and stands below n; false when not.
	ClearBelow(ctx context.Context, key string, n int) (bool, error)

	// AddEnrollment keeps a pending enrolment, and of this subject's others only the newest four.
	AddEnrollment(ctx context.Context, e PendingEnrollment) error
	// Enrollments returns a subject's pending enrolments, expired ones too, oldest first; of one second by ID.
	Enrollments(ctx context.Context, subject string) ([]PendingEnrollment, error)
	// CountPair adds one to the pairs of codes tried; false when there were limit of them, or no such enrolment.
	CountPair(ctx context.Context, subject, id string, limit int) (bool, error)
	// Prove notes the two codes of an enrolment; false when that was done before.
	Prove(ctx context.Context, subject, id string, offset, lastStep int64) (bool, error)
	// RemoveEnrollments removes all pending enrolments of a subject and returns how many.
	RemoveEnrollments(ctx context.Context, subject string) (int, error)

	// Authenticators returns a subject's authenticators, oldest first; of one second by ID.
	Authenticators(ctx context.Context, subject string) ([]AuthenticatorRecord, error)
	// AuthenticatorsAmong returns those of subjects who have one, each once and in any order. There may be 100,000 of
	// them: no statement for each.
	AuthenticatorsAmong(ctx context.Context, subjects []string) ([]string, error)
	// AddAuthenticator keeps an authenticator; an identifier that exists is an error.
	AddAuthenticator(ctx context.Context, a AuthenticatorRecord) error
	// AdvanceStep moves an authenticator's last step to a.Step; false when it stands at a.First() or further already, or
	// is gone. Offset, Provisional and Run are set along with it, and the last use unless a.At is zero.
	AdvanceStep(ctx context.Context, subject, id string, a Advance) (bool, error)
	// RenameAuthenticator and RemoveAuthenticator return false when the subject has no such authenticator.
	RenameAuthenticator(ctx context.Context, subject, id, name string) (bool, error)
	RemoveAuthenticator(ctx context.Context, subject, id string) (bool, error)

	// AddCodes keeps a pending set of recovery codes in the place of the subject's pending one.
	AddCodes(ctx context.Context, set CodeSet) error
	// Codes returns the subject's active set; one without an ID when there is none.
	Codes(ctx context.Context, subject string) (CodeSet, error)
	// Holding returns what stands of a subject's factors without their secrets: what a sign-in wants to know each time.
	Holding(ctx context.Context, subject string) (Holding, error)
	// ActivateCodes makes the owner's pending set of this enrolment ("": of none) the active one, in the place of the
	// active one; false when that set isn't pending.
	ActivateCodes(ctx context.Context, owner Owner, enrollment, set string) (bool, error)
	// UseCode marks the n-th code of a set as used and forgets its hash; false when it was used, or the set is gone.
	UseCode(ctx context.Context, subject, set string, n int, at time.Time) (bool, error)

	// AddDevice keeps a remembered device.
	AddDevice(ctx context.Context, d DeviceRecord) error
	// Devices returns a subject's devices, newest first; of one second by ID.
	Devices(ctx context.Context, subject string) ([]DeviceRecord, error)
	// SwapDevice writes d's Secret, Former, RotatedAt and LastUsedAt if the device's secret is still the one given.
	SwapDevice(ctx context.Context, secret []byte, d DeviceRecord) (bool, error)
	// RemoveDevice returns false when the subject has no such device, RemoveDevices how many there were.
	RemoveDevice(ctx context.Context, subject, id string) (bool, error)
	RemoveDevices(ctx context.Context, subject string) (int, error)

	// RemoveAll removes all that is kept about a subject, but for its attempts.
	RemoveAll(ctx context.Context, subject string) error
	// Prune removes up to limit rows of each kind: enrolments that expired and pending sets that were made before
	// stale, devices that expired before now, and of the attempts, those whose key begins with "network/" and whose wait
	// ended before stale. It returns how many.
	Prune(ctx context.Context, stale, now time.Time, limit int) (int, error)
	// SealedSecrets returns up to limit sealed secrets of everybody that follow after, in any order that stays.
	SealedSecrets(ctx context.Context, after SealedSecret, limit int) ([]SealedSecret, error)
	// SwapSealed writes a secret if it is still the one that was.
	SwapSealed(ctx context.Context, was SealedSecret, secret []byte) (bool, error)
	// Distrust moves the last step of all authenticators to step, in their own clocks (of a provisional one: in the
	// server's), where it isn't further already, and removes all recovery codes, devices and pending enrolments.
	Distrust(ctx context.Context, step int64) error
}

// The places of sealed secrets: the associated data of a secret is its place, its row's ID, "/" and its subject. So a
// ciphertext that is moved, or a row that is given to somebody else, does not open.
const (
	PlaceAuthenticator = "mfa_authenticators/secret/"
	PlaceEnrollment    = "mfa_enrollments/secret/"
	PlaceCodes         = "mfa_recovery_sets/salt/"
)

// SealedSecret is a secret at rest and where it stands.
type SealedSecret struct {
	Place, ID, Subject string
	Secret             []byte
}

// PendingEnrollment is an authenticator that is being set up. It is no factor.
type PendingEnrollment struct {
	ID string
	Owner
	Account   string
	Secret    []byte // sealed
	CreatedAt time.Time
	ExpiresAt time.Time
	Proven    bool
	Offset    int64 // of a proven one, in steps
	LastStep  int64 // the step of its second code, in the authenticator's clock
}

// AuthenticatorRecord is an authenticator that can be used. Steps are counted in its own clock, which is the server's
// plus Offset: so LastStep only grows.
type AuthenticatorRecord struct {
	ID, Subject, Name string
	Secret            []byte // sealed
	Offset            int64  // in steps
	Provisional       bool   // Offset may be slow typing: codes up to the server's own clock are accepted too
	Run               int    // accepted codes in a row at the edge of the window; negative: at its slow edge
	LastStep          int64
	AddedAt           time.Time
	LastUsedAt        time.Time
}

// Advance is what an accepted (or burnt) code changes.
type Advance struct {
	Step, Offset int64
	Provisional  bool
	Run          int
	At           time.Time
	Pair         bool // two codes, of Step and of the step before it: neither may have been used up
}

// First returns the first step that is used up: [Store.AdvanceStep] asks for a last step before it.
func (a Advance) First() int64 {
	if a.Pair {
		return a.Step - 1
	}
	return a.Step
}

// Holding counts what a subject has of the factors that a [Store] keeps.
type Holding struct {
	Authenticators int
	CodesLeft      int       // unused codes of the active set
	CodesMadeAt    time.Time // when that was made; zero: there is none
}

// CodeSet is a set of recovery codes.
type CodeSet struct {
	ID string
	Owner
	Enrollment string // of a pending set made while enrolling
	Salt       []byte // sealed
	CreatedAt  time.Time
	Codes      []CodeRecord
}

// CodeRecord is one recovery code. A used one has no hash any more.
type CodeRecord struct {
	N      int
	Hash   []byte
	UsedAt time.Time // zero: unused
}

// DeviceRecord is a remembered device. Secrets are SHA-256 hashes.
type DeviceRecord struct {
	ID, Subject, Browser, System string
	Secret                       []byte
	Former                       []FormerSecret // oldest first
	AddedAt                      time.Time      // the tick
	RotatedAt                    time.Time
	LastUsedAt                   time.Time
	ExpiresAt                    time.Time
}

// FormerSecret is a device's secret that has a successor.
type FormerSecret struct {
	Hash  []byte
	Until time.Time // accepted until then; zero: until the successor was seen
}
