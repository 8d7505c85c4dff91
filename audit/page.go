package audit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/focushq/idp/internal/cursor"
)

// ErrCursor says that a cursor is not one of ours, or of another query.
var ErrCursor = errors.New("audit: no cursor of this list")

// longestCursor bounds the work that somebody's invention makes.
const longestCursor = 256

// Page returns the entries that match f from cursor on, newest first, and the cursor of the page after it, "" when that is
// the last one. A cursor is sealed (AES-256-GCM, bound to all that f narrows the list by): whoever has one can neither change it
// nor learn from it. [ErrCursor].
func (l *Log) Page(ctx context.Context, f Filter, from string) (entries []Entry, next string, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	size := min(f.Limit, 499)
	f.Limit = size + 1 // one more says whether there are more
	key, err := l.cursorKey()
	if err != nil {
		return nil, "", err
	}
	bound, err := f.digest()
	if err != nil {
		return nil, "", err
	}
	if from != "" {
		place, err := cursor.Open(key, from, bound, longestCursor)
		if errors.Is(err, cursor.ErrForeign) {
			return nil, "", ErrCursor
		}
		if err != nil {
			return nil, "", err
		}
		f.Before = string(place)
	}
	if entries, err = l.List(ctx, f); err != nil || len(entries) <= size {
		return entries, "", err
	}
	entries = entries[:size]
	next, err = cursor.Seal(key, []byte(entries[size-1].ID), bound)
	return entries, next, err
}

// digest is what a cursor is bound to: the same filter, but for the place and the length of a page.
func (f Filter) digest() ([]byte, error) {
	f.Before, f.Limit = "", 0
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("audit: cursor: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

func (l *Log) cursorKey() ([]byte, error) {
	if len(l.Key) == 0 {
		return nil, errNoKey
	}
	key, err := base64.RawURLEncoding.DecodeString(l.sign(encoding(nil).text(labelCursor)))
	if err != nil {
		return nil, fmt.Errorf("audit: cursor: %w", err)
	}
	return key, nil
}
