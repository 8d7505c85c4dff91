package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/throttle"
)

var (
	// ErrNotFound says that there is no such account or link, or no longer.
	ErrNotFound = errors.New("account: not found")
	// ErrTaken says that another account has the username or e-mail address; the error is an [*InvalidError].
	ErrTaken = errors.New("account: taken")
	// ErrDisabled says that the account may not be used.
	ErrDisabled = errors.New("account: disabled")
	// ErrCredentials is the one answer to every failed sign-in, whatever the cause.
	ErrCredentials = errors.New("account: the name or the password is wrong")
	// ErrDisabledCredentials is ErrCredentials, in the same words, where the password was right and the account is disabled. It is
	// for the trail alone: whoever answers a browser looks for ErrCredentials.
	ErrDisabledCredentials = fmt.Errorf("%w", ErrCredentials)
	// ErrLastAdmin refuses to take the last administrator away who could sign in.
	ErrLastAdmin = errors.New("account: the last administrator")
	// ErrStale says that the account was changed since it was read: read it again.
	ErrStale = errors.New("account: changed meanwhile")
)

// Account is a person who may sign in.
type Account struct {
	Subject       string // random, never reused: the "sub" of tokens
	Username      string // as written; compared in canonical form
	Email         string // likewise; "": none
	Name          string // full name
	EmailVerified bool
	Admin         bool
	Disabled      bool
	Compromised   bool           // somebody else may know the password: nothing goes on before there is another one
	Groups        []string       // names, sorted
	Profile       map[string]any // further standard claims, see [Service.Claims]
	CreatedAt     time.Time      // this and those below: to the second
	UpdatedAt     time.Time
	PasswordAt    time.Time // when the password was set; zero: there is none
	MFADueAt      time.Time // until when enrolment may be postponed; zero: not decided yet
	CodesAskedAt  time.Time // when they were last asked whether they still have their recovery codes; zero: never
	SignedInAt    time.Time // when they last signed in, to the hour; zero: never
	MFAEnrolled   bool      // as the host said ([Service.SetFactorFacts]): for lists, and not to decide by
	CodesLeft     int       // likewise, of recovery codes
	Version       int64     // of the row it was read from: [Service.Update] wants the one in force

	role        Role // a lesser one than administrator, see [Account.Role]
	askedAnyway bool // by the policy as it was then: for a second factor, whatever the groups

	// password is the hash of what the account had then, "" for none. A pointer, so that nothing that prints an account prints it;
	// nil in an account that was not read.
	password *string
}

// passwordThen is a.password's value.
func (a *Account) passwordThen() string {
	if a.password == nil {
		return ""
	}
	return *a.password
}

// NewAccount is what [Service.Create] makes an account of.
type NewAccount struct {
	Username, Email, Name string
	EmailVerified, Admin  bool
	Role                  Role // [Administrator] is the same as Admin
	Groups                []string
	Profile               map[string]any
	Password              string // "": none yet, a link will set it
	Hashed                Hashed // instead of Password
}

// Limits say what a series of wrong passwords costs. The zero value is the default.
type Limits struct {
	// Person limits tries per account, or per unknown name. Default: 10 at once, then one a minute, from the 20th on
	// one in 15 minutes. A success forgets the series.
	Person throttle.Policy
	// Address limits failures per network (one IPv4 address, an IPv6 /64) within an hour. Default: 100, then one a
	// minute.
	Address throttle.Policy
	// Ask limits links by mail per account and per name that is typed, known or not. Default: 3 an hour.
	Ask throttle.Policy
	// AskAddress limits the same per network, whose people may be many, within an hour. Default: 30.
	AskAddress throttle.Policy
}

// The kinds of Event.
const (
	EventCreated       = "account.created"  // Detail: role, if there is one
	EventUpdated       = "account.updated"  // Detail: fields, the names of those that changed; admin, role, groups as [EventPolicySet] has it
	EventRoleSet       = "account.role_set" // Detail: role, role_before
	EventDisabled      = "account.disabled"
	EventEnabled       = "account.enabled"
	EventDeleted       = "account.deleted"
	EventEmailVerified = "account.email_verified"
	EventEmailChanged  = "account.email_changed" // before the account.updated of the same change
	EventPasswordSet   = "account.password_set"
	EventCompromised   = "account.password_compromised" // Detail: reason
	EventResetAsked    = "account.reset_asked"          // Subject "": nobody has that name
	EventLinkMade      = "account.link_made"            // Detail: purpose
	EventLinkUsed      = "account.link_used"            // Detail: purpose
	EventGroupsSet     = "account.groups_set"           // Detail: added, removed, described, the names of groups
	EventPolicySet     = "account.policy_set"           // Detail: what it says now, and under the name with _before what it said, where that differs
)

// Event is a change that was made. Signing in is none: it changes nothing that outlasts it.
type Event struct {
	Kind    string
	Subject string // whose account; "": no one's in particular
	Former  string // the e-mail address that was replaced or removed; it is for a letter to it, and not for a log
	Detail  map[string]string
}

