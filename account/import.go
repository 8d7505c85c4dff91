package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Result is what becomes of a person of an import.
type Result string

// The results.
const (
	ImportCreate    Result = "create"
	ImportChange    Result = "change"
	ImportUnchanged Result = "unchanged"
	ImportRefuse    Result = "refuse"
)

// Outcome is what becomes, or would become, of one line of an import.
type Outcome struct {
	Line     int
	Username string
	Subject  string // "" for somebody who is not there
	Result   Result
	Fields   []string // that differ, of ImportChange: email, email_verified, groups, name
	Err      error    // of ImportRefuse: an [*InvalidError], [ErrStale], or what allow said
}

// importBatch is how many people of an import one transaction writes.
const importBatch = 50

// errAgain undoes a batch in which somebody was met by a change at the same moment.
var errAgain = errors.New("account: again, without those")

// PreviewImport returns what [Service.Import] would do, line by line, and does nothing.
func (s *Service) PreviewImport(ctx context.Context, people []Incoming, allow func(*Account) error) ([]Outcome, error) {
	var out []Outcome
	for batch := range slices.Chunk(once(people), importBatch) {
		plans, err := s.planImport(ctx, batch, allow)
		if err != nil {
			return nil, err
		}
		for _, p := range plans {
			out = append(out, p.Outcome)
		}
	}
	return out, nil
}

// Import makes the people that are not there yet, without a password, and changes those that are, by user name. Lines that
// cannot be done are refused one by one; the others are written, some dozens in one transaction. Done again it changes
// nothing: when it fails, what it returns beside the error is done. Nobody's role, password or factors are touched.
//
// Allow, which may be nil, is asked about everybody who is there and would be changed, in the transaction and perhaps more
// than once; its error refuses that line.
func (s *Service) Import(ctx context.Context, people []Incoming, allow func(*Account) error) ([]Outcome, error) {
	var out []Outcome
	for batch := range slices.Chunk(once(people), importBatch) {
		for {
			var done []Outcome
			err := s.cfg.DB.InTx(ctx, func(ctx context.Context) (err error) {
				done, err = s.importBatch(ctx, batch, allow)
				return err
			})
			if errors.Is(err, errAgain) { // one line less can be done each time
				continue
			}
			if err != nil {
				return out, fmt.Errorf("account: import: %w", err)
			}
			out = append(out, done...)
			break
		}
	}
	return out, nil
}

// importBatch does what is planned for a batch. Who turns out not to be possible is noted in the batch.
func (s *Service) importBatch(ctx context.Context, batch []Incoming, allow func(*Account) error) ([]Outcome, error) {
	plans, err := s.planImport(ctx, batch, allow)
	if err != nil {
		return nil, err
	}
	out, order := make([]Outcome, len(plans)), make([]int, len(plans))
	for i := range plans {
		order[i] = i
	}
	// Two imports at once wait for each other's people. In one order they never do so crosswise.
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Compare(Canonical(plans[i].Username), Canonical(plans[j].Username))
	})
	for _, i := range order {
		var err error
		p := plans[i]
		switch p.Result {
		case ImportCreate:
			var made *Account
			if made, err = s.create(ctx, p.next, Hashed{}); err == nil {
				p.Subject = made.Subject
			}
		case ImportChange:
			err = s.importChange(ctx, p)
		}
		var invalid *InvalidError
		if errors.As(err, &invalid) || errors.Is(err, ErrStale) {
			batch[i].Err = err
			return nil, errAgain
		}
		if err != nil {
			return nil, err
		}
		out[i] = p.Outcome
	}
	return out, nil
}

func (s *Service) importChange(ctx context.Context, p planned) error {
	verified := p.next.EmailVerified
	if err := s.Update(ctx, p.next); err != nil {
		return err
	}
	// A new address is unverified at first, whatever is said of it at the same time.
	if verified && !p.next.EmailVerified {
		return s.VerifyEmail(ctx, p.next.Subject, p.next.Email)
	}
	return nil
}

// once returns a copy of people in which nobody comes twice: later lines with a user name or an e-mail address that
// another one has are refused.
func once(people []Incoming) []Incoming {
	out := slices.Clone(people)
	usernames, emails := map[string]bool{}, map[string]bool{}
	for i := range out {
		if out[i].Err != nil {
			continue
		}
		username := Canonical(out[i].Username)
		if usernames[username] && username != "" {
			out[i].Err = &InvalidError{columnUsername, "twice"}
			continue
		}
		usernames[username] = true
		if out[i].Email == nil || Canonical(*out[i].Email) == "" {
			continue
		}
		email := Canonical(*out[i].Email)
		if emails[email] {
			out[i].Err = &InvalidError{columnEmail, "twice"}
		}
		emails[email] = true
	}
	return out
}

