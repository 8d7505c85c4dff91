package oauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Bounds of logos.
const (
	maxLogo   = 128 << 10
	maxSide   = 1024 // pixels: little data can be a picture that fills a browser's memory
	logoTries = 10
	logoRetry = time.Hour
)

// measures returns how large a picture is, for each kind that is taken, by what it begins with. SVG is none of them: it
// can hold scripts.
var measures = map[string]func(io.Reader) (image.Config, error){
	"image/png": png.DecodeConfig, "image/jpeg": jpeg.DecodeConfig, "image/gif": gif.DecodeConfig, "image/webp": measureWebP,
}

// logoRow is a row of oauth_logos.
type logoRow struct {
	ClientID string `db:"client_id"`
	URI      string `db:"uri"`
	Kind     string `db:"kind"`
	ETag     string `db:"etag"`
	Body     []byte `db:"body"`
	Tries    int64  `db:"tries"`
}

// setLogo notes which logo is to be fetched. The copy of an address that has not changed stays; where there is none yet,
// the tries begin anew.
func (c *Clients) setLogo(ctx context.Context, client *Client) error {
	if client.LogoURI == "" {
		_, err := c.db.Exec(ctx, `DELETE FROM oauth_logos WHERE client_id = $1`, client.ID)
		return err
	}
	_, err := c.db.Exec(ctx, `INSERT INTO oauth_logos (client_id, uri) VALUES ($1, $2)
		ON CONFLICT (client_id) DO UPDATE SET uri = excluded.uri, kind = '', etag = '', body = NULL, problem = '', tries = 0, next_at = 0
		WHERE oauth_logos.uri <> excluded.uri OR oauth_logos.body IS NULL`, client.ID, client.LogoURI)
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

// LogoProblem says why there is no copy of client's logo, "" when there is one, none is wanted, or none was tried.
func (c *Clients) LogoProblem(ctx context.Context, client *Client) (string, error) {
	var problem string
	err := c.db.Get(ctx, &problem, `SELECT problem FROM oauth_logos WHERE client_id = $1 AND body IS NULL`, client.ID)
	if dbx.IsNotFound(err) {
		err = nil
	}
	return problem, err
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
	body, kind, problem := c.download(ctx, row.URI)
	if problem != "" {
		c.log.WarnContext(ctx, "a client's logo cannot be had", "client", row.ClientID, "reason", problem, "tries_left", logoTries-1-row.Tries)
		_, err := c.db.Exec(ctx, `UPDATE oauth_logos SET problem = $3 WHERE client_id = $1 AND uri = $2`, row.ClientID, row.URI, problem)
		return err
	}
	sum := sha256.Sum256(body)
	_, err = c.db.Exec(ctx, `UPDATE oauth_logos SET kind = $3, etag = $4, body = $5, problem = '' WHERE client_id = $1 AND uri = $2`,
		row.ClientID, row.URI, kind, hex.EncodeToString(sum[:8]), body)
	return err
}

// download fetches a picture, or says why there is none that we show.
func (c *Clients) download(ctx context.Context, uri string) (body []byte, kind, problem string) {
	body, err := fetch(ctx, c.http, uri, "image/png, image/webp, image/jpeg, image/gif", maxLogo)
	if err != nil {
		return nil, "", strings.ReplaceAll(err.Error(), "oauth: ", "")
	}
	kind = http.DetectContentType(body)
	measure, known := measures[kind]
	if !known {
		return nil, "", "it is no PNG, JPEG, GIF or WebP"
	}
	size, err := measure(bytes.NewReader(body))
	switch {
	case err != nil:
		return nil, "", "the picture is damaged"
	case size.Width > maxSide || size.Height > maxSide:
		return nil, "", fmt.Sprintf("the picture is more than %d pixels wide or high", maxSide)
	}
	return body, kind, ""
}

// measureWebP reads the size of a picture from the first chunk of its container.
func measureWebP(r io.Reader) (size image.Config, err error) {
	head := make([]byte, 30)
	if _, err := io.ReadFull(r, head); err != nil {
		return size, err
	}
	little := func(at, n int) (v int) {
		for i := range n {
			v |= int(head[at+i]) << (8 * i)
		}
		return v
	}
	switch string(head[12:16]) {
	case "VP8X":
		size.Width, size.Height = little(24, 3)+1, little(27, 3)+1
	case "VP8L":
		size.Width, size.Height = little(21, 4)&0x3FFF+1, little(21, 4)>>14&0x3FFF+1
	case "VP8 ":
		size.Width, size.Height = little(26, 2)&0x3FFF, little(28, 2)&0x3FFF
	default:
		err = errors.New("oauth: no WebP")
	}
	return size, err
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

// fetch returns the document at uri, an address that a client chose. No error holds the address, which may hold what is
// for its owner alone.
func fetch(ctx context.Context, client *http.Client, uri, accept string, limit int64) ([]byte, error) {
	if u, err := url.Parse(uri); err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("oauth: documents are fetched by https alone")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	response, err := client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
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
