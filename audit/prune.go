package audit

import (
	"context"
	"strconv"
	"time"
)

// EventPruned is recorded when retention removes rows, in the same transaction: how many, and up to which place.
const EventPruned = "audit.pruned"

// pruneBatch is how many rows one transaction of Prune removes: on SQLite every writer waits for it.
const pruneBatch = 1000

// Prune removes linked rows from the beginning of the chain that are older than before, up to the first that is not, and
// none behind the place last. What it leaves is still proved: the place where the chain now begins is signed in the same
// transaction. It looks at what it removes like [Log.Verify] does, and fails with a [*Problem] rather than remove the
// evidence of something wrong. The moment must lie further back than a transaction can take. Any number of processes may
// call it.
func (l *Log) Prune(ctx context.Context, before time.Time, last int64) (removed int, err error) {
	before = before.Truncate(time.Millisecond)
	for {
		n, batch := 0, time.Now()
		err := l.DB.InTx(ctx, func(ctx context.Context) (err error) {
			n, err = l.pruneSome(ctx, before, last)
			return err
		})
		if err != nil {
			l.note(err)
			return removed, wrap("prune", err)
		}
		if removed += n; n < pruneBatch {
			return removed, nil
		}
		if err := l.DB.Rest(ctx, time.Since(batch)); err != nil {
			return removed, wrap("prune", err)
		}
	}
}

func (l *Log) pruneSome(ctx context.Context, before time.Time, last int64) (int, error) {
	var c checkpoint
	err := l.DB.Get(ctx, &c, "UPDATE audit_checkpoint SET seq = seq WHERE id = 1 RETURNING seq, link, at, removed, floor, mac")
	if c, err = l.checkedCheckpoint(c, err); err != nil {
		return 0, err
	}
	h, err := l.readHead(ctx)
	if err != nil {
		return 0, err
	}
	var rows []row
	err = l.DB.Select(ctx, &rows, selectRows+"WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", c.Seq, min(h.Seq, last), pruneBatch)
	if err != nil {
		return 0, err
	}
	w := walker{log: l, at: Anchor{c.Seq, c.Link}, floor: c.Floor, began: h.BeganAt}
	n := 0
	for _, r := range rows {
		if r.At >= before.UnixMilli() {
			break
		}
		if problems := w.step(r); len(problems) > 0 {
			return 0, problems[0]
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	gone, err := l.DB.Exec(ctx, "DELETE FROM audit WHERE seq > $1 AND seq <= $2", c.Seq, w.at.Seq)
	if err != nil {
		return 0, err
	}
	if gone != int64(n) {
		return 0, &Problem{Seq: c.Seq + 1, Last: w.at.Seq, What: Missing}
	}
	// What comes from now on is younger than before, and so is what stays, but for what came late.
	floor := firstID(before)
	var rest []string
	if err := l.DB.Select(ctx, &rest, "SELECT id FROM audit ORDER BY id LIMIT 1"); err != nil {
		return 0, err
	}
	if len(rest) > 0 {
		floor = min(floor, rest[0])
	}
	c.Floor = max(c.Floor, floor) // one that was put back moves nothing
	c.Seq, c.Link, c.At, c.Removed = w.at.Seq, w.at.Link, l.now().UnixMilli(), c.Removed+int64(n)
	_, err = l.DB.Exec(ctx, "UPDATE audit_checkpoint SET seq = $1, link = $2, at = $3, removed = $4, floor = $5, mac = $6 WHERE id = 1",
		c.Seq, c.Link, c.At, c.Removed, c.Floor, l.sign(c.encode()))
	if err != nil {
		return 0, err
	}
	return n, l.Record(ctx, Event{Action: EventPruned, Actor: Server, Detail: map[string]string{
		"rows": strconv.Itoa(n), "to": strconv.FormatInt(c.Seq, 10), "before": before.UTC().Format(time.RFC3339),
	}})
}