// planned is what is to be done with one line.
type planned struct {
	Outcome
	next *Account
}

// known are the people, by user name and by e-mail address, and the groups that a batch meets.
type known struct {
	usernames, emails map[string]*Account
	groups            []string
}

// planImport returns what is to be done with each line of a batch: three statements, for up to importBatch lines.
func (s *Service) planImport(ctx context.Context, batch []Incoming, allow func(*Account) error) ([]planned, error) {
	k, err := s.meet(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("account: import: %w", err)
	}
	plans := make([]planned, len(batch))
	for i, in := range batch {
		p := planned{Outcome: Outcome{Line: in.Line, Username: tidy(in.Username)}}
		before := k.usernames[Canonical(in.Username)]
		if before != nil {
			p.Subject = before.Subject
		}
		err := in.Err
		if err == nil {
			p.next, err = s.incoming(in, before, k)
		}
		if err == nil && before != nil {
			p.Fields = differences(before, p.next)
		}
		if err == nil && len(p.Fields) > 0 && allow != nil {
			err = allow(before)
		}
		switch {
		case err != nil:
			p.Result, p.Fields, p.Err = ImportRefuse, nil, err
		case before == nil:
			p.Result = ImportCreate
		case len(p.Fields) > 0:
			p.Result = ImportChange
		default:
			p.Result = ImportUnchanged
		}
		plans[i] = p
	}
	return plans, nil
}

// incoming returns the account as in wants it, from what it is, nil for nothing, or an [*InvalidError].
func (s *Service) incoming(in Incoming, before *Account, k known) (*Account, error) {
	next := s.blank()
	if before == nil {
		next.Username = in.Username
	} else {
		*next = *before
	}
	if in.Email != nil {
		next.Email = *in.Email
	}
	if in.Name != nil {
		next.Name = *in.Name
	}
	if in.Groups != nil {
		next.Groups = *in.Groups
	}
	if in.EmailVerified != nil {
		next.EmailVerified = *in.EmailVerified
	} else if before != nil && Canonical(next.Email) != Canonical(before.Email) {
		next.EmailVerified = false
	}
	if err := next.tidy(); err != nil {
		return nil, err
	}
	if owner := k.emails[Canonical(next.Email)]; owner != nil && owner.Subject != next.Subject {
		return nil, &InvalidError{columnEmail, "taken"}
	}
	for _, name := range next.Groups {
		if !slices.Contains(k.groups, name) {
			return nil, &InvalidError{columnGroups, "unknown"}
		}
	}
	return next, nil
}

// differences names what an import would change.
func differences(before, next *Account) []string {
	var fields []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{columnEmail, before.Email == next.Email}, {columnEmailVerified, before.EmailVerified == next.EmailVerified},
		{columnGroups, slices.Equal(slices.Sorted(slices.Values(before.Groups)), next.Groups)}, {columnName, before.Name == next.Name},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// meet reads whom the lines of a batch name.
func (s *Service) meet(ctx context.Context, batch []Incoming) (k known, err error) {
	if k.groups, err = s.groupNames(ctx); err != nil {
		return k, err
	}
	var usernames, emails []string
	for _, in := range batch {
		usernames = append(usernames, Canonical(in.Username))
		if in.Email != nil {
			emails = append(emails, Canonical(*in.Email))
		}
	}
	if k.usernames, err = s.keyed(ctx, "username_key", usernames); err != nil {
		return k, err
	}
	k.emails, err = s.keyed(ctx, "email_key", emails)
	return k, err
}

// keyed returns the accounts that have one of keys in that column, by it.
func (s *Service) keyed(ctx context.Context, column string, keys []string) (map[string]*Account, error) {
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "" || !printable(key) }) // nobody's
	out := map[string]*Account{}
	if len(keys) == 0 {
		return out, nil
	}
	// Always the same statement, so that it is prepared once: a short batch repeats its last key.
	marks, args := make([]string, importBatch), make([]any, importBatch)
	for i := range args {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), keys[min(i, len(keys)-1)]
	}
	var rows []row
	if err := s.cfg.DB.Select(ctx, &rows, selectAccounts+"WHERE "+column+" IN ("+strings.Join(marks, ", ")+")", args...); err != nil {
		return nil, err
	}
	for _, r := range rows {
		a, err := r.account()
		if err != nil {
			return nil, err
		}
		key := r.UsernameKey
		if column == "email_key" {
			key = *r.EmailKey
		}
		out[key] = a
	}
	return out, nil
}
