package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Count is how many rows of a kind there were on a day.
type Count struct {
	Day    time.Time // its beginning, in UTC
	Action string
	Result string
	N      int
}

const day = 24 * time.Hour

// daysKept is how long counts are kept, whatever becomes of the rows.
const daysKept = 400 * day

// kind is what is counted.
type kind struct {
	action string
	day    int64
	result string
}

// count adds rows to the counts of their days. It is part of the transaction that links them: each row is counted once, and
// whoever writes rows does not wait for others who write the same kind.
func (l *Log) count(ctx context.Context, rows []row) error {
	counts := map[kind]int{}
	for _, r := range rows {
		counts[kind{r.Action, r.At / day.Milliseconds(), r.Result}]++
	}
	var kinds []kind
	for k := range counts {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.action, b.action), cmp.Compare(a.day, b.day), cmp.Compare(a.result, b.result))
	})
	for _, k := range kinds {
		_, err := l.DB.Exec(ctx, `INSERT INTO audit_days (action, day, result, n) VALUES ($1, $2, $3, $4)
			ON CONFLICT (action, day, result) DO UPDATE SET n = audit_days.n + excluded.n`, k.action, k.day, k.result, counts[k])
		if err != nil {
			return err
		}
	}
	return nil
}

// Days returns how many rows with one of actions there were on each day from since on, oldest first; days and kinds without any
// are not there. The newest second may be missing. The counts are kept, not counted, and no part of the proof.
func (l *Log) Days(ctx context.Context, since time.Time, actions ...string) ([]Count, error) {
	if len(actions) == 0 {
		return nil, nil
	}
	args := []any{since.UnixMilli() / day.Milliseconds()}
	var places []string
	for _, action := range actions {
		args = append(args, action)
		places = append(places, "$"+strconv.Itoa(len(args)))
	}
	var rows []struct {
		Action string `db:"action"`
		Day    int64  `db:"day"`
		Result string `db:"result"`
		N      int    `db:"n"`
	}
	err := l.DB.Select(ctx, &rows, `SELECT action, day, result, n FROM audit_days WHERE day >= $1 AND action IN (`+
		strings.Join(places, ", ")+`) ORDER BY day, action, result`, args...)
	if err != nil {
		return nil, fmt.Errorf("audit: days: %w", err)
	}
	out := make([]Count, 0, len(rows))
	for _, r := range rows {
		out = append(out, Count{Day: time.UnixMilli(r.Day * day.Milliseconds()).UTC(), Action: r.Action, Result: r.Result, N: r.N})
	}
	return out, nil
}

// PruneDays removes counts that are older than any that is shown.
func (l *Log) PruneDays(ctx context.Context) error {
	_, err := l.DB.Exec(ctx, `DELETE FROM audit_days WHERE day < $1`, l.now().Add(-daysKept).UnixMilli()/day.Milliseconds())
	return wrap("prune days", err)
}
