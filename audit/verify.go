package audit

import (
	"context"
	"math"
	"time"
)

// verifyBatch is how many rows Verify holds in memory.
const verifyBatch = 1000

// maxProblems is how many problems a Report names.
const maxProblems = 20

// clockDoubt is by how much a row may seem older than the chain: clocks of replicas differ.
const clockDoubt = time.Hour

// Report is what [Log.Verify] found.
type Report struct {
	Rows     int64     `json:"rows"`     // linked rows that were looked at
	Waiting  int64     `json:"waiting"`  // rows that were not linked yet, whose MACs were looked at
	Sealed   int64     `json:"sealed"`   // of the linked rows, those that an older release wrote and that were sealed at the upgrade
	Removed  int64     `json:"removed"`  // rows that retention has removed from the beginning
	From     int64     `json:"from"`     // the first place that there is
	Head     Anchor    `json:"head"`     // where the chain ends: keep it as an anchor
	Began    time.Time `json:"began"`    // when the chain was made
	Problems []Problem `json:"problems"` // in the order of the chain, the first 20
	Wrong    int       `json:"wrong"`    // how many problems there are
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return r.Wrong == 0 }

func (r *Report) add(p *Problem) {
	if p == nil {
		return
	}
	r.Wrong++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, *p)
	}
}

// walker goes along the chain.
type walker struct {
	log   *Log
	at    Anchor // the row before
	floor string
	began int64 // Unix milliseconds; 0: not known

	sealed int64 // rows of an older release so far
}

// step judges the next row.
func (w *walker) step(r row) []*Problem {
	var out []*Problem
	gap := r.Seq != w.at.Seq+1
	if gap {
		out = append(out, &Problem{Seq: w.at.Seq + 1, Last: r.Seq - 1, What: Missing})
	}
	here := func(what string) { out = append(out, &Problem{Seq: r.Seq, ID: r.ID, What: what}) }
	origin := w.log.origin(r)
	if origin == labelSealed {
		w.sealed++
	}
	switch {
	case origin == labelNone:
		here(ofForged(r))
	case !gap && w.log.link(w.at.Link, r) != r.Link:
		here(OutOfOrder)
	case r.ID < w.floor:
		here(PutBack)
	case origin == labelWritten && r.At < w.began-clockDoubt.Milliseconds():
		here(Restarted)
	}
	w.at = Anchor{r.Seq, r.Link}
	return out
}

// Verify looks at the whole trail, some rows at a time, while others may write, link and remove: at every row's MAC, at
// the order of the chain, at its beginning and end, and whether it still is what each anchor says. What is wrong with the
// trail stands in the report; an error says that it could not be read.
func (l *Log) Verify(ctx context.Context, anchors ...Anchor) (*Report, error) {
	if len(l.Key) == 0 {
		return nil, errNoKey
	}
	v := verification{Log: l, report: &Report{Problems: []Problem{}}, last: math.MaxInt64}
	for _, step := range []func(context.Context) error{v.ends, v.chain, v.outside, v.waiting} {
		if err := step(ctx); err != nil {
			return nil, wrap("verify", err)
		}
	}
	if !v.report.OK() {
		l.noticed.Store(&v.report.Problems[0])
	}
	for _, a := range anchors {
		if err := v.anchor(ctx, a); err != nil {
			return nil, wrap("verify", err)
		}
	}
	return v.report, nil
}

// TurnToVerify is for those who let anybody start a [Log.Verify], which reads every row: of this process one of them has the turn,
// until it calls done, and the others get false.
func (l *Log) TurnToVerify() (done func(), ok bool) {
	if !l.verifying.TryLock() {
		return nil, false
	}
	return l.verifying.Unlock, true
}

type verification struct {
	*Log
	report *Report
	walker walker
	last   int64 // the place where the walk ends; [math.MaxInt64]: no head says
	sealed int64 // Unix milliseconds until which rows without a MAC may wait
}

// ends reads the beginning and then the end of the chain, before everything else: up to there all is to be found.
func (v *verification) ends(ctx context.Context) error {
	c, err := v.readCheckpoint(ctx)
	p := problemOf(err)
	if err != nil && p == nil {
		return err
	}
	if v.report.add(p); p == nil {
		v.walker = walker{at: Anchor{c.Seq, c.Link}, floor: c.Floor}
		v.report.Removed = c.Removed
	}
	v.walker.log, v.report.From = v.Log, v.walker.at.Seq+1
	h, err := v.readHead(ctx)
	if p = problemOf(err); err != nil && p == nil {
		return err
	}
	if v.report.add(p); p == nil {
		v.last, v.sealed, v.walker.began = h.Seq, h.SealUntil, h.BeganAt
		v.report.Head, v.report.Began = h.anchor(), time.UnixMilli(h.BeganAt).UTC()
		if h.Seq < v.walker.at.Seq {
			v.report.add(&Problem{Seq: v.walker.at.Seq, What: RolledBack})
		}
	}
	return nil
}

