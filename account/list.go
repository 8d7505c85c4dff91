package account

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// A list can be gone through in two ways, each of them by an index whatever the engine's planner knows of the data
// (docs/decisions/0020):
//
//	few   the people whom the rarest criterion finds are looked up one by one, and sorted
//	many  the order of the list is walked along, and whoever does not meet the criteria is passed over
//
// Which one is shorter is asked first: how many people each criterion finds, up to a bound.
const (
	fewAlone = 5_000  // so many people are looked up rather than walked to, when there is one criterion
	fewAmong = 50_000 // when there are several: nobody knows how few people meet all of them
)

// params are the arguments of a statement that is put together.
type params []any

// add returns the placeholder of one more.
func (p *params) add(v any) string {
	*p = append(*p, v)
	return "$" + strconv.Itoa(len(*p))
}

// criterion narrows a list: the people who stand in a table where something holds, which an index finds in that order.
type criterion struct {
	table string
	order string
	where func(*params) string
}

// of is a criterion without an argument.
func of(where, order string) criterion {
	return criterion{"accounts", order, func(*params) string { return where }}
}

// criteria returns what narrows the list of q. Every text here is a constant, and what somebody typed an argument.
func (q Query) criteria() []criterion {
	var all []criterion
	for _, word := range q.words() {
		all = append(all, criterion{"account_words", "word, subject", func(p *params) string {
			return "word >= " + p.add([]byte(word)) + " AND word < " + p.add(beyond(word))
		}})
	}
	if q.Group != "" {
		all = append(all, criterion{"account_members", "subject", func(p *params) string { return "group_name = " + p.add(q.Group) }})
	}
	for _, c := range []struct {
		wanted bool
		c      criterion
	}{
		{q.AnyRole, of("(admin OR role <> '')", "subject")},
		{q.Role == Administrator, of("(admin OR role <> '') AND admin", "subject")},
		{q.Role == HelpDesk, of("(admin OR role <> '') AND NOT admin AND role = 'helpdesk'", "subject")},
		{q.Role == Auditor, of("(admin OR role <> '') AND NOT admin AND role = 'auditor'", "subject")},
		{q.Disabled != nil && *q.Disabled, of("disabled", "subject")},
		{q.WithoutMFA, of("NOT mfa_enrolled", "disabled, subject")},
		{q.FewCodes, of("mfa_enrolled AND codes_left <= 3", "disabled, subject")},
		{q.NeverSignedIn, of("signed_in_at = 0", "signed_in_at, subject")},
		{q.NoPassword, of("password_at = 0", "subject")},
	} {
		if c.wanted {
			all = append(all, c.c)
		}
	}
	return all
}

// besideAccounts reports whether c is of another table than accounts, in which people can be looked up as well.
func (c criterion) besideAccounts() bool { return c.table != "accounts" }

// found is the statement of the subjects of up to so many rows of c. Somebody may have several words, each with a row.
func (c criterion) found(p *params, limit int) string {
	return "SELECT subject FROM " + c.table + " WHERE " + c.where(p) + " ORDER BY " + c.order + " LIMIT " + p.add(limit)
}

// holds is the condition on a row of another table, which has a subject, that its person meets c.
func (c criterion) holds(p *params, of string) string {
	if !c.besideAccounts() {
		return "(" + c.where(p) + ")"
	}
	return "(" + c.beside(of) + c.where(p) + " LIMIT 1) IS NOT NULL"
}

// likely is holds in words that no planner looks through, and takes for true of nearly everybody: it must not think of
// another way than along the order of the list.
func (c criterion) likely(p *params, of string) string {
	if !c.besideAccounts() {
		return "CASE WHEN " + c.where(p) + " THEN 1 END IS NOT NULL"
	}
	return c.holds(p, of)
}

// beside begins the statement of the rows of c's table that belong to a row of another one.
func (c criterion) beside(of string) string {
	return "SELECT 1 FROM " + c.table + " AS other WHERE other.subject = " + of + ".subject AND "
}

// way is how a list is gone through.
type way struct {
	criteria []criterion // the first one leads, where few is set
	few      bool
	limit    int  // that many people of the first
	total    int  // where the page does not count them itself
	more     bool // total is only the least
}

// wayTo asks how many people each criterion of q finds, and decides.
func (s *Service) wayTo(ctx context.Context, q Query) (way, error) {
	w := way{criteria: q.criteria(), limit: fewAlone}
	if len(w.criteria)+len(q.enabled()) > 1 {
		w.limit = fewAmong
	}
	asked := w.asked(q)
	query, args := sizes(asked, w.limit+1)
	var found []struct {
		I int `db:"i"`
		N int `db:"n"`
	}
	if err := s.cfg.DB.SelectOnce(ctx, &found, query, args...); err != nil {
		return way{}, err
	}
	least := found[0]
	for _, f := range found {
		if f.N < least.N {
			least = f
		}
	}
	switch {
	case len(w.criteria) > 0 && least.N <= w.limit:
		w.few = true
		w.criteria = append([]criterion{w.criteria[least.I]}, without(w.criteria, least.I)...)
	case w.limit == fewAlone && asked[0].table != "account_words": // of which one person may have several
		w.total, w.more = min(least.N, w.limit), least.N > w.limit
	default:
		w.more = true
	}
	return w, nil
}

