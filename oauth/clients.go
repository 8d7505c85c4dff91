package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Clients keeps the relying parties. What it returns was read at that moment; the protocol looks at snapshots of a second.
type Clients struct {
	db    *dbx.DB
	key   []byte
	http  *http.Client // fetches logos
	gone  func(context.Context, string) error
	now   func() time.Time
	audit func(context.Context, Event) error
	log   *slog.Logger

	reserved  []string // [Config.Reserved]
	snapshots *snapshots
}

// clientRow is a row of oauth_clients.
type clientRow struct {
	Metadata     string `db:"metadata"`
	SecretHash   string `db:"secret_hash"`
	Registration string `db:"registration_hash"`
	RotatedHash  string `db:"rotated_hash"`
	RotatedUntil int64  `db:"rotated_until"`
	SecretAt     int64  `db:"secret_at"`
	RotatedAt    int64  `db:"rotated_at"`
	Version      int64  `db:"version"`
	CreatedAt    int64  `db:"created_at"`
	UpdatedAt    int64  `db:"updated_at"`
}

const clientColumns = `metadata, secret_hash, registration_hash, rotated_hash, rotated_until, secret_at, rotated_at, version,
	created_at, updated_at`

// Create registers client and returns its secret, the only time that it is shown; "" for a client without one. secret
// is the one to use, "" makes one of 256 bits. Empty fields of client get their defaults. A client that breaks the rules
// is an [*InvalidError], a taken id [ErrTaken], one that the host keeps for itself [ErrReserved].
func (c *Clients) Create(ctx context.Context, client *Client, secret string) (string, error) {
	if err := c.writable(client.ID); err != nil {
		return "", err
	}
	return c.create(ctx, client, secret)
}

func (c *Clients) create(ctx context.Context, client *Client, secret string) (string, error) {
	created := client.WithDefaults()
	if err := created.validate(); err != nil {
		return "", err
	}
	secret, err := c.secretFor(created, secret)
	if err != nil {
		return "", err
	}
	return secret, c.db.InTx(ctx, func(ctx context.Context) error {
		return c.insert(ctx, created, secret, "")
	})
}

// insert stores a new client. access is the token by which it manages its registration, "" for none.
func (c *Clients) insert(ctx context.Context, client *Client, secret, access string) error {
	metadata, err := json.Marshal(client)
	if err != nil {
		return fmt.Errorf("oauth: client: %w", err)
	}
	rows, err := c.db.Exec(ctx, `INSERT INTO oauth_clients (id, name, searched, metadata, secret_hash, registration_hash, created_at,
		updated_at, secret_at) VALUES ($1, $2, $2, $3, $4, $5, $6, $6, $6) ON CONFLICT (id) DO NOTHING`,
		client.ID, client.Name, string(metadata), c.hash(client.ID, secret), c.hash(registrationScope+client.ID, access), c.now().Unix())
	if err != nil {
		return err
	}
	if rows == 0 {
		return ErrTaken
	}
	if err := c.bury(ctx, client.ID); err != nil { // what another client of this id was granted is not for this one
		return err
	}
	c.added(ctx, client.ID)
	if err := c.spread(ctx, client); err != nil {
		return err
	}
	return c.audit(ctx, Event{Kind: EventClientCreated, Client: client.ID, Detail: by(ctx)})
}

// Update replaces all but the id and the secret of client.ID, where it is still in the state of [Client.Version]; whatever
// its state where that is 0; the version is counted on when the change is committed. One that has no secret any more loses it: coming back to a secret it gets a new one by
// [Clients.Rotate]. Errors are [ErrNotFound], [ErrStale], [ErrReserved] and an [*InvalidError].
func (c *Clients) Update(ctx context.Context, client *Client) error {
	if err := c.writable(client.ID); err != nil {
		return err
	}
	return c.update(ctx, client)
}