func (v *verification) chain(ctx context.Context) error {
	for {
		var rows []row
		err := v.DB.Select(ctx, &rows, selectRows+"WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", v.walker.at.Seq, v.last, verifyBatch)
		if err != nil {
			return err
		}
		// Retention may have gone past us meanwhile, which is no gap.
		if len(rows) == 0 && v.walker.at.Seq < v.last || len(rows) > 0 && rows[0].Seq != v.walker.at.Seq+1 {
			if c, err := v.readCheckpoint(ctx); err == nil && c.Seq > v.walker.at.Seq {
				v.walker.at, v.walker.floor = Anchor{c.Seq, c.Link}, c.Floor
				continue
			}
		}
		for _, r := range rows {
			for _, p := range v.walker.step(r) {
				v.report.add(p)
			}
			v.report.Rows++
		}
		if len(rows) < verifyBatch {
			break
		}
	}
	v.report.Sealed = v.walker.sealed
	end := v.report.Head
	switch at := v.walker.at; {
	case v.last == math.MaxInt64: // nothing to compare with
	case at.Seq < end.Seq:
		v.report.add(&Problem{Seq: at.Seq + 1, Last: end.Seq, What: Missing})
	case at.Seq == end.Seq && at.Link != end.Link && v.report.OK():
		v.report.add(&Problem{Seq: at.Seq, What: RolledBack})
	}
	return nil
}

// Rows that have a place before the beginning or behind the end of the chain. One statement sees the row and the end in
// the same state.
const (
	selectBefore = "SELECT id, seq FROM audit WHERE seq <= (SELECT seq FROM audit_checkpoint WHERE id = 1) ORDER BY seq LIMIT $1"
	selectBehind = "SELECT id, seq FROM audit WHERE seq > (SELECT seq FROM audit_head WHERE id = 1) ORDER BY seq LIMIT $1"
)

// outside finds such rows; where the head is no good, its place says nothing.
func (v *verification) outside(ctx context.Context) error {
	for _, q := range []struct{ what, query string }{{PutBack, selectBefore}, {PastTheEnd, selectBehind}} {
		if q.what == PastTheEnd && v.last == math.MaxInt64 {
			continue
		}
		var rows []row
		if err := v.DB.Select(ctx, &rows, q.query, maxProblems); err != nil {
			return err
		}
		for _, r := range rows {
			v.report.add(&Problem{Seq: r.Seq, ID: r.ID, What: q.what})
		}
	}
	return nil
}

// waiting looks at rows that are not linked yet.
func (v *verification) waiting(ctx context.Context) error {
	sealing := v.now().UnixMilli() < v.sealed
	for after := ""; ; {
		var rows []row
		err := v.DB.Select(ctx, &rows, selectRows+"WHERE seq IS NULL AND id > $1 ORDER BY id LIMIT $2", after, verifyBatch)
		if err != nil {
			return err
		}
		for _, r := range rows {
			v.report.Waiting++
			after = r.ID
			switch {
			case v.origin(r) == labelNone && !(r.MAC == "" && sealing):
				v.report.add(&Problem{ID: r.ID, What: ofForged(r)})
			case r.ID < v.walker.floor:
				v.report.add(&Problem{ID: r.ID, What: PutBack})
			}
		}
		if len(rows) < verifyBatch {
			return nil
		}
	}
}

// anchor compares the chain with what it was.
func (v *verification) anchor(ctx context.Context, a Anchor) error {
	var links []string
	switch c, err := v.readCheckpoint(ctx); {
	case a.Seq == 0:
		return nil
	case err == nil && c.Seq == a.Seq:
		links = []string{c.Link}
	case err == nil && a.Seq < c.Seq:
		v.report.add(&Problem{Seq: a.Seq, What: TooOld})
		return nil
	case err != nil && problemOf(err) == nil:
		return err
	default:
		if err := v.DB.Select(ctx, &links, "SELECT link FROM audit WHERE seq = $1", a.Seq); err != nil {
			return err
		}
	}
	if len(links) != 1 || links[0] != a.Link {
		v.report.add(&Problem{Seq: a.Seq, What: RolledBack})
	}
	return nil
}
