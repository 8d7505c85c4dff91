package account

import (
	"context"
	"fmt"
	"time"
)

// Figures say how people stand, as of a day.
type Figures struct {
	Day         time.Time `json:"day"` // its beginning, in UTC
	People      int       `json:"people"`
	Disabled    int       `json:"disabled"`
	Enabled     int       `json:"enabled"`       // who may sign in
	Enrolled    int       `json:"enrolled"`      // of those, with a second factor
	FewCodes    int       `json:"few_codes"`     // of those, with [FewCodes] recovery codes or fewer
	SignedIn30d int       `json:"signed_in_30d"` // who signed in within 30 days
}

// named returns the kept figures by the names under which they are stored.
func (f *Figures) named() map[string]*int {
	return map[string]*int{
		"people": &f.People, "disabled": &f.Disabled, "enabled": &f.Enabled, "enrolled": &f.Enrolled, "few_codes": &f.FewCodes,
		"signed_in_30d": &f.SignedIn30d,
	}
}

const dayFormat = "2006-01-02"

// figureYears is for how long figures are kept: this year can be held against the one before.
const figureYears = 2

// FiguresNow counts: one statement, each of whose counts reads an index (docs/decisions/0020).
func (s *Service) FiguresNow(ctx context.Context) (Figures, error) {
	var counted struct {
		People   int `db:"people"`
		Disabled int `db:"disabled"`
		NoMFA    int `db:"no_mfa"`
		FewCodes int `db:"few_codes"`
		SignedIn int `db:"signed_in"`
	}
	err := s.cfg.DB.Get(ctx, &counted, `
		SELECT (SELECT count(*) FROM accounts) AS people,
			(SELECT count(*) FROM accounts WHERE disabled) AS disabled,
			(SELECT count(*) FROM accounts WHERE NOT mfa_enrolled AND disabled = FALSE) AS no_mfa,
			(SELECT count(*) FROM accounts WHERE mfa_enrolled AND codes_left <= 3 AND disabled = FALSE) AS few_codes,
			(SELECT count(*) FROM accounts WHERE signed_in_at > $1) AS signed_in`,
		s.now().AddDate(0, 0, -30).Unix())
	if err != nil {
		return Figures{}, fmt.Errorf("account: figures: %w", err)
	}
	enabled := counted.People - counted.Disabled
	return Figures{
		Day: s.today(), People: counted.People, Disabled: counted.Disabled, Enabled: enabled, Enrolled: enabled - counted.NoMFA,
		FewCodes: counted.FewCodes, SignedIn30d: counted.SignedIn,
	}, nil
}

func (s *Service) today() time.Time { return s.now().UTC().Truncate(24 * time.Hour) }

// KeepFigures writes today's figures down, once a day (in UTC) by whichever replica comes first. It waits until they can
// be true ([Service.Settled]).
func (s *Service) KeepFigures(ctx context.Context) error {
	settled, err := s.Settled(ctx)
	if err != nil || !settled {
		return err
	}
	turn, err := s.claim(ctx, workFigures)
	if turn == nil {
		return err
	}
	now, err := s.FiguresNow(ctx)
	if err != nil {
		return err
	}
	err = s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		for name, value := range now.named() {
			_, err := s.cfg.DB.Exec(ctx, `
				INSERT INTO account_figures (day, name, value) VALUES ($1, $2, $3) ON CONFLICT (day, name) DO NOTHING`,
				now.Day.Format(dayFormat), name, *value)
			if err != nil {
				return fmt.Errorf("account: keep figures: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return turn.done(ctx, now.Day.AddDate(0, 0, 1))
}

// Figures returns the kept figures from one day to another, both included, the oldest first. Days on which no replica ran
// are not there.
func (s *Service) Figures(ctx context.Context, from, to time.Time) ([]Figures, error) {
	var rows []struct {
		Day   string `db:"day"`
		Name  string `db:"name"`
		Value int    `db:"value"`
	}
	err := s.cfg.DB.Select(ctx, &rows, `SELECT day, name, value FROM account_figures WHERE day >= $1 AND day <= $2 ORDER BY day`,
		from.UTC().Format(dayFormat), to.UTC().Format(dayFormat))
	if err != nil {
		return nil, fmt.Errorf("account: figures: %w", err)
	}
	out := []Figures{}
	for _, r := range rows {
		day, err := time.Parse(dayFormat, r.Day)
		if err != nil {
			return nil, fmt.Errorf("account: figures: %w", err)
		}
		if len(out) == 0 || !out[len(out)-1].Day.Equal(day) {
			out = append(out, Figures{Day: day})
		}
		if value := out[len(out)-1].named()[r.Name]; value != nil {
			*value = r.Value
		}
	}
	return out, nil
}
