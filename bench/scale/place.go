package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/bench/fill"
	"github.com/focushq/idp/internal/dbxtest"
)

// place is a provider over a crowd, and what was measured there.
type place struct {
	server *dbxtest.Server
	crowd  fill.Crowd
	cfg    idp.Config
	p      *idp.IdP
	db     *sql.DB
	size   string
	before map[string]int64 // how often each table had been read as a whole
	whole  []string         // those that were since
	at     map[string]int   // operations done so far
	tokens map[int]string   // refresh tokens of grants that were used
	issued []issued
	costs  map[string]*cost
}

// issued is an access token and whose it is.
type issued struct{ client, token string }

// newPlace makes a database with a crowd in it.
func newPlace(ctx context.Context, server *dbxtest.Server, folder, name string, size fill.Size) (*place, error) {
	address, err := server.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	p := &place{server: server, cfg: idp.Defaults(), at: map[string]int{}, tokens: map[int]string{}, costs: map[string]*cost{}}
	p.cfg.DatabaseURL, p.cfg.KeysetFile, p.cfg.Log = address, filepath.Join(folder, name+".json"), slog.New(slog.DiscardHandler)
	ownBefore, serverBefore, err := p.processor()
	if err != nil {
		return nil, err
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	rows := 0
	p.crowd, err = fill.Fill(ctx, fill.Config{Size: size, DatabaseURL: address, Keyset: p.cfg.KeysetFile, Log: func(table string, n int, took time.Duration) {
		rows += n
		fmt.Printf("%-20s %10d rows %8.1f s\n", table, n, took.Seconds())
	}})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	own, served, err := p.processor()
	if err != nil {
		return nil, err
	}
	fmt.Printf("%d people and %d grants, %d rows in all, in %.1f s: %.0f rows/s; processor's time %.1f s, the server's %.1f s\n\n", size.People, size.Grants, rows,
		took.Seconds(), float64(rows)/took.Seconds(), (own - ownBefore).Seconds(), (served - serverBefore).Seconds())
	return p, nil
}

// prepare makes the tables. Grants get room in their pages, as there is in those of a table in use, where versions of rows come and
// go: what is filled at once would be packed so tightly that the first refresh of each grant goes to another page and changes all
// indexes.
func (p *place) prepare(ctx context.Context) (err error) {
	made, err := idp.New(ctx, p.cfg)
	if err != nil {
		return err
	}
	made.Close()
	if p.db, err = sql.Open("postgres", p.cfg.DatabaseURL); err != nil {
		return err
	}
	p.db.SetMaxOpenConns(1)
	for _, query := range []string{`ALTER TABLE oauth_grants SET (fillfactor = 70)`, `CREATE EXTENSION IF NOT EXISTS pg_stat_statements`} {
		if _, err := p.db.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// start starts the provider.
func (p *place) start(ctx context.Context) (err error) {
	if err := p.db.QueryRowContext(ctx, `SELECT pg_size_pretty(pg_database_size(current_database()))`).Scan(&p.size); err != nil {
		return err
	}
	// A session is noted as seen once a minute, which those of few people are long before those of many: none is while this runs.
	for _, query := range []string{`UPDATE sessions SET seen_at = seen_at + 86400000`, `VACUUM ANALYZE sessions`} {
		if _, err := p.db.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	p.p, err = idp.New(ctx, p.cfg)
	return err
}

func (p *place) close() {
	if p.p != nil {
		p.p.Close()
	}
	p.db.Close()
}

// begin notes how often tables were read as a whole before the load.
func (p *place) begin(ctx context.Context) (err error) {
	// What this connection did counts from now on, not some time later.
	if _, err := p.db.ExecContext(ctx, `SELECT pg_stat_force_next_flush()`); err != nil {
		return err
	}
	p.before, err = p.scans(ctx, 0)
	return err
}

// scanned ends the provider, whose connections then tell what they did, and returns the large tables that were read as a whole
// since begin.
func (p *place) scanned(ctx context.Context) (out []string, err error) {
	p.p.Close()
	p.p = nil
	var others int
	for range 100 { // until the server has ended them
		err := p.db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil || others == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	after, err := p.scans(ctx, 1000)
	for table, n := range after {
		if n > p.before[table] {
			out = append(out, fmt.Sprintf("%s (%d times)", table, n-p.before[table]))
		}
	}
	slices.Sort(out)
	return out, err
}

// scans returns how often each table that had at least so many rows when it was last analysed was read as a whole.
func (p *place) scans(ctx context.Context, least int) (map[string]int64, error) {
	rows, err := p.db.QueryContext(ctx, `SELECT s.relname, s.seq_scan FROM pg_stat_user_tables AS s JOIN pg_class ON pg_class.oid = s.relid
		WHERE $1 = 0 OR reltuples > $1`, least)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var table string
		var n int64
		if err := rows.Scan(&table, &n); err != nil {
			return nil, err
		}
		out[table] = n
	}
	return out, rows.Err()
}

// operation is what is measured; do does it for the n-th time.
type operation struct {
	name string
	do   func(p *place, n int) error
}

var operations = []operation{
	{"client credentials", func(p *place, n int) error {
		_, err := fill.Post(p.p, p.cfg.PublicURL+"/oauth2/token", p.crowd.Client(n), url.Values{"grant_type": {"client_credentials"}})
		return err
	}},
	{"code and exchange", func(p *place, n int) error {
		client := p.crowd.Client(n)
		code, err := fill.Authorize(p.p, p.cfg.PublicURL, client, &http.Cookie{Name: p.p.Sessions.Cookies.Name("session"), Value: fill.Cookie(spread(n, p.crowd.Sessions))})
		if err == nil {
			_, err = fill.Redeem(p.p, p.cfg.PublicURL, client, code)
		}
		return err
	}},
	{"refresh", (*place).refresh},
	{"introspection", func(p *place, n int) error {
		token := p.issued[n%len(p.issued)]
		_, err := fill.Post(p.p, p.cfg.PublicURL+"/oauth2/introspect", token.client, url.Values{"token": {token.token}})
		return err
	}},
	{"userinfo", func(p *place, n int) error {
		r := httptest.NewRequest(http.MethodGet, p.cfg.PublicURL+"/oauth2/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+p.issued[n%len(p.issued)].token)
		w := httptest.NewRecorder()
		if p.p.Handler().ServeHTTP(w, r); w.Code != http.StatusOK {
			return fmt.Errorf("userinfo: %d %s", w.Code, w.Body)
		}
		return nil
	}},
}

// spread returns numbers below all that lie far from each other, each once in a round.
func spread(n, all int) int { return int(int64(n) * 7919 % int64(all)) } // a prime number, which no size has as a factor

// refresh moves the chain of one grant after another.
func (p *place) refresh(n int) error {
	grant := spread(n, p.crowd.Grants)
	token, used := p.tokens[grant]
	if !used {
		token = p.crowd.Refresh(grant)
	}
	client := p.crowd.GrantClient(grant)
	body, err := fill.Post(p.p, p.cfg.PublicURL+"/oauth2/token", client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	if err != nil {
		return err
	}
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Refresh == "" {
		return errors.Join(err, errors.New("no refresh token came"))
	}
	p.tokens[grant] = answer.Refresh
	p.issued = append(p.issued, issued{client, answer.Access})
	p.issued = p.issued[max(0, len(p.issued)-5000):]
	return nil
}
