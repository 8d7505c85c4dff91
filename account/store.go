package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// row is a line of the table accounts, with the names of its groups.
type row struct {
	Subject       string  `db:"subject"`
	Username      string  `db:"username"`
	UsernameKey   string  `db:"username_key"`
	Email         string  `db:"email"`
	EmailKey      *string `db:"email_key"`
	EmailVerified bool    `db:"email_verified"`
	Name          string  `db:"name"`
	Admin         bool    `db:"admin"`
	Disabled      bool    `db:"disabled"`
	Compromised   bool    `db:"compromised"`
	Profile       string  `db:"profile"`
	Password      string  `db:"password"`
	Version       int64   `db:"version"`
	CreatedAt     int64   `db:"created_at"`
	UpdatedAt     int64   `db:"updated_at"`
	PasswordAt    int64   `db:"password_at"`
	MFADueAt      int64   `db:"mfa_due_at"`
	CodesAskedAt  int64   `db:"codes_asked_at"`
	Role          string  `db:"role"`
	Searched      string  `db:"searched"`
	MFAEnrolled   bool    `db:"mfa_enrolled"`
	CodesLeft     int     `db:"codes_left"`
	SignedInAt    int64   `db:"signed_in_at"`
	AskedAnyway   bool    `db:"asked_anyway"`
	Groups        string  `db:"groups"`
}

// accountColumns are those of a row, of the table accounts.
const accountColumns = `accounts.subject, username, username_key, email, email_key, email_verified, name, admin, disabled, compromised,
		profile, password, version, created_at, updated_at, password_at, mfa_due_at, codes_asked_at, role, searched,
		mfa_enrolled, codes_left, signed_in_at,
		admin OR role <> '' OR (SELECT mfa_required <> 'groups' FROM account_policy WHERE id = 1) AS asked_anyway,
		COALESCE((SELECT string_agg(group_name, ' ' ORDER BY group_name) FROM account_members
			WHERE account_members.subject = accounts.subject), '') AS "groups"`

// selectAccounts is followed by a WHERE clause.
const selectAccounts = `
	SELECT ` + accountColumns + `
	FROM accounts `

func (r row) account() (*Account, error) {
	a := &Account{
		Subject: r.Subject, Username: r.Username, Email: r.Email, Name: r.Name, EmailVerified: r.EmailVerified,
		Admin: r.Admin, Disabled: r.Disabled, Compromised: r.Compromised, Groups: strings.Fields(r.Groups), CreatedAt: at(r.CreatedAt),
		UpdatedAt: at(r.UpdatedAt), PasswordAt: at(r.PasswordAt), MFADueAt: at(r.MFADueAt),
		CodesAskedAt: at(r.CodesAskedAt), SignedInAt: at(r.SignedInAt), MFAEnrolled: r.MFAEnrolled, CodesLeft: r.CodesLeft,
		Version: r.Version, role: Role(r.Role), askedAnyway: r.AskedAnyway, password: &r.Password,
	}
	if err := json.Unmarshal([]byte(r.Profile), &a.Profile); err != nil {
		return nil, fmt.Errorf("account: profile of %s: %w", r.Subject, err)
	}
	return a, nil
}

func at(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// BySubject returns the account of that subject, disabled or not, or [ErrNotFound].
func (s *Service) BySubject(ctx context.Context, subject string) (*Account, error) {
	r, err := s.rowOf(ctx, subject)
	if err != nil {
		return nil, err
	}
	return r.account()
}

// ByUsername returns the account that signs in by name, a username or an e-mail address, disabled or not, or
// [ErrNotFound].
func (s *Service) ByUsername(ctx context.Context, name string) (*Account, error) {
	r, err := s.rowNamed(ctx, Canonical(name))
	if err != nil {
		return nil, err
	}
	return r.account()
}

// Active returns the account of that subject if it may be used now: otherwise [ErrNotFound] or [ErrDisabled].
func (s *Service) Active(ctx context.Context, subject string) (*Account, error) {
	a, err := s.BySubject(ctx, subject)
	if err == nil && a.Disabled {
		return nil, ErrDisabled
	}
	return a, err
}

// List returns at most limit accounts (0: 50, at most 500) by username: everybody, page by page, for whoever goes through
// them all in one transaction. Lists that are shown are [Service.People]. After is the username of the last account of the
// page before, "" for the first page.
func (s *Service) List(ctx context.Context, after string, limit int) ([]*Account, error) {
	if limit <= 0 {
		limit = 50
	}
	var rows []row
	err := s.cfg.DB.Select(ctx, &rows, selectAccounts+`WHERE username_key > $1 ORDER BY username_key LIMIT $2`, Canonical(after), min(limit, 500))
	if err != nil {
		return nil, fmt.Errorf("account: list: %w", err)
	}
	out := make([]*Account, 0, len(rows))
	for _, r := range rows {
		a, err := r.account()
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Count returns how many accounts there are.
func (s *Service) Count(ctx context.Context) (n int, err error) {
	if err = s.cfg.DB.Get(ctx, &n, `SELECT count(*) FROM accounts`); err != nil {
		return 0, fmt.Errorf("account: count: %w", err)
	}
	return n, nil
}

// CountAdmins returns how many administrators may sign in.
func (s *Service) CountAdmins(ctx context.Context) (n int, err error) {
	if err = s.cfg.DB.Get(ctx, &n, `SELECT count(*) FROM accounts WHERE admin AND NOT disabled`); err != nil {
		return 0, fmt.Errorf("account: count administrators: %w", err)
	}
	return n, nil
}

const selectSubject = selectAccounts + `WHERE subject = $1`

// Lookup is what [Service.Active], [Service.BySubject] and [Service.Claims] will ask about subject.
func Lookup(subject dbx.Arg) dbx.Lookup {
	return dbx.Lookup{Query: selectSubject, Args: []dbx.Arg{subject}}
}

func (s *Service) rowOf(ctx context.Context, subject string) (*row, error) {
	return s.row(ctx, selectSubject, subject)
}

// rowNamed finds at most one: a username with an @ is its owner's e-mail address.
func (s *Service) rowNamed(ctx context.Context, key string) (*row, error) {
	return s.row(ctx, selectAccounts+`WHERE username_key = $1 OR email_key = $1`, key)
}

func (s *Service) row(ctx context.Context, query, arg string) (*row, error) {
	if strings.ContainsRune(arg, 0) { // PostgreSQL's text has no NUL: nobody is called that
		return nil, ErrNotFound
	}
	var r row
	err := s.cfg.DB.Get(ctx, &r, query, strings.ToValidUTF8(arg, "\uFFFD"))
	if dbx.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("account: read: %w", err)
	}
	return &r, nil
}
