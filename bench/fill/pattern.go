package fill

import (
	"context"
	"crypto/sha1"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
	"github.com/pquerna/otp/hotp"
)

// pattern is the one person of whom all others are copies.
type pattern struct {
	subject string
	codes   int // recovery codes
}

// clients registers the clients of the crowd, who all have one secret.
func (f *filler) clients(ctx context.Context) error {
	all := []oauth.Client{{ID: Asking, AuthMethod: "none"}}
	for n := range f.Clients {
		all = append(all, oauth.Client{ID: f.Client(n), GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}})
	}
	for _, c := range all {
		c.RedirectURIs, c.IDTokenAlg, c.Scopes = []string{Redirect}, "ES256", strings.Fields(Scopes)
		secret := ClientSecret
		if c.AuthMethod == "none" {
			secret = ""
		} else {
			c.Consent = "skip"
		}
		if _, err := f.p.OAuth.Clients().Create(ctx, &c, secret); err != nil {
			return fmt.Errorf("client %s: %w", c.ID, err)
		}
	}
	return nil
}

// person has the provider make the person: signed in, with a redeemed code, one that waits, consents and an authenticator.
func (f *filler) person(ctx context.Context) (err error) {
	a, err := f.p.Accounts.Create(ctx, account.NewAccount{
		Username: "pattern", Email: "pattern@example.com", EmailVerified: true, Name: "Pat Tern", Password: Password,
	})
	if err != nil {
		return err
	}
	f.pattern.subject = a.Subject
	if err := f.p.Consents.Decide(ctx, a.Subject, Asking, strings.Fields(Scopes), nil); err != nil {
		return err
	}
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, f.cfg.PublicURL+"/", nil)
	r.Header.Set("User-Agent", agent)
	if _, err := f.p.Sessions.Start(w, r, a.Subject, []string{"pwd"}); err != nil {
		return err
	}
	cookies := w.Result().Cookies()
	code, err := Authorize(f.p, f.cfg.PublicURL, f.Client(0), cookies...)
	if err != nil {
		return err
	}
	if _, err := Redeem(f.p, f.cfg.PublicURL, f.Client(0), code); err != nil {
		return err
	}
	if _, err := Authorize(f.p, f.cfg.PublicURL, f.Client(0), cookies...); err != nil { // a code that waits
		return err
	}
	return f.enrol(ctx, a.Subject)
}

const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// enrol gives the person an authenticator and recovery codes.
func (f *filler) enrol(ctx context.Context, subject string) error {
	owner := mfa.Owner{Subject: subject, Session: "seed"}
	pending, err := f.p.MFA.Enroll(ctx, owner, "pattern")
	if err != nil {
		return err
	}
	step := uint64(f.now.Unix() / 30)
	before, err := hotp.GenerateCode(pending.Key, step-1)
	if err != nil {
		return err
	}
	code, err := hotp.GenerateCode(pending.Key, step)
	if err != nil {
		return err
	}
	if _, err := f.p.MFA.VerifyEnrollment(ctx, owner, pending.ID, before, code); err != nil {
		return err
	}
	codes, set, err := f.p.MFA.NewRecoveryCodes(ctx, owner, pending.ID)
	if err != nil {
		return err
	}
	f.pattern.codes = len(codes)
	_, err = f.p.MFA.Confirm(ctx, owner, pending.ID, set)
	return err
}

// appKey is the secret of everybody's app as bytes.
func (f *filler) appKey() ([]byte, error) {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(f.key)
	if err == nil && len(key) != sha1.Size {
		err = errors.New("fill: the secret of an app has 20 bytes")
	}
	return key, err
}

// Authorize asks for a code of client in a browser with these cookies, whose person is signed in and not asked for anything.
func Authorize(p *idp.IdP, issuer, client string, cookies ...*http.Cookie) (code string, err error) {
	query := url.Values{
		"client_id": {client}, "redirect_uri": {Redirect}, "response_type": {"code"}, "scope": {Scopes}, "state": {"0123456789"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	r := httptest.NewRequest(http.MethodGet, issuer+"/oauth2/authorize?"+query.Encode(), nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, r)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		return "", fmt.Errorf("fill: no code: %d, to %q", w.Code, w.Header().Get("Location"))
	}
	return to.Query().Get("code"), nil
}

// Redeem redeems a code of [Authorize], or one that waits, and returns the answer's body.
func Redeem(p *idp.IdP, issuer, client, code string) ([]byte, error) {
	return Post(p, issuer+"/oauth2/token", client, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {Redirect}, "code_verifier": {Verifier},
	})
}

// Post sends a form of a client to an endpoint and returns the body of an answer that is 200.
func Post(p *idp.IdP, endpoint, client string, form url.Values) ([]byte, error) {
	r := httptest.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, ClientSecret)
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("fill: %s: %d %s", endpoint, w.Code, w.Body)
	}
	return w.Body.Bytes(), nil
}

// table is some rows of the database as they were read.
type table struct {
	name    string
	columns []string
	at      map[string]int
	rows    [][]any
}

// read reads the rows of a table, with all the columns that the schema gives it, for which where holds.
func read(ctx context.Context, db *dbx.DB, name, where string, args ...any) (*table, error) {
	t := &table{name: name, at: map[string]int{}}
	query := `SELECT name FROM pragma_table_info($1) ORDER BY cid`
	if db.Postgres() {
		query = `SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`
	}
	if err := db.Select(ctx, &t.columns, query, name); err != nil {
		return nil, err
	}
	for i, column := range t.columns {
		t.at[column] = i
	}
	rows, err := db.SQLX().QueryxContext(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+name+` WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, err := rows.SliceScan()
		if err != nil {
			return nil, err
		}
		for i, cell := range row {
			if octets, ok := cell.([]byte); ok && types[i].DatabaseTypeName() == "TEXT" {
				row[i] = string(octets)
			}
		}
		t.rows = append(t.rows, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("fill: the pattern left no row in %s", name)
	}
	return t, nil
}

// like returns a copy of the k-th row with other values in some columns, by name and value in turn.
func (t *table) like(k int, pairs ...any) []any {
	row := append([]any(nil), t.rows[k]...)
	for i := 0; i < len(pairs); i += 2 {
		at, known := t.at[pairs[i].(string)]
		if !known {
			panic("fill: " + t.name + " has no column " + pairs[i].(string))
		}
		row[at] = pairs[i+1]
	}
	return row
}

// number returns a number that stands in the k-th row.
func (t *table) number(k int, column string) int64 { return t.rows[k][t.at[column]].(int64) }

// hours and days are in Unix seconds.
const (
	hours = int64(time.Hour / time.Second)
	days  = 24 * hours
)
