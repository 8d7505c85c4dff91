package oauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Bounds of logos.
const (
	maxLogo   = 128 << 10
	logoTries = 10
	logoRetry = time.Hour
)

// logoKinds are the pictures that are taken, by what they begin with. SVG is none of them: it can hold scripts.
var logoKinds = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// logoRow is a row of oauth_logos.
type logoRow struct {
	ClientID string `db:"client_id"`
	URI      string `db:"uri"`
	Kind     string `db:"kind"`
	ETag     string `db:"etag"`
	Body     []byte `db:"body"`
	Tries    int64  `db:"tries"`
}

// setLogo notes which logo is to be fetched. The copy of an address that has not changed stays.
func (c *Clients) setLogo(ctx context.Context, client *Client) error {
	if client.LogoURI == "" {
		_, err := c.db.Exec(ctx, `DELETE FROM oauth_logos WHERE client_id = $1`, client.ID)
		return err
	}
	_, err := c.db.Exec(ctx, `INSERT INTO oauth_logos (client_id, uri) VALUES ($1, $2)
		ON CONFLICT (client_id) DO UPDATE SET uri = excluded.uri, kind = '', etag = '', body = NULL, tries = 0, next_at = 0
		WHERE oauth_logos.uri <> excluded.uri`, client.ID, client.LogoURI)
	return err
}

// LogoURL returns the path of our copy of client's logo, "" while there is none.
func (c *Clients) LogoURL(ctx context.Context, client *Client) (string, error) {
	if client.LogoURI == "" {
		return "", nil
	}
	var etag string
	err := c.db.Get(ctx, &etag, `SELECT etag FROM oauth_logos WHERE client_id = $1 AND body IS NOT NULL`, client.ID)
	if dbx.IsNotFound(err) {
		return "", nil
	}
	return "/oauth2/logo/" + url.PathEscape(client.ID) + "?v=" + etag, err
}

// FetchLogos fetches the logos that are missing, a few at a time. One that cannot be had is tried again hourly, ten
// times in all; that is the other server's failure and no error. Every replica may call it.
func (c *Clients) FetchLogos(ctx context.Context) error {
	var rows []logoRow
	err := c.db.Select(ctx, &rows, `SELECT client_id, uri, tries FROM oauth_logos
		WHERE body IS NULL AND tries < $1 AND next_at <= $2 ORDER BY next_at LIMIT 10`, logoTries, c.now().Unix())
	for _, row := range rows {
		err = errors.Join(err, c.copyLogo(ctx, row))
	}
	return err
}

// fetchLogo fetches the logo of one client, if it is missing and can be had.
func (c *Clients) fetchLogo(ctx context.Context, id string) {
	var row logoRow
	err := c.db.Get(ctx, &row, `SELECT client_id, uri, tries FROM oauth_logos WHERE client_id = $1 AND body IS NULL`, id)
	if err == nil {
		_ = c.copyLogo(ctx, row)
	}
}

func (c *Clients) copyLogo(ctx context.Context, row logoRow) error {
	// The try counts before it is made, and only one replica makes it.
	rows, err := c.db.Exec(ctx, `UPDATE oauth_logos SET tries = tries + 1, next_at = $4
		WHERE client_id = $1 AND uri = $2 AND tries = $3 AND body IS NULL`,
		row.ClientID, row.URI, row.Tries, c.now().Add(logoRetry).Unix())
	if err != nil || rows == 0 {
		return err
	}
	body, err := fetch(ctx, c.http, row.URI, "image/png, image/webp, image/jpeg, image/gif", maxLogo)
	kind := http.DetectContentType(body)
	if err != nil || !slices.Contains(logoKinds, kind) {
		return nil
	}
	sum := sha256.Sum256(body)
	_, err = c.db.Exec(ctx, `UPDATE oauth_logos SET kind = $3, etag = $4, body = $5 WHERE client_id = $1 AND uri = $2`,
		row.ClientID, row.URI, kind, hex.EncodeToString(sum[:8]), body)
	return err
}

// logo is GET /oauth2/logo/{id}: our copy of a client's logo. Pages show it, so that nobody else learns of a sign-in.
func (s *Server) logo(w http.ResponseWriter, r *http.Request) {
	var row logoRow
	id := r.PathValue("id")
	if !clientIDForm.MatchString(id) {
		http.NotFound(w, r)
		return
	}
	err := s.cfg.DB.Get(r.Context(), &row, `SELECT kind, etag, body FROM oauth_logos WHERE client_id = $1 AND body IS NOT NULL`, id)
	if dbx.IsNotFound(err) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		s.failJSON(w, r, unavailable(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", row.Kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("ETag", `"`+row.ETag+`"`)
	h.Set("Cache-Control", "public, no-cache")
	if r.URL.Query().Get("v") == row.ETag {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(row.Body))
}

// fetch returns the document at uri, an address that a client chose.
func fetch(ctx context.Context, client *http.Client, uri, accept string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("oauth: status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errors.New("oauth: the document is too long")
	}
	return body, err
}