// Config is what a Service works with. DB and Hasher are required.
type Config struct {
	DB     *dbx.DB
	Hasher *Hasher
	// Key has 32 secret bytes, the same on all replicas, under which unknown names are counted. Nil: random, so that
	// a restart or another replica begins to count unknown names anew.
	Key    []byte
	Limits Limits
	// MinPassword is the least number of code points of a new password; 0: 15. No less than 8, and less than 15 only
	// where every sign-in needs a second factor (NIST SP 800-63B-4 section 3.1.1.2): the caller sees to that.
	MinPassword int
	// Words are further words that no password may be built on: the product's and the organisation's names.
	Words []string
	Now   func() time.Time // nil: time.Now
	// Observe hears of every change inside its transaction; an error undoes the change. Nil: nobody listens.
	Observe func(context.Context, Event) error
	// Rules returns the policy as the host remembers it, for [Service.Rules]. Nil: it is read each time.
	Rules func(context.Context) (Policy, error)
}

// Service keeps the accounts in the tables of the migration stream "account". It is safe for concurrent use.
type Service struct {
	cfg      Config
	attempts dbx.Attempts
	common   wordlist
	turns    turns
}

// New returns a Service, or an error that names the setting that does not work.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Hasher == nil {
		return nil, errors.New("account: DB and Hasher are needed")
	}
	if cfg.Key == nil {
		cfg.Key = make([]byte, 32)
		rand.Read(cfg.Key)
	}
	if cfg.MinPassword == 0 {
		cfg.MinPassword = 15
	}
	if cfg.MinPassword < 8 || cfg.MinPassword > 64 {
		return nil, fmt.Errorf("account: a least password length of %d: between 8 and 64", cfg.MinPassword)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Limits.Person.Waits == nil {
		cfg.Limits.Person.Waits = []throttle.Wait{{From: 10, For: time.Minute}, {From: 20, For: 15 * time.Minute}}
	}
	if cfg.Limits.Address.Waits == nil {
		cfg.Limits.Address.Waits = []throttle.Wait{{From: 100, For: time.Minute}}
	}
	if cfg.Limits.Ask.Waits == nil {
		cfg.Limits.Ask.Waits = []throttle.Wait{{From: 3, For: time.Hour}}
	}
	if cfg.Limits.AskAddress.Waits == nil {
		cfg.Limits.AskAddress.Waits = []throttle.Wait{{From: 30, For: time.Hour}}
	}
	for name, policy := range map[string]throttle.Policy{
		"person": cfg.Limits.Person, "address": cfg.Limits.Address, "ask": cfg.Limits.Ask, "ask address": cfg.Limits.AskAddress,
	} {
		if err := policy.Validate(); err != nil {
			return nil, fmt.Errorf("account: limit per %s: %w", name, err)
		}
	}
	return &Service{
		cfg:      cfg,
		attempts: dbx.Attempts{DB: cfg.DB, Table: "account_attempts"},
		common:   commonWords(),
	}, nil
}

// MinPassword returns the least number of code points of a new password, for the page that asks for one.
func (s *Service) MinPassword() int { return s.cfg.MinPassword }

// Prune forgets counted attempts a day after their last wait, links that ran out, and who asked for one an hour ago.
func (s *Service) Prune(ctx context.Context) error {
	if err := s.attempts.PruneAttempts(ctx, s.now().Add(-24*time.Hour)); err != nil {
		return fmt.Errorf("account: prune: %w", err)
	}
	if err := s.cfg.DB.Prune(ctx, "account_links", "expires_at", "expires_at <= $1", s.now().Unix()); err != nil {
		return fmt.Errorf("account: prune: %w", err)
	}
	if err := s.cfg.DB.Prune(ctx, "account_asks", "asked_at", "asked_at <= $1", s.now().Add(-time.Hour).Unix()); err != nil {
		return fmt.Errorf("account: prune: %w", err)
	}
	if err := s.cfg.DB.Prune(ctx, "account_figures", "day", "day < $1", s.today().AddDate(-figureYears, 0, 0).Format(dayFormat)); err != nil {
		return fmt.Errorf("account: prune: %w", err)
	}
	return nil
}

// InTx runs fn in a transaction that the accounts' changes in its context belong to, as those of other domains of the same
// database do. fn may be called again when it met another transaction.
func (s *Service) InTx(ctx context.Context, fn func(context.Context) error) error {
	return s.cfg.DB.InTx(ctx, fn)
}

// change runs fn in a transaction and tells the observer inside it.
func (s *Service) change(ctx context.Context, e Event, fn func(context.Context) error) error {
	return s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		if err := fn(ctx); err != nil || s.cfg.Observe == nil {
			return err
		}
		return s.cfg.Observe(ctx, e)
	})
}

// differs notes in detail what name was and is, where that is not the same.
func differs(detail map[string]string, name, was, is string) {
	if was != is {
		detail[name], detail[name+"_before"] = is, was
	}
}

func (s *Service) now() time.Time { return time.Unix(s.cfg.Now().Unix(), 0) }