func (c *Clients) update(ctx context.Context, client *Client) error {
	updated := client.WithDefaults()
	if err := updated.validate(); err != nil {
		return err
	}
	metadata, err := json.Marshal(updated)
	if err != nil {
		return fmt.Errorf("oauth: client: %w", err)
	}
	return c.db.InTx(ctx, func(ctx context.Context) error {
		was, err := c.row(ctx, updated.ID)
		if err != nil {
			return err
		}
		rows, err := c.db.Exec(ctx, `UPDATE oauth_clients SET name = $2, searched = $2, metadata = $3, updated_at = $4,
			version = version + 1, secret_hash = CASE WHEN $5 THEN secret_hash ELSE '' END,
			rotated_hash = CASE WHEN $5 THEN rotated_hash ELSE '' END
			WHERE id = $1 AND (CAST($6 AS BIGINT) = 0 OR version = $6)`,
			updated.ID, updated.Name, string(metadata), c.now().Unix(), updated.hasSecret(), client.Version)
		if err != nil {
			return err
		}
		if rows == 0 {
			return c.missed(ctx, updated.ID)
		}
		if err := c.changed(ctx, updated.ID); err != nil {
			return err
		}
		c.db.AfterCommit(ctx, func() {
			if client.Version != 0 {
				client.Version++
			}
		})
		if err := c.spread(ctx, updated); err != nil {
			return err
		}
		return c.audit(ctx, Event{Kind: EventClientUpdated, Client: updated.ID, Detail: changedFields(ctx, was.Metadata, string(metadata))})
	})
}

// changedFields returns the detail of an event that tells which fields of a client were changed, by their names alone.
func changedFields(ctx context.Context, was, is string) map[string]string {
	var before, after map[string]json.RawMessage
	if json.Unmarshal([]byte(was), &before) != nil || json.Unmarshal([]byte(is), &after) != nil {
		return by(ctx)
	}
	names := slices.Collect(maps.Keys(before))
	names = slices.AppendSeq(names, maps.Keys(after))
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return bytes.Equal(before[name], after[name]) })
	detail := map[string]string{"fields": strings.Join(names, " ")}
	maps.Copy(detail, by(ctx))
	return detail
}

// missed says why a change of the client id touched no row: it is gone, or not in the state any more that was seen.
func (c *Clients) missed(ctx context.Context, id string) error {
	if _, err := c.row(ctx, id); err != nil {
		return err
	}
	return ErrStale
}

