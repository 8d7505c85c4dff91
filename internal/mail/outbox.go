package mail

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

const (
	giveUpAfter = 72 * time.Hour
	keepFailed  = 30 * 24 * time.Hour
	firstDelay  = time.Minute
	longest     = 6 * time.Hour
	// A try ends well before the next one is due, or two deliverers would send the same message.
	sendWithin = firstDelay / 2
	batch      = 100
)

// Cipher encrypts what waits in the outbox; *seal.Keys is one.
type Cipher interface {
	Encrypt(plain, aad []byte) ([]byte, error)
	Decrypt(sealed, aad []byte) ([]byte, error)
}

// Outbox keeps messages in the table of the migration stream "mail" until they are sent. It is safe for concurrent
// use, in one process and in several.
type Outbox struct {
	DB     *dbx.DB
	Sender Sender
	Cipher Cipher           // nil: messages, and the links in them, wait in clear
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: failed tries are only kept in the table

	count atomic.Uint32 // of messages that were put
}

// Put stores m for delivery, in the transaction that ctx carries if there is one. It returns [ErrInvalid] for a
// message that nobody could deliver.
func (o *Outbox) Put(ctx context.Context, m Message) error {
	m, to, err := m.checked()
	if err != nil {
		return err
	}
	now := o.now().UnixMilli()
	id := o.newID(now)
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mail: put: %w", err)
	}
	if o.Cipher != nil {
		if body, err = o.Cipher.Encrypt(body, aad(id)); err != nil {
			return fmt.Errorf("mail: put: %w", err)
		}
	}
	_, err = o.DB.Exec(ctx, `
		INSERT INTO outbox (id, recipient, body, sealed, attempts, created_at, due_at, last_error)
		VALUES ($1, $2, $3, $4, 0, $5, $5, '')`, id, to.Address, body, o.Cipher != nil, now)
	if err != nil {
		return fmt.Errorf("mail: put: %w", err)
	}
	return nil
}

// newID ascends, also within a millisecond: letters of one process keep the order of what they tell of. What it begins with
// is hexadecimal of a fixed width, which every collation of either engine puts in the same order.
func (o *Outbox) newID(now int64) string {
	return fmt.Sprintf("%012x%08x%s", now, o.count.Add(1), strings.ToLower(rand.Text()))
}

// row is a line of the table outbox.
type row struct {
	ID        string `db:"id"`
	Body      []byte `db:"body"`
	Sealed    bool   `db:"sealed"`
	Attempts  int    `db:"attempts"`
	CreatedAt int64  `db:"created_at"`
}

// Deliver tries each message that is due once. It ends early when the server cannot be reached, so it takes about
// half a minute at most with a dead one. Messages that could not be sent are tried again later and given up after three
// days; the error is about the database only.
func (o *Outbox) Deliver(ctx context.Context) error {
	var due []row
	err := o.DB.Select(ctx, &due, `
		SELECT id, attempts FROM outbox WHERE failed_at IS NULL AND due_at <= $1 ORDER BY due_at, id LIMIT $2`,
		o.now().UnixMilli(), batch)
	if err != nil {
		return fmt.Errorf("mail: deliver: %w", err)
	}
	for _, seen := range due {
		if ctx.Err() != nil {
			return nil
		}
		mine, err := o.claim(ctx, seen)
		if dbx.IsNotFound(err) {
			continue // another deliverer was quicker
		}
		if err == nil {
			var goOn bool
			if goOn, err = o.try(ctx, mine); err == nil && !goOn {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("mail: deliver: %w", err)
		}
	}
	return nil
}

// claim makes this deliverer the only one to try a message now: it counts the try and moves the next one into the
// future. A deliverer that dies while sending has thereby arranged for another try.
func (o *Outbox) claim(ctx context.Context, seen row) (row, error) {
	var mine row
	err := o.DB.Get(ctx, &mine, `
		UPDATE outbox SET attempts = attempts + 1, due_at = $3 WHERE id = $1 AND attempts = $2 AND failed_at IS NULL
		RETURNING id, body, sealed, attempts, created_at`,
		seen.ID, seen.Attempts, o.now().Add(delay(seen.Attempts)).UnixMilli())
	return mine, err
}

// try sends a claimed message and notes the outcome. It reports false when the next message would fail alike.
func (o *Outbox) try(ctx context.Context, mine row) (goOn bool, err error) {
	m, err := o.open(mine)
	if err != nil {
		// A message that no key opens any more must not keep the others from being sent.
		return true, o.failed(ctx, mine, err)
	}
	sending, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	if failure := o.Sender.Send(sending, m); failure != nil {
		goOn = errors.Is(failure, ErrRefused) || errors.Is(failure, ErrInvalid)
		return goOn, o.failed(ctx, mine, failure)
	}
	// The message is out: this must be noted even when the process is being stopped.
	_, err = o.DB.Exec(context.WithoutCancel(ctx), "DELETE FROM outbox WHERE id = $1", mine.ID)
	return true, err
}

func (o *Outbox) open(mine row) (m Message, err error) {
	body := mine.Body
	if mine.Sealed {
		if o.Cipher == nil {
			return m, errors.New("mail: the message is encrypted and there is no key")
		}
		if body, err = o.Cipher.Decrypt(body, aad(mine.ID)); err != nil {
			return m, errors.New("mail: no key opens the message")
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, errors.New("mail: the stored message is damaged")
	}
	m.ID, m.At = mine.ID, time.UnixMilli(mine.CreatedAt)
	return m, nil
}

// failed notes why a try failed; past the last one the message is given up and its text forgotten.
func (o *Outbox) failed(ctx context.Context, mine row, failure error) error {
	now, text := o.now(), harmless(failure)
	given := now.Sub(time.UnixMilli(mine.CreatedAt)) >= giveUpAfter
	query := "UPDATE outbox SET last_error = $3 WHERE id = $1 AND attempts = $2"
	args := []any{mine.ID, mine.Attempts, text}
	if given {
		query = "UPDATE outbox SET last_error = $3, failed_at = $4, body = $5, sealed = FALSE WHERE id = $1 AND attempts = $2"
		args = append(args, now.UnixMilli(), []byte{})
	}
	if o.Log != nil {
		o.Log.WarnContext(ctx, "mail was not sent", "id", mine.ID, "try", mine.Attempts, "given_up", given, "error", text)
	}
	_, err := o.DB.Exec(context.WithoutCancel(ctx), query, args...)
	return err
}

// delay is the time from a try to the next one, after n tries before it: a minute, doubled each time, at most 6 hours.
func delay(n int) time.Duration {
	if n > 8 {
		return longest
	}
	return firstDelay << n
}

// harmless shortens an error to a line that may be kept and shown: no link that the message held and the server quoted.
func harmless(err error) string {
	words := strings.Fields(oneLine(err.Error()))
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i] = "…"
		}
	}
	text := []rune(strings.Join(words, " "))
	return string(text[:min(len(text), 500)])
}

func aad(id string) []byte { return []byte("outbox/body/" + id) }

func (o *Outbox) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}
