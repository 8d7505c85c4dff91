package api

import (
	"net/url"
	"strconv"
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"The cursor of the page after; it is not there on the last one."`
	Total int    `json:"total,omitempty" doc:"How many there are in all, or at the least where more is true."`
	More  bool   `json:"more,omitempty" doc:"There are more than total says: nobody counts a long list for each page."`
}

// pageAnswer is an answer with a page.
type pageAnswer[T any] struct {
	Link string `header:"Link" doc:"The page after, by rel=next (RFC 8288)."`
	Body Page[T]
}

// Place is where in a list a page is.
type Place struct {
	Cursor string `query:"cursor" maxLength:"2048" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many on a page."`
}

// next returns the Link header that leads to the page after.
func (s *Server) next(c *call, cursor string) string {
	if cursor == "" {
		return ""
	}
	query := c.r.URL.Query()
	query.Set("cursor", cursor)
	return "<" + (&url.URL{Path: c.r.URL.Path, RawPath: c.r.URL.RawPath, RawQuery: query.Encode()}).String() + `>; rel="next"`
}

// list makes rows an answer.
func list[R, T any](s *Server, c *call, rows []R, cursor string, item func(R) T) *pageAnswer[T] {
	out := &pageAnswer[T]{Link: s.next(c, cursor), Body: Page[T]{Items: make([]T, 0, len(rows)), Next: cursor}}
	for _, row := range rows {
		out.Body.Items = append(out.Body.Items, item(row))
	}
	return out
}

// choice reads a parameter that may be left out, which a truth value cannot.
func choice(text string) *bool {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return nil
	}
	return &value
}