// Get returns the client id, [ErrNotFound] when there is none.
func (c *Clients) Get(ctx context.Context, id string) (*Client, error) {
	row, err := c.row(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.client(row)
}

func (c *Clients) row(ctx context.Context, id string) (row clientRow, err error) {
	if !clientIDForm.MatchString(id) { // PostgreSQL would take bytes that are no text for a failure of ours
		return row, ErrNotFound
	}
	err = c.db.Get(ctx, &row, `SELECT `+clientColumns+` FROM oauth_clients WHERE id = $1`, id)
	if dbx.IsNotFound(err) {
		return row, ErrNotFound
	}
	return row, err
}

// List returns all clients by id.
func (c *Clients) List(ctx context.Context) ([]*Client, error) {
	var rows []clientRow
	if err := c.db.Select(ctx, &rows, `SELECT `+clientColumns+` FROM oauth_clients ORDER BY id`); err != nil {
		return nil, err
	}
	out := make([]*Client, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = c.client(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Delete removes the client id with everything that was granted to it; [ErrNotFound] when there is none, [ErrReserved].
// Grants are refused from then on, and there may be more of them than one statement can remove: [Server.Prune] does that.
func (c *Clients) Delete(ctx context.Context, id string) error {
	if err := c.writable(id); err != nil {
		return err
	}
	return c.db.InTx(ctx, func(ctx context.Context) error {
		rows, err := c.db.Exec(ctx, `DELETE FROM oauth_clients WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if rows == 0 {
			return ErrNotFound
		}
		if err := c.changed(ctx, id); err != nil {
			return err
		}
		for _, query := range []string{
			`INSERT INTO oauth_gone (client_id) VALUES ($1) ON CONFLICT DO NOTHING`,
			`DELETE FROM oauth_origins WHERE client_id = $1`,
			`DELETE FROM oauth_client_words WHERE client_id = $1`,
			`DELETE FROM oauth_problems WHERE client_id = $1`,
			`DELETE FROM oauth_requests WHERE client_id = $1`,
			`DELETE FROM oauth_devices WHERE client_id = $1`,
			`DELETE FROM oauth_jti WHERE client_id = $1`,
			`DELETE FROM oauth_pushed WHERE client_id = $1`,
			`DELETE FROM oauth_logos WHERE client_id = $1`,
		} {
			if _, err := c.db.Exec(ctx, query, id); err != nil {
				return err
			}
		}
		if c.gone != nil {
			if err := c.gone(ctx, id); err != nil {
				return err
			}
		}
		return c.audit(ctx, Event{Kind: EventClientDeleted, Client: id, Detail: by(ctx)})
	})
}

// bury removes the grants of the deleted client id, in batches. Whoever registers that id meanwhile keeps theirs.
func (c *Clients) bury(ctx context.Context, id string) error {
	var n int
	if err := c.db.Get(ctx, &n, `SELECT COUNT(*) FROM oauth_gone WHERE client_id = $1`, id); err != nil || n == 0 {
		return err
	}
	for _, table := range []string{"oauth_access", "oauth_grants", "oauth_logins"} {
		where := "client_id = $1 AND EXISTS (SELECT 1 FROM oauth_gone WHERE oauth_gone.client_id = $1)"
		if err := c.db.Prune(ctx, table, "client_id", where, id); err != nil {
			return err
		}
	}
	_, err := c.db.Exec(ctx, `DELETE FROM oauth_gone WHERE client_id = $1
		AND NOT EXISTS (SELECT 1 FROM oauth_grants WHERE oauth_grants.client_id = $1)
		AND NOT EXISTS (SELECT 1 FROM oauth_access WHERE oauth_access.client_id = $1)`, id)
	return err
}

// buryAll removes the grants of all clients that were deleted.
func (c *Clients) buryAll(ctx context.Context) error {
	var ids []string
	if err := c.db.Select(ctx, &ids, `SELECT client_id FROM oauth_gone`); err != nil {
		return err
	}
	for _, id := range ids {
		if err := c.bury(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (c *Clients) client(row clientRow) (*Client, error) {
	var client Client
	if err := json.Unmarshal([]byte(row.Metadata), &client); err != nil {
		return nil, fmt.Errorf("oauth: client: %w", err)
	}
	client.secretHash, client.registrationHash = row.SecretHash, row.Registration
	client.rotatedHash, client.rotatedUntil = row.RotatedHash, row.RotatedUntil
	client.secretAt, client.rotatedAt, client.Version = row.SecretAt, row.RotatedAt, row.Version
	client.CreatedAt, client.UpdatedAt = time.Unix(row.CreatedAt, 0), time.Unix(row.UpdatedAt, 0)
	return &client, nil
}

// spread writes what is kept of a client beside its own row.
func (c *Clients) spread(ctx context.Context, client *Client) error {
	if err := c.setLogo(ctx, client); err != nil {
		return err
	}
	if err := c.setWords(ctx, client.ID, client.Name); err != nil {
		return err
	}
	if _, err := c.db.Exec(ctx, `DELETE FROM oauth_origins WHERE client_id = $1`, client.ID); err != nil {
		return err
	}
	for _, origin := range client.Origins() {
		_, err := c.db.Exec(ctx, `INSERT INTO oauth_origins (origin, client_id) VALUES ($1, $2)`, origin, client.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// originKnown reports whether a client has a redirect URI of this origin.
func (c *Clients) originKnown(ctx context.Context, origin string) (bool, error) {
	var n int
	err := c.db.Get(ctx, &n, `SELECT COUNT(*) FROM oauth_origins WHERE origin = $1`, origin)
	return n > 0, err
}
