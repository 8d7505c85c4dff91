package session

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	knownCookie = "known"
	knownFor    = 400 * 24 * time.Hour // as long as browsers keep a cookie at all
	mostKnown   = 4                    // people who share a browser
)

// Known returns what this browser keeps of the people who signed in here before, signed in or not. What it means is known
// to whoever gave it to [Manager.Know].
func (m *Manager) Known(r *http.Request) []string {
	value := m.Cookies.Get(r, knownCookie)
	if value == "" {
		return nil
	}
	tokens := strings.Split(value, ".")
	return tokens[:min(len(tokens), mostKnown)]
}

// Know has this browser keep a token of letters, digits, - and _, as the latest of those it keeps; the oldest goes when
// there are too many. It outlives the session.
func (m *Manager) Know(w http.ResponseWriter, r *http.Request, token string) {
	tokens := []string{token}
	for _, other := range m.Known(r) {
		if !slices.Contains(tokens, other) {
			tokens = append(tokens, other)
		}
	}
	m.Cookies.Set(w, knownCookie, strings.Join(tokens[:min(len(tokens), mostKnown)], "."), knownFor)
}
