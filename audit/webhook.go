package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

const (
	hookRows   = 500       // entries of a batch at most
	hookBytes  = 256 << 10 // a batch ends with the entry that makes it larger
	hookWithin = 10 * time.Second
	// The next attempt is due well after the one before has ended, or two processes would send the same batch.
	hookFirstWait   = 30 * time.Second
	hookLongestWait = time.Hour
)

// Webhook sends linked rows to a receiver: each at least once, in the order of the chain, as Standard Webhooks 1.0.0
// describes it (standardwebhooks.com). How far it is stands in one row of the database; no writer waits for it. It is safe
// for concurrent use, in one process and in several.
type Webhook struct {
	Log    *Log
	URL    string
	Secret []byte       // see [WebhookSecret]
	Client *http.Client // which says what addresses may be reached
}

// ErrWebhookSecret says that a text is no secret of a webhook.
var ErrWebhookSecret = errors.New("must be whsec_ and 24 to 64 random bytes in base64, such as: echo whsec_$(openssl rand -base64 32)")

// WebhookSecret reads a secret as Standard Webhooks writes it.
func WebhookSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(secret) < 24 || len(secret) > 64 {
		return nil, ErrWebhookSecret
	}
	return secret, nil
}

// delivery is how far the webhook is.
type delivery struct {
	Seq      int64 `db:"seq"`
	Until    int64 `db:"until"`
	Attempts int64 `db:"attempts"`
	DueAt    int64 `db:"due_at"`
}

// Position returns the place of the last row that the receiver has taken. The first call begins at the chain's end: what
// was before is for [Log.Each].
func (w *Webhook) Position(ctx context.Context) (int64, error) {
	d, err := w.delivery(ctx)
	return d.Seq, wrap("webhook", err)
}

func (w *Webhook) delivery(ctx context.Context) (delivery, error) {
	const query = "SELECT seq, until, attempts, due_at FROM audit_delivery WHERE id = 1"
	var d delivery
	err := w.Log.DB.Get(ctx, &d, query)
	if !dbx.IsNotFound(err) {
		return d, err
	}
	_, err = w.Log.DB.Exec(ctx, `
		INSERT INTO audit_delivery (id, seq, until, attempts, due_at) SELECT 1, seq, 0, 0, 0 FROM audit_head WHERE id = 1
		ON CONFLICT (id) DO NOTHING`)
	if err != nil {
		return d, err
	}
	return d, w.Log.DB.Get(ctx, &d, query)
}

// Deliver sends what is due, batch after batch. A batch that the receiver does not take with a status of 2xx within ten
// seconds is sent again unchanged, under the same webhook-id, after 30 seconds, and then after ever longer times up to an
// hour, until it is taken; nothing overtakes it. The error says why, without the URL, which may hold a secret.
func (w *Webhook) Deliver(ctx context.Context) error {
	for ctx.Err() == nil {
		more, err := w.deliverOne(ctx)
		if err != nil || !more {
			return wrap("webhook", err)
		}
	}
	return nil
}

func (w *Webhook) deliverOne(ctx context.Context) (more bool, err error) {
	d, err := w.delivery(ctx)
	now := w.Log.now()
	wait := time.UnixMilli(d.DueAt).Sub(now)
	if err != nil || wait > 0 && wait <= hookLongestWait { // a clock that was wrong arranges for nothing
		return false, err
	}
	batch, err := w.batch(ctx, d)
	if err != nil || batch == nil {
		return false, err
	}
	// Whoever counts the attempt makes it. One that dies meanwhile has arranged for the next one.
	wait = hookLongestWait
	if d.Attempts < 7 {
		wait = hookFirstWait << d.Attempts
	}
	won, err := w.Log.DB.Exec(ctx, `
		UPDATE audit_delivery SET until = $1, attempts = attempts + 1, due_at = $2
		WHERE id = 1 AND seq = $3 AND attempts = $4 AND due_at = $5`,
		batch.last, now.Add(wait).UnixMilli(), d.Seq, d.Attempts, d.DueAt)
	if err != nil || won == 0 {
		return false, err
	}
	if err := w.send(ctx, batch); err != nil {
		return false, fmt.Errorf("attempt %d of rows %d to %d, the next one in %v: %w", d.Attempts+1, batch.first, batch.last, wait, err)
	}
	// It is taken: this must be noted even when the process is being stopped.
	_, err = w.Log.DB.Exec(context.WithoutCancel(ctx), `
		UPDATE audit_delivery SET seq = $1, until = 0, attempts = 0, due_at = 0 WHERE id = 1 AND seq = $2 AND until = $1`, batch.last, d.Seq)
	return err == nil, err
}

// batch is what is sent at once.
type batch struct {
	first, last int64
	body        []byte
}

// batch returns the batch that is under way, as it was, or the next one; nil when there is nothing.
func (w *Webhook) batch(ctx context.Context, d delivery) (*batch, error) {
	query, args := selectRows+"WHERE seq > $1 ORDER BY seq LIMIT $2", []any{d.Seq, hookRows}
	if d.Until > 0 {
		query, args = selectRows+"WHERE seq > $1 AND seq <= $3 ORDER BY seq LIMIT $2", append(args, d.Until)
	}
	var rows []row
	if err := w.Log.DB.Select(ctx, &rows, query, args...); err != nil || len(rows) == 0 {
		return nil, err
	}
	b := &batch{first: rows[0].Seq}
	var data []json.RawMessage
	size := 0
	for _, r := range rows {
		e, err := w.Log.entry(r)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		data, b.last = append(data, text), r.Seq
		if size += len(text); size > hookBytes && d.Until == 0 {
			break
		}
	}
	var err error
	b.body, err = json.Marshal(struct {
		Type string            `json:"type"`
		Time time.Time         `json:"timestamp"`
		Data []json.RawMessage `json:"data"`
	}{"audit.entries", time.UnixMilli(rows[len(data)-1].At).UTC(), data})
	return b, err
}

func (w *Webhook) send(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeout(ctx, hookWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(b.body))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	id, at := fmt.Sprintf("audit-%d-%d", b.first, b.last), strconv.FormatInt(w.Log.now().Unix(), 10)
	h := hmac.New(sha256.New, w.Secret)
	io.WriteString(h, id+"."+at+".")
	h.Write(b.body)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Webhook-Id": id, "Webhook-Timestamp": at,
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)),
	} {
		request.Header.Set(name, value)
	}
	response, err := w.Client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the URL
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %d", response.StatusCode)
	}
	return nil
}
