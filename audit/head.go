package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Anchor is a place in the chain and what the chain is there. Kept where nobody can change it who can change the database,
// it proves later that nothing up to there was taken back.
type Anchor struct {
	Seq  int64  `json:"seq"`
	Link string `json:"link"`
}

// String writes a as SEQ:LINK.
func (a Anchor) String() string { return strconv.FormatInt(a.Seq, 10) + ":" + a.Link }

// ErrNoAnchor says that a text is no anchor.
var ErrNoAnchor = errors.New("audit: an anchor is SEQ:LINK, as `idp audit verify` and the log write it")

// ParseAnchor reads what [Anchor.String] writes.
func ParseAnchor(text string) (Anchor, error) {
	number, link, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq < 0 || (link == "") != (seq == 0) {
		return Anchor{}, ErrNoAnchor
	}
	return Anchor{seq, link}, nil
}

// head is where the chain ends.
type head struct {
	Seq       int64  `db:"seq"`
	Link      string `db:"link"`
	BeganAt   int64  `db:"began_at"`
	SealUntil int64  `db:"seal_until"`
	MAC       string `db:"mac"`
	Waiting   bool   `db:"waiting"` // there are rows that are not linked
}

func (h head) encode() encoding {
	return encoding(nil).text(labelHead).number(h.Seq).text(h.Link).number(h.BeganAt).number(h.SealUntil)
}

func (h head) anchor() Anchor { return Anchor{h.Seq, h.Link} }

// checkpoint is where the chain begins.
type checkpoint struct {
	Seq     int64  `db:"seq"`
	Link    string `db:"link"`
	At      int64  `db:"at"`
	Removed int64  `db:"removed"`
	Floor   string `db:"floor"`
	MAC     string `db:"mac"`
}

func (c checkpoint) encode() encoding {
	return encoding(nil).text(labelCheckpoint).number(c.Seq).text(c.Link).number(c.At).number(c.Removed).text(c.Floor)
}

// sealFor is how long replicas of the release before may go on writing rows without a MAC, after the first one of this
// release has come.
const sealFor = 24 * time.Hour

// Begin makes the head of a chain that has none yet. It belongs to the start of every process, before the first Record:
// no row of ours is older than the chain. Once there are linked rows it makes no head any more.
func (l *Log) Begin(ctx context.Context) error {
	if len(l.Key) == 0 {
		return errNoKey
	}
	var there bool
	// Linked rows without a head are somebody's work: a new head would cover it up.
	err := l.DB.Get(ctx, &there, `
		SELECT EXISTS (SELECT 1 FROM audit_head) OR EXISTS (SELECT 1 FROM audit WHERE seq IS NOT NULL)`)
	if err != nil || there {
		return wrap("begin", err)
	}
	return wrap("begin", l.DB.InTx(ctx, func(ctx context.Context) error {
		var old bool
		if err := l.DB.Get(ctx, &old, "SELECT EXISTS (SELECT 1 FROM audit WHERE mac = '')"); err != nil {
			return err
		}
		h := head{BeganAt: l.now().UnixMilli()}
		if old {
			h.SealUntil = l.now().Add(sealFor).UnixMilli()
		}
		won, err := l.DB.Exec(ctx, `
			INSERT INTO audit_head (id, seq, link, began_at, seal_until, mac) VALUES (1, 0, '', $1, $2, $3)
			ON CONFLICT (id) DO NOTHING`, h.BeganAt, h.SealUntil, l.sign(h.encode()))
		if err != nil || won == 0 {
			return err // another process was quicker
		}
		_, err = l.DB.Exec(ctx, `
			INSERT INTO audit_checkpoint (id, seq, link, at, removed, floor, mac) VALUES (1, 0, '', 0, 0, '', $1)
			ON CONFLICT (id) DO NOTHING`, l.sign(checkpoint{}.encode()))
		return err
	}))
}

const selectHead = `SELECT seq, link, began_at, seal_until, mac, EXISTS (SELECT 1 FROM audit WHERE seq IS NULL) AS waiting
	FROM audit_head WHERE id = 1`

// readHead returns the head, or a [*Problem].
func (l *Log) readHead(ctx context.Context) (head, error) {
	var h head
	err := l.DB.Get(ctx, &h, selectHead)
	return l.checkedHead(h, err)
}

// lockHead is readHead for the one that moves it: everybody else waits until the transaction ends.
func (l *Log) lockHead(ctx context.Context) (head, error) {
	var h head
	err := l.DB.Get(ctx, &h, `
		UPDATE audit_head SET seq = seq WHERE id = 1 RETURNING seq, link, began_at, seal_until, mac, TRUE AS waiting`)
	return l.checkedHead(h, err)
}

func (l *Log) checkedHead(h head, err error) (head, error) {
	switch {
	case dbx.IsNotFound(err):
		return h, &Problem{What: HeadGone}
	case err != nil:
		return h, wrap("head", err)
	case !l.signed(h.encode(), h.MAC):
		return h, &Problem{Seq: h.Seq, What: HeadForged}
	}
	return h, nil
}

// readCheckpoint returns the checkpoint, or a [*Problem].
func (l *Log) readCheckpoint(ctx context.Context) (checkpoint, error) {
	var c checkpoint
	err := l.DB.Get(ctx, &c, "SELECT seq, link, at, removed, floor, mac FROM audit_checkpoint WHERE id = 1")
	return l.checkedCheckpoint(c, err)
}

func (l *Log) checkedCheckpoint(c checkpoint, err error) (checkpoint, error) {
	switch {
	case dbx.IsNotFound(err):
		return c, &Problem{What: CheckpointGone}
	case err != nil:
		return c, wrap("checkpoint", err)
	case !l.signed(c.encode(), c.MAC):
		return c, &Problem{Seq: c.Seq, What: CheckpointForged}
	}
	return c, nil
}

// Head returns where the chain ends: an anchor to keep elsewhere. A head that is not as it was written is a [*Problem].
func (l *Log) Head(ctx context.Context) (Anchor, error) {
	h, err := l.readHead(ctx)
	l.note(err)
	return h.anchor(), err
}

// wrap says in which part of the work a database failed; a [*Problem] speaks for itself.
func wrap(doing string, err error) error {
	if err == nil || errors.As(err, new(*Problem)) {
		return err
	}
	return fmt.Errorf("audit: %s: %w", doing, err)
}
