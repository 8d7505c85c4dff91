package oauth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/focushq/idp/internal/cursor"
)

// Bounds of lists of clients.
const (
	clientsPerPage = 50
	clientsAtMost  = 200
	maxSearch      = 256 // bytes of a text that is searched for
	maxClientWord  = 100 // bytes that are kept of a word, and looked at of what is typed
	maxClientWords = 40  // of one client
	maxCursor      = 2048
)

// ClientQuery says which clients a list has.
type ClientQuery struct {
	Text   string // as typed so far: the beginning of a word of the name or the id, and what follows it; "" for all clients
	Cursor string // [ClientPage.Next] of the page before; "" for the first one
	Limit  int    // clients on a page, 1 to 200; 0: 50
}

// ClientPage is a part of a list of clients: by id, or by the words that a text was found in.
type ClientPage struct {
	Clients []*Client
	Next    string // the cursor of the page after; "" when there is none
}

// Page returns a page of the clients that q describes, by two statements that indexes serve, however many there are. Case,
// accents and punctuation make no difference: "hq" finds "Focus HQ" and focus-hq. An [*InvalidError] names text, cursor or
// limit; a cursor that is not ours, or of another text, is one.
func (c *Clients) Page(ctx context.Context, q ClientQuery) (ClientPage, error) {
	page := ClientPage{Clients: []*Client{}}
	if q.Limit == 0 {
		q.Limit = clientsPerPage
	}
	if q.Limit < 1 || q.Limit > clientsAtMost {
		return page, &InvalidError{"limit", fmt.Sprintf("1 to %d", clientsAtMost)}
	}
	if len(q.Text) > maxSearch {
		return page, &InvalidError{"text", fmt.Sprintf("at most %d bytes", maxSearch)}
	}
	sought := cutText(searchable(q.Text), maxClientWord)
	at := clientPlace{Word: []byte(sought)}
	if q.Cursor != "" {
		var ok bool
		if at, ok = c.openCursor(sought, q.Cursor); !ok {
			return page, &InvalidError{"cursor", "not one of this list"}
		}
	}
	if sought != "" {
		if err := c.index(ctx); err != nil {
			return page, err
		}
	}
	rows, err := c.rowsAfter(ctx, sought, at, q.Limit+1)
	if err != nil {
		return page, err
	}
	more := len(rows) > q.Limit
	for _, row := range rows[:min(len(rows), q.Limit)] {
		client, err := c.client(row.clientRow)
		if err != nil {
			return page, err
		}
		page.Clients = append(page.Clients, client)
		at = clientPlace{row.Word, client.ID}
	}
	if more {
		page.Next, err = c.sealCursor(sought, at)
	}
	return page, err
}

// listedClient is a row of a list.
type listedClient struct {
	clientRow
	Word []byte `db:"word"`
}

// rowsAfter reads the rows of the clients that come after a place. One that several of its words find is there once, by the
// first of them.
func (c *Clients) rowsAfter(ctx context.Context, sought string, at clientPlace, limit int) (rows []listedClient, err error) {
	if sought == "" {
		err = c.db.Select(ctx, &rows, selectClients, at.ID, limit)
		return rows, err
	}
	err = c.db.Select(ctx, &rows, selectClientsByWord, at.Word, at.ID, beyond(sought), []byte(sought), limit)
	return rows, err
}

const (
	selectClients       = `SELECT ` + clientColumns + ` FROM oauth_clients WHERE id > $1 ORDER BY id LIMIT $2`
	selectClientsByWord = `SELECT w.word AS word, ` + clientColumns + ` FROM oauth_client_words AS w
		JOIN oauth_clients ON oauth_clients.id = w.client_id
		WHERE (w.word, w.client_id) > ($1, $2) AND w.word < $3 AND NOT EXISTS (SELECT 1 FROM oauth_client_words AS other
			WHERE other.client_id = w.client_id AND other.word >= $4 AND other.word < w.word)
		ORDER BY w.word, w.client_id LIMIT $5`
	selectUnsearched = `SELECT id, name FROM oauth_clients WHERE searched <> name ORDER BY id LIMIT 100`
)

// beyond returns the least bytes that follow all those which begin with prefix. UTF-8 has no 0xFF, so there are some.
func beyond(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}

// clientPlace is a place in a list of clients: after that one.
type clientPlace struct {
	Word []byte `json:"w,omitempty"`
	ID   string `json:"i"`
}

// sealCursor returns the place at for a list.
func (c *Clients) sealCursor(sought string, at clientPlace) (string, error) {
	place, err := json.Marshal(at)
	if err != nil {
		return "", fmt.Errorf("oauth: cursor: %w", err)
	}
	return cursor.Seal(c.cursorKey(), place, []byte(sought))
}

func (c *Clients) openCursor(sought, text string) (at clientPlace, ok bool) {
	place, err := cursor.Open(c.cursorKey(), text, []byte(sought), maxCursor)
	return at, err == nil && json.Unmarshal(place, &at) == nil
}

func (c *Clients) cursorKey() []byte {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte("cursors of clients"))
	return mac.Sum(nil)
}

// searchable returns text as it is searched for: without case and accents (NFKD), one space between its words.
func searchable(text string) string {
	folded := norm.NFKD.String(strings.ToLower(norm.NFKD.String(strings.ToValidUTF8(text, " "))))
	return strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, folded), func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N) }), " ")
}

// clientWords returns what a client is found by: its id and its name, each from every word on.
func clientWords(id, name string) [][]byte {
	var out [][]byte
	seen := map[string]bool{}
	for _, text := range []string{searchable(id), searchable(name)} {
		for text != "" && len(out) < maxClientWords {
			if word := cutText(text, maxClientWord); !seen[word] {
				seen[word] = true
				out = append(out, []byte(word))
			}
			_, text, _ = strings.Cut(text, " ")
		}
	}
	return out
}

// cutText shortens text to at most so many bytes, between two characters.
func cutText(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// setWords makes the words by which client is found. Its row was written in the same transaction, so that two of these wait
// for each other.
func (c *Clients) setWords(ctx context.Context, id, name string) error {
	if _, err := c.db.Exec(ctx, `DELETE FROM oauth_client_words WHERE client_id = $1`, id); err != nil {
		return err
	}
	args, rows := []any{id}, bytes.Buffer{}
	for _, word := range clientWords(id, name) {
		args = append(args, word)
		if len(args) > 2 {
			rows.WriteString(", ")
		}
		fmt.Fprintf(&rows, "($%d, $1)", len(args))
	}
	if len(args) == 1 {
		return nil
	}
	_, err := c.db.Exec(ctx, `INSERT INTO oauth_client_words (word, client_id) VALUES `+rows.String(), args...)
	return err
}

// index makes the words of clients that have none: those of a former release, and those that a replica of one still writes.
// Nearly always there are none.
func (c *Clients) index(ctx context.Context) error {
	for {
		var rows []struct {
			ID   string `db:"id"`
			Name string `db:"name"`
		}
		err := c.db.Select(ctx, &rows, selectUnsearched)
		if err != nil || len(rows) == 0 {
			return unavailable(err)
		}
		err = c.db.InTx(ctx, func(ctx context.Context) error {
			for _, row := range rows {
				// Locked before its words are made; a new name that came meanwhile has made its own.
				n, err := c.db.Exec(ctx, `UPDATE oauth_clients SET searched = name WHERE id = $1 AND name = $2`, row.ID, row.Name)
				if err == nil && n > 0 {
					err = c.setWords(ctx, row.ID, row.Name)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return unavailable(err)
		}
	}
}
