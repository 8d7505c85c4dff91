package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/focushq/idp/internal/dbx"
)

// Longest values that are kept, in bytes; what is longer is cut and ends with an ellipsis.
const (
	maxName    = 128 // action, actor, subject, client, result, address, request ID, a detail's name
	maxText    = 512 // agent, a detail's value
	maxDetails = 32  // entries of Detail, the first by name
)

// Log is the trail in the tables of the migration stream "audit".
type Log struct {
	DB  *dbx.DB
	Now func() time.Time // nil: time.Now
}

// Anonymous is the Actor of what somebody did who has not proved who they are: a wrong password is no deed of the person
// whose name was typed.
const Anonymous = "-"

// Server is the Actor of what the provider does by itself.
const Server = "the server"

// Event is what happened. Empty fields are fine where they say nothing.
type Event struct {
	Action  string // for example "password.accepted"
	Actor   string // who did it; "": the actor of the request in the context, else Subject; or [Anonymous], [Server]
	Subject string // whom it concerns; "": no one person
	Client  string // the relying party's client_id; "": that of the request in the context
	Result  string // "" for success, otherwise a short stable reason
	Detail  map[string]string
}

// Entry is a recorded event.
type Entry struct {
	ID string // ascends with time
	At time.Time
	Event
	Request Request // without Actor and Client: those are the Event's
}

// Record appends e, with the request in ctx, as part of the transaction in ctx if there is one. Control, formatting
// and invalid characters are replaced and overlong values cut, so that no value can forge or flood a line. An error
// means that the change it belongs to must fail too.
func (l *Log) Record(ctx context.Context, e Event) error {
	request := RequestOf(ctx)
	if e.Actor == "" {
		e.Actor = request.Actor
	}
	if e.Actor == "" {
		e.Actor = e.Subject
	}
	if e.Client == "" {
		e.Client = request.Client
	}
	detail, err := encode(e.Detail)
	if err != nil {
		return fmt.Errorf("audit: detail: %w", err)
	}
	now := time.Now()
	if l.Now != nil {
		now = l.Now()
	}
	_, err = l.DB.Exec(ctx, `
		INSERT INTO audit (id, at, action, actor, subject, client, result, address, agent, request_id, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		newID(now), now.UnixMilli(), clean(e.Action, maxName), clean(e.Actor, maxName), clean(e.Subject, maxName),
		clean(e.Client, maxName), clean(e.Result, maxName), clean(request.Address, maxName),
		clean(request.Agent, maxText), clean(request.ID, maxName), detail)
	if err != nil {
		return fmt.Errorf("audit: record: %w", err)
	}
	return nil
}

// newID is fixed-width hexadecimal, which every collation of either engine puts in the same order.
func newID(now time.Time) string {
	var random [8]byte
	rand.Read(random[:])
	return fmt.Sprintf("%016x", now.UnixNano()) + hex.EncodeToString(random[:])
}

func encode(detail map[string]string) (string, error) {
	kept := make(map[string]string, len(detail))
	for _, name := range slices.Sorted(maps.Keys(detail)) {
		if len(kept) == maxDetails {
			break
		}
		kept[clean(name, maxName)] = clean(detail[name], maxText)
	}
	text, err := json.Marshal(kept)
	return string(text), err
}

// clean makes s one harmless line of at most limit bytes.
func clean(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		end := limit
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	s = strings.Map(func(r rune) rune {
		// Cf holds the bidirectional overrides, Zl and Zp the line separators of Unicode.
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return '·'
		}
		return r
	}, s)
	if cut {
		s += "…"
	}
	return s
}

// Filter narrows [Log.List]; a zero field does not.
type Filter struct {
	Action, Actor, Subject, Client, Result string    // exactly these
	Since, Until                           time.Time // from the first, before the second
	Before                                 string    // cursor: the ID of the last entry of the page before
	Limit                                  int       // 0: 50; at most 500
}

// List returns the entries that match f, newest first.
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) {
	query, args := f.query()
	var rows []struct {
		ID      string `db:"id"`
		At      int64  `db:"at"`
		Action  string `db:"action"`
		Actor   string `db:"actor"`
		Subject string `db:"subject"`
		Client  string `db:"client"`
		Result  string `db:"result"`
		Address string `db:"address"`
		Agent   string `db:"agent"`
		Request string `db:"request_id"`
		Detail  string `db:"detail"`
	}
	if err := l.DB.Select(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("audit: list: %w", err)
	}
	out := make([]Entry, 0, len(rows))
	for _, r := range rows {
		e := Entry{
			ID: r.ID, At: time.UnixMilli(r.At),
			Event:   Event{Action: r.Action, Actor: r.Actor, Subject: r.Subject, Client: r.Client, Result: r.Result},
			Request: Request{ID: r.Request, Address: r.Address, Agent: r.Agent},
		}
		if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil {
			return nil, fmt.Errorf("audit: detail of %s: %w", r.ID, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// query returns the statement for f. Its text is put together from constants only, a condition per field in use, so
// that an index is used and few different texts are ever prepared.
func (f Filter) query() (string, []any) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	for _, c := range []struct{ condition, value string }{
		{"action =", f.Action}, {"actor =", f.Actor}, {"subject =", f.Subject}, {"client =", f.Client},
		{"result =", f.Result}, {"id <", f.Before},
	} {
		if c.value != "" {
			add(c.condition, c.value)
		}
	}
	if !f.Since.IsZero() {
		add("at >=", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		add("at <", f.Until.UnixMilli())
	}
	query := "SELECT id, at, action, actor, subject, client, result, address, agent, request_id, detail FROM audit"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	args = append(args, min(f.Limit, 500))
	return query + " ORDER BY id DESC LIMIT $" + strconv.Itoa(len(args)), args
}
