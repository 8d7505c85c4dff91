package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// Log is the trail in the tables of the migration stream "audit". It is safe for concurrent use, in one process and in
// several.
type Log struct {
	DB  *dbx.DB
	Key []byte           // 32 bytes that the database does not hold, the same for ever: they sign rows and chain
	Now func() time.Time // nil: time.Now

	linking   sync.Mutex
	verifying sync.Mutex
	seen      Anchor // the furthest head that this process knows of
	noticed   atomic.Pointer[Problem]
}

// Noticed returns the last thing that this process has found wrong with the trail, by whichever of its methods, nil when it has
// found nothing. It stays until the process ends: linking tells of a row only once. Rows that are linked already are looked at by
// [Log.Verify] and, when they are old, by [Log.Prune] alone.
func (l *Log) Noticed() *Problem { return l.noticed.Load() }

// note keeps what is wrong with the trail, if err says so.
func (l *Log) note(err error) {
	if p := problemOf(err); p != nil {
		l.noticed.Store(p)
	}
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

// errNoKey says that a [Log] was made without its key.
var errNoKey = errors.New("audit: a key is needed")

// Record appends e, with the request in ctx, as part of the transaction in ctx if there is one. Control, formatting
// and invalid characters are replaced and overlong values cut, so that no value can forge or flood a line. The row
// carries a MAC over all of it from the start; [Log.Link] gives it its place in the chain. An error means that the change
// it belongs to must fail too.
func (l *Log) Record(ctx context.Context, e Event) error {
	if len(l.Key) == 0 {
		return errNoKey
	}
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
	detail, err := encode(request.detail(e.Detail))
	if err != nil {
		return fmt.Errorf("audit: detail: %w", err)
	}
	now := l.now()
	r := row{
		ID: newID(now), At: now.UnixMilli(), Action: clean(e.Action, maxName), Actor: clean(e.Actor, maxName),
		Subject: clean(e.Subject, maxName), Client: clean(e.Client, maxName), Result: clean(e.Result, maxName),
		Address: clean(request.Address, maxName), Agent: clean(request.Agent, maxText), Request: clean(request.ID, maxName),
		Detail: detail,
	}
	_, err = l.DB.Exec(ctx, `
		INSERT INTO audit (id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.ID, r.At, r.Action, r.Actor, r.Subject, r.Client, r.Result, r.Address, r.Agent, r.Request, r.Detail,
		l.sign(r.encode(labelWritten)))
	if err != nil {
		return fmt.Errorf("audit: record: %w", err)
	}
	return nil
}

func (l *Log) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// newID is fixed-width hexadecimal, which every collation of either engine puts in the same order.
func newID(now time.Time) string {
	var random [8]byte
	rand.Read(random[:])
	return firstID(now) + hex.EncodeToString(random[:])
}

// firstID is no greater than any id of that moment or later, and greater than all before.
func firstID(at time.Time) string { return fmt.Sprintf("%016x", at.UnixNano()) }

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