// asked are the criteria whose sizes are asked for. That somebody may sign in narrows hardly anything: it is asked where
// there is nothing else.
func (w way) asked(q Query) []criterion {
	if len(w.criteria) > 0 {
		return w.criteria
	}
	return append(q.enabled(), of("subject IS NOT NULL", "subject"))[:1]
}

// sizes is the statement of how many rows each of the criteria finds, up to a limit.
func sizes(asked []criterion, limit int) (string, params) {
	var p params
	parts := make([]string, len(asked))
	for i, c := range asked {
		parts[i] = fmt.Sprintf("SELECT %d AS i, count(*) AS n FROM (%s) AS found_%d", i, c.found(&p, limit), i)
	}
	return strings.Join(parts, " UNION ALL "), p
}

func without(all []criterion, i int) []criterion {
	return append(append([]criterion{}, all[:i]...), all[i+1:]...)
}

// page returns the statement of a page of the list of q, with one person more than the page has, which says whether
// another follows.
func (w way) page(q Query, after cursor) (string, params) {
	var p params
	order := sortings()[q.Sort]
	listed := w.walk
	if w.few {
		listed = w.lookUp
	}
	// The last condition holds always. A planner takes it for a rare one, and looks the people of the page up one by one.
	return "SELECT " + accountColumns + ", name_key, total FROM (" + listed(&p, q, order, after) + ") AS page CROSS JOIN accounts" +
		" WHERE accounts.subject = listed AND CASE WHEN listed <> '' THEN 1 END = 1" +
		order.by(q, order.column, "accounts.subject"), p
}

// walk is the statement of whose page it is, for many people: it reads the index of the order and nothing else of accounts.
func (w way) walk(p *params, q Query, order sorting, after cursor) string {
	var conditions []string
	for _, c := range append(w.criteria, q.enabled()...) {
		if c.order == order.column+", subject" {
			conditions = append(conditions, c.holds(p, "accounts")) // these people stand together in it
			continue
		}
		conditions = append(conditions, c.likely(p, "accounts"))
	}
	conditions = append(conditions, order.from(p, q, after, order.column, "subject")...)
	return "SELECT subject AS listed, 0 AS total FROM accounts" + where(conditions) +
		order.by(q, order.column, "subject") + " LIMIT " + p.add(q.Limit+1)
}

// lookUp is the same for few people: each is looked up by the primary key for what the list is sorted by, which is NULL for
// whoever does not meet the other criteria. Those of other tables are looked at before.
func (w way) lookUp(p *params, q Query, order sorting, after cursor) string {
	rows := w.criteria[0].found(p, w.limit)
	beside, conditions := []string{}, []string{"accounts.subject = found.subject"}
	for _, c := range append(w.criteria[1:], q.enabled()...) {
		if c.besideAccounts() {
			beside = append(beside, c.holds(p, "found_rows"))
		} else {
			conditions = append(conditions, c.holds(p, "accounts"))
		}
	}
	found := "SELECT DISTINCT subject FROM (" + rows + ") AS found_rows" + where(beside)
	keyed := fmt.Sprintf("SELECT subject, (SELECT %s FROM accounts%s) AS sort_key FROM (%s) AS found LIMIT %s",
		order.column, where(conditions), found, p.add(w.limit))
	matched := "SELECT subject, sort_key, count(*) OVER () AS total FROM (" + keyed + ") AS keyed WHERE sort_key IS NOT NULL"
	return "SELECT subject AS listed, total FROM (" + matched + ") AS matched" + where(order.from(p, q, after, "sort_key", "subject")) +
		order.by(q, "sort_key", "subject") + " LIMIT " + p.add(q.Limit+1)
}

// enabled is what nearly everybody meets: that they may sign in, where q wants it.
func (q Query) enabled() []criterion {
	if q.Disabled == nil || *q.Disabled {
		return nil
	}
	return []criterion{of("NOT disabled", "subject")}
}

func where(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// from is the condition that somebody comes after a place in the list: none at its beginning.
func (o sorting) from(p *params, q Query, after cursor, column, subject string) []string {
	if q.Cursor == "" {
		return nil
	}
	var key any = after.Text
	if o.number {
		key = after.Number
	}
	sign := " > "
	if q.Descending {
		sign = " < "
	}
	if o.unique {
		return []string{column + sign + p.add(key)}
	}
	return []string{"(" + column + ", " + subject + ")" + sign + "(" + p.add(key) + ", " + p.add(after.Subject) + ")"}
}

// by is the ORDER BY of the list.
func (o sorting) by(q Query, column, subject string) string {
	direction := ""
	if q.Descending {
		direction = " DESC"
	}
	text := " ORDER BY " + column + direction
	if !o.unique {
		text += ", " + subject + direction
	}
	return text
}
