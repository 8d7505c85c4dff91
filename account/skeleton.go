package account

import (
	"context"
	"errors"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/throttle"
)

var errSkeleton = errors.New("account: being written")

// Account is a person who may sign in.
type Account struct {
	Subject, Username, Email, Name   string
	EmailVerified, Admin, Disabled   bool
	Groups                           []string
	Profile                          map[string]any
	CreatedAt, UpdatedAt, PasswordAt time.Time // PasswordAt is zero without a password
	MFADueAt                         time.Time // zero until the first sign-in under the policy

	version int64
}

// NewAccount is what Create needs.
type NewAccount struct {
	Username, Email, Name string
	EmailVerified, Admin  bool
	Groups                []string
	Profile               map[string]any
	Password              string // "": none yet
}

// Limits are the policies for wrong passwords.
type Limits struct{ Person, Address throttle.Policy }

// Event tells Config.Observe what changed.
type Event struct {
	Kind    string
	Subject string
	Detail  map[string]string
}

// Config is what a Service needs.
type Config struct {
	DB          *dbx.DB
	Hasher      *Hasher
	Key         []byte   // keys the hashes of unknown names; nil: random, for one process
	Limits      Limits   // zero: the defaults
	MinPassword int      // in code points; 0: 15
	Words       []string // what nobody may build a password from: product and host name
	Now         func() time.Time
	Observe     func(context.Context, Event) error // inside the transaction of the change; an error undoes it
}

// Params are argon2id's costs; zero: the defaults.
type Params struct {
	MemoryKiB, Time uint32
	Threads         uint8
}

// Hasher runs argon2id, as many at a time as there are cores.
type Hasher struct{}

func NewHasher(p Params) *Hasher                                            { return &Hasher{} }
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) { return "", errSkeleton }
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	return false, errSkeleton
}
func (h *Hasher) Gate(ctx context.Context) (release func(), err error) { return nil, errSkeleton }

var (
	ErrNotFound    = errors.New("account: not found")
	ErrTaken       = errors.New("account: taken")
	ErrDisabled    = errors.New("account: disabled")
	ErrCredentials = errors.New("account: wrong name or password")
	ErrBusy        = errors.New("account: too many password checks at once")
	ErrLastAdmin   = errors.New("account: the last administrator")
	ErrStale       = errors.New("account: changed meanwhile")
)

// InvalidError names the field and why; both are stable ids.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return "account: " + e.Field + ": " + e.Reason }

// Group is a set of accounts; Members is filled by ListGroups.
type Group struct {
	Name, Description string
	Members           int
}

// Policy is the rule about second factors.
type Policy struct {
	MFARequiredGroups []string
	MFAGrace          time.Duration
}

// Service keeps the accounts.
type Service struct{}

// Link purposes.
const (
	PurposeSetup  = "setup"
	PurposeReset  = "reset"
	PurposeInvite = "invite"
)

func New(cfg Config) (*Service, error) { return nil, errSkeleton }

func (s *Service) Authenticate(ctx context.Context, name, password, address string) (*Account, error) {
	return nil, errSkeleton
}
func (s *Service) VerifyPassword(ctx context.Context, subject, password, address string) error {
	return errSkeleton
}
func (s *Service) Create(ctx context.Context, n NewAccount) (*Account, error) {
	return nil, errSkeleton
}
func (s *Service) CreateByLink(ctx context.Context, purpose, token string, n NewAccount) (*Account, error) {
	return nil, errSkeleton
}
func (s *Service) BySubject(ctx context.Context, subject string) (*Account, error) {
	return nil, errSkeleton
}
func (s *Service) ByUsername(ctx context.Context, name string) (*Account, error) {
	return nil, errSkeleton
}
func (s *Service) Active(ctx context.Context, subject string) (*Account, error) {
	return nil, errSkeleton
}
func (s *Service) List(ctx context.Context, query, after string, limit int) ([]*Account, error) {
	return nil, errSkeleton
}
func (s *Service) Update(ctx context.Context, a *Account) error                   { return errSkeleton }
func (s *Service) VerifyEmail(ctx context.Context, subject, email string) error   { return errSkeleton }
func (s *Service) CheckPassword(ctx context.Context, a *Account, pw string) error { return errSkeleton }
func (s *Service) SetPassword(ctx context.Context, subject, password string) error {
	return errSkeleton
}
func (s *Service) SetPasswordByLink(ctx context.Context, purpose, token, password string) (string, error) {
	return "", errSkeleton
}
func (s *Service) Disable(ctx context.Context, subject string) error { return errSkeleton }
func (s *Service) Enable(ctx context.Context, subject string) error  { return errSkeleton }
func (s *Service) Delete(ctx context.Context, subject string) error  { return errSkeleton }
func (s *Service) Count(ctx context.Context) (int, error)            { return 0, errSkeleton }
func (s *Service) CountAdmins(ctx context.Context) (int, error)      { return 0, errSkeleton }
func (s *Service) NewLink(ctx context.Context, purpose, subject string, life time.Duration) (string, error) {
	return "", errSkeleton
}
func (s *Service) Link(ctx context.Context, purpose, token string) (string, error) {
	return "", errSkeleton
}
func (s *Service) UseLink(ctx context.Context, purpose, token string) (string, error) {
	return "", errSkeleton
}
func (s *Service) SetGroups(ctx context.Context, groups []Group) error { return errSkeleton }
func (s *Service) ListGroups(ctx context.Context) ([]Group, error)     { return nil, errSkeleton }
func (s *Service) Policy(ctx context.Context) (Policy, error)          { return Policy{}, errSkeleton }
func (s *Service) SetPolicy(ctx context.Context, p Policy) error       { return errSkeleton }
func (s *Service) MFADue(ctx context.Context, a *Account, p Policy) (required bool, graceEnds time.Time, err error) {
	return false, time.Time{}, errSkeleton
}
func (s *Service) Claims(ctx context.Context, subject string, scopes []string) (map[string]any, error) {
	return nil, errSkeleton
}
func (s *Service) MinPassword() int                { return 15 }
func (s *Service) Prune(ctx context.Context) error { return errSkeleton }
