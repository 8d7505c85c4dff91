package templates

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is a mistake that a page explains. Pages have it, or a struct of their own with these fields, as their field
// Problem.
type Problem struct {
	ID    string         // of the sentence in the catalogue
	Field string         // the input at fault, "" for none in particular
	Args  map[string]any // what the sentence mentions
}

// Throttled is the problem of somebody who has to wait until then. It also tells the browser (RFC 9110 section 10.2.3);
// the status to render is 429.
func Throttled(w http.ResponseWriter, until, now time.Time) *Problem {
	left := until.Sub(now)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(left.Seconds()))))
	return &Problem{ID: "problem.throttled", Args: map[string]any{"Wait": left}}
}

// Busy is the problem of somebody who should simply try again; the status to render is 503.
func Busy(w http.ResponseWriter) *Problem {
	w.Header().Set("Retry-After", "5")
	return &Problem{ID: "problem.busy"}
}

// Message is the data of the page "message", which says one thing. Title, Text and Label are ids in the catalogue.
type Message struct {
	Title, Text string
	Link, Label string // where the way on leads
	Alert       bool   // a mistake, not news
}

// Error is the data of the page "error". Code is the OAuth error code, Parameter the one at fault; both may be "".
type Error struct {
	Status                       int
	Code, Description, Parameter string
	RequestID                    string
}
