package account

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Sort is an order of people.
type Sort string

// The orders.
const (
	ByUserName Sort = "username"
	ByName     Sort = "name"
	ByCreated  Sort = "created"
	BySignedIn Sort = "signed_in" // those who never did come first
)

// sorting is how the database has an order: by a column, and by the subject where people can have the same there.
type sorting struct {
	column string
	number bool
	unique bool
}

// sortings are the orders that there are; the text of a query is made of these alone.
func sortings() map[Sort]sorting {
	return map[Sort]sorting{
		ByUserName: {column: "username_key", unique: true},
		ByName:     {column: "name_key"},
		ByCreated:  {column: "created_at", number: true},
		BySignedIn: {column: "signed_in_at", number: true},
	}
}

// Query says which people a list has, and in which order. Everybody who meets all of it is on the list.
type Query struct {
	// Text is as typed so far. Each of its words must begin a word of the user name, the e-mail address (up to the @, or all
	// of it) or the name; case and accents make no difference.
	Text          string
	Group         string // member of
	Role          Role   // has that one
	AnyRole       bool   // has one
	Disabled      *bool  // may not sign in (or may); nil: either
	WithoutMFA    bool   // has no second factor
	FewCodes      bool   // has a second factor, and [FewCodes] recovery codes or fewer
	NeverSignedIn bool
	NoPassword    bool // has no password yet: was invited and has not come, or not even invited

	Sort       Sort // "": [ByUserName]
	Descending bool
	Cursor     string // [Page.Next] of the page before; "" for the first one
	Limit      int    // people on a page, 1 to 200; 0: 50
}

const (
	pageLimit = 200
	maxTyped  = 256 // bytes of a text that is searched for
	maxSought = 8   // words of it
)

// Page is a part of a list.
type Page struct {
	People []*Account
	Next   string // the cursor of the page after; "" when there is none
	// Total is how many people the whole list has, or, where More is set, how many it has at the least: nobody counts a
	// long list for each page.
	Total int
	More  bool
}

// People returns a page of the list that q describes: two statements, however many people there are. It returns
// [*InvalidError] (text, group, role, sort, limit) and [ErrCursor].
func (s *Service) People(ctx context.Context, q Query) (Page, error) {
	q, err := q.tidy()
	if err != nil {
		return Page{}, err
	}
	place := cursor{}
	if q.Cursor != "" {
		if place, err = s.openCursor(q, q.Cursor); err != nil {
			return Page{}, err
		}
	}
	w, err := s.wayTo(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("account: people: %w", err)
	}
	page, next, err := s.page(ctx, q, w, place)
	if err == nil && next != nil {
		page.Next, err = s.sealCursor(q, *next)
	}
	return page, err
}

// page returns the page after a place, without its cursor, and the place after which the next one begins, nil for none.
func (s *Service) page(ctx context.Context, q Query, w way, place cursor) (page Page, next *cursor, err error) {
	var rows []listed
	query, args := w.page(q, place)
	if err := s.cfg.DB.SelectOnce(ctx, &rows, query, args...); err != nil {
		return page, nil, fmt.Errorf("account: people: %w", err)
	}
	page = Page{People: []*Account{}, Total: w.total, More: w.more}
	if w.few && len(rows) > 0 {
		page.Total = rows[0].Total
	}
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		place := rows[q.Limit-1].place(q.Sort)
		next = &place
	}
	for _, r := range rows {
		a, err := r.account()
		if err != nil {
			return page, nil, err
		}
		page.People = append(page.People, a)
	}
	return page, next, nil
}

// listed is a line of a list.
type listed struct {
	row
	NameKey string `db:"name_key"`
	Total   int    `db:"total"`
}

// place is where r stands in that order.
func (r listed) place(by Sort) cursor {
	c := cursor{Subject: r.Subject}
	switch by {
	case ByName:
		c.Text = r.NameKey
	case ByCreated:
		c.Number = r.CreatedAt
	case BySignedIn:
		c.Number = r.SignedInAt
	default:
		c.Text = r.UsernameKey
	}
	return c
}

// tidy returns q with its defaults, or says what there is not.
func (q Query) tidy() (Query, error) {
	bad := func(field, reason string) (Query, error) { return q, &InvalidError{field, reason} }
	if q.Sort == "" {
		q.Sort = ByUserName
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	if _, ok := sortings()[q.Sort]; !ok {
		return bad("sort", "unknown")
	}
	if q.Limit < 1 || q.Limit > pageLimit {
		return bad("limit", "range")
	}
	if q.Group != "" && !groupName(q.Group) {
		return bad("group", "characters")
	}
	if err := q.Role.check(); err != nil {
		return q, err
	}
	words := typed(q.Text[:min(len(q.Text), maxTyped)])
	if len(q.Text) > maxTyped || len(words) > maxSought {
		return bad("text", "too_long")
	}
	q.Text = strings.Join(words, " ")
	return q, nil
}

// digest stands for the list: for all of a tidy q but where in it, and how much.
func (q Query) digest() []byte {
	q.Cursor, q.Limit = "", 0
	text, _ := json.Marshal(q) // texts and truth values: it cannot fail
	sum := sha256.Sum256(text)
	return sum[:]
}

// words are those of a tidy q, the longest first: it is likely to be the rarest.
func (q Query) words() []string {
	words := strings.Fields(q.Text)
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	return words
}
