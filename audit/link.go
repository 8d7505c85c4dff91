package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// linkBatch is how many rows one transaction of Link gives their places.
const linkBatch = 1000

// Link gives new rows their places in the chain, all that there are, and returns how many. Writers never wait for it: they
// only insert. Any number of processes may call it; one at a time does the work. A row that comes to be seen late, because
// its transaction was long, has a later place than its id says.
//
// A [*Problem] says that somebody has altered the trail. Where only rows or an earlier state of the chain are concerned,
// the work is done all the same and the problem is told once; a head that is forged or gone is not gone on from.
func (l *Log) Link(ctx context.Context) (linked int, err error) {
	l.linking.Lock()
	defer l.linking.Unlock()
	defer func() { l.note(err) }()
	h, err := l.readHead(ctx)
	if err != nil {
		return 0, err
	}
	told := l.notice(h)
	for more := h.Waiting; more; {
		n, err := l.linkSome(ctx)
		linked += n
		if problemOf(err) == nil && err != nil || n == 0 {
			return linked, errors.Join(told, err)
		}
		told, more = errors.Join(told, err), n == linkBatch
	}
	return linked, told
}

// notice compares the head with the furthest that this process has seen. It never goes back but by somebody's hand.
func (l *Log) notice(h head) error {
	before := l.seen
	l.seen = h.anchor()
	if h.Seq < before.Seq || h.Seq == before.Seq && h.Link != before.Link && before.Seq > 0 {
		return &Problem{Seq: before.Seq, What: RolledBack}
	}
	return nil
}

// linkSome links up to linkBatch rows. Its problem is the first of them that this provider did not write.
func (l *Log) linkSome(ctx context.Context) (n int, err error) {
	var forged *Problem
	var h head
	err = l.DB.InTx(ctx, func(ctx context.Context) error {
		forged = nil
		var err error
		if h, err = l.lockHead(ctx); err != nil {
			return err
		}
		var rows []row
		err = l.DB.Select(ctx, &rows, selectRows+"WHERE seq IS NULL ORDER BY id LIMIT $1", linkBatch)
		if n = len(rows); err != nil || n == 0 {
			return err
		}
		sealing := l.now().UnixMilli() < h.SealUntil
		for i := range rows {
			r := &rows[i]
			if r.MAC == "" && sealing {
				r.MAC = l.sign(r.encode(labelSealed))
			}
			r.Seq = h.Seq + 1
			r.Link = l.link(h.Link, *r)
			h.Seq, h.Link = r.Seq, r.Link
			if forged == nil && l.origin(*r) == labelNone {
				forged = &Problem{Seq: r.Seq, ID: r.ID, What: ofForged(*r)}
			}
		}
		if err := l.place(ctx, rows); err != nil {
			return err
		}
		if err := l.count(ctx, rows); err != nil {
			return err
		}
		_, err = l.DB.Exec(ctx, "UPDATE audit_head SET seq = $1, link = $2, mac = $3 WHERE id = 1", h.Seq, h.Link, l.sign(h.encode()))
		return err
	})
	if err != nil {
		return 0, wrap("link", err)
	}
	l.seen = h.anchor()
	if forged != nil {
		return n, forged
	}
	return n, nil
}

func ofForged(r row) string {
	if r.MAC == "" {
		return Unsigned
	}
	return Altered
}

// placeBatch is how many rows one statement of place writes. SQLite takes a time that grows with the square of a
// statement's arguments.
const placeBatch = 100

// place writes the places of rows.
func (l *Log) place(ctx context.Context, rows []row) error {
	for some := range slices.Chunk(rows, placeBatch) {
		size := 1 // few different texts, as each is prepared once: a short batch repeats its last row
		for size < len(some) {
			size *= 10
		}
		args := make([]any, 0, 4*size)
		for i := range size {
			r := some[min(i, len(some)-1)]
			args = append(args, r.ID, r.Seq, r.Link, r.MAC)
		}
		n, err := l.DB.Exec(ctx, placing(size), args...)
		if err == nil && n != int64(len(some)) {
			err = fmt.Errorf("%d of %d rows are still there", n, len(some))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// placing is the statement for size rows. Columns of VALUES are called column1 and so on by both engines.
func placing(size int) string {
	var text strings.Builder
	text.WriteString("UPDATE audit SET seq = v.column2, link = v.column3, mac = v.column4 FROM (VALUES ")
	for i := range size {
		if i > 0 {
			text.WriteString(", ")
		}
		n := func(k int) string { return "$" + strconv.Itoa(4*i+k) }
		text.WriteString("(" + n(1) + ", CAST(" + n(2) + " AS BIGINT), " + n(3) + ", " + n(4) + ")")
	}
	text.WriteString(") AS v WHERE audit.id = v.column1 AND audit.seq IS NULL")
	return text.String()
}
