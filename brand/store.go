package brand

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// EventSet is the kind of [Event]. Detail: fields, the names of those that changed; name and color, and under these with _before
// what they were, where that differs.
const EventSet = "brand.set"

// Event is a change that was made.
type Event struct {
	Kind   string
	Detail map[string]string
}

// Store keeps a [Brand] in the table of the migration stream "brand". It is safe for concurrent use.
type Store struct {
	DB  *dbx.DB
	Now func() time.Time // nil: time.Now
	// Observe hears of every change inside its transaction; an error undoes the change. Nil: nobody listens.
	Observe func(context.Context, Event) error
}

// Get returns the brand as it is.
func (s *Store) Get(ctx context.Context) (Brand, error) {
	var r struct {
		Version   int64  `db:"version"`
		Name      string `db:"name"`
		Color     string `db:"color"`
		Help      string `db:"help"`
		HelpURL   string `db:"help_url"`
		Greeting  string `db:"greeting"`
		Links     string `db:"links"`
		ID        string `db:"logo_id"`
		Kind      string `db:"logo_kind"`
		Width     int    `db:"logo_width"`
		Height    int    `db:"logo_height"`
		ChangedAt int64  `db:"changed_at"`
	}
	err := s.DB.Get(ctx, &r, `
		SELECT version, name, color, help, help_url, greeting, links, logo_id, logo_kind, logo_width, logo_height, changed_at
		FROM brand WHERE id = 1`)
	if err != nil {
		return Brand{}, fmt.Errorf("brand: %w", err)
	}
	b := Brand{
		Name: r.Name, Color: r.Color, Help: r.Help, HelpURL: r.HelpURL, Greeting: r.Greeting,
		Logo: Logo{r.ID, r.Kind, r.Width, r.Height}, Version: r.Version,
	}
	if r.ChangedAt != 0 {
		b.ChangedAt = time.Unix(r.ChangedAt, 0)
	}
	if err := json.Unmarshal([]byte(r.Links), &b.Links); err != nil {
		return Brand{}, fmt.Errorf("brand: links: %w", err)
	}
	return b, nil
}

// Set stores b, which was read from this store and changed since. A picture becomes the logo; without one the logo stays, or
// goes where b.Logo is the zero value. It returns [*InvalidError], and [ErrStale] when somebody else has set another one than
// that of b.Version.
func (s *Store) Set(ctx context.Context, b Brand, picture []byte) error {
	b, err := b.tidy()
	if err != nil {
		return err
	}
	var fresh Logo
	if len(picture) > 0 {
		if fresh, err = logoOf(picture); err != nil {
			return err
		}
	}
	links, err := json.Marshal(b.Links)
	if err != nil {
		return fmt.Errorf("brand: %w", err)
	}
	return s.DB.InTx(ctx, func(ctx context.Context) error {
		was, err := s.Get(ctx)
		if err != nil {
			return err
		}
		keep := fresh == Logo{} && b.Logo != Logo{}
		next := b
		if next.Logo = fresh; keep {
			next.Logo = was.Logo
		}
		n, err := s.DB.Exec(ctx, `
			UPDATE brand SET version = version + 1, name = $2, color = $3, help = $4, help_url = $5, greeting = $6, links = $7,
				logo = CASE WHEN $8 THEN logo ELSE $9 END, logo_id = $10, logo_kind = $11, logo_width = $12, logo_height = $13, changed_at = $14
			WHERE id = 1 AND version = $1`,
			b.Version, next.Name, next.Color, next.Help, next.HelpURL, next.Greeting, string(links),
			keep, append([]byte{}, picture...), next.Logo.ID, next.Logo.Kind, next.Logo.Width, next.Logo.Height, s.now().Unix())
		if err != nil {
			return fmt.Errorf("brand: set: %w", err)
		}
		if n == 0 {
			return ErrStale
		}
		if s.Observe == nil {
			return nil
		}
		return s.Observe(ctx, Event{EventSet, next.differs(was)})
	})
}

// differs says how b differs from what was before: texts are on every page and may be long, pictures are none.
func (b Brand) differs(was Brand) map[string]string {
	detail, fields := map[string]string{}, []string{}
	for _, f := range []struct {
		name string
		same bool
	}{
		{"name", b.Name == was.Name}, {"color", b.Color == was.Color}, {"help", b.Help == was.Help}, {"help_url", b.HelpURL == was.HelpURL},
		{"greeting", b.Greeting == was.Greeting}, {"links", slices.Equal(b.Links, was.Links)}, {"logo", b.Logo == was.Logo},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	detail["fields"] = strings.Join(fields, " ")
	for name, pair := range map[string][2]string{"name": {was.Name, b.Name}, "color": {was.Color, b.Color}} {
		if pair[0] != pair[1] {
			detail[name+"_before"], detail[name] = cmp.Or(pair[0], "-"), cmp.Or(pair[1], "-")
		}
	}
	return detail
}

// picture returns the logo of that id, nil when it is another one now.
func (s *Store) picture(ctx context.Context, id string) (picture []byte, err error) {
	err = s.DB.Get(ctx, &picture, `SELECT logo FROM brand WHERE id = 1 AND logo_id = $1`, id)
	if dbx.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("brand: logo: %w", err)
	}
	return picture, nil
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
