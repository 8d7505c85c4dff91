package account

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// People are found by the beginnings of words. An account has a row for each of its words, as bytes, so that a beginning
// is a range of an index on either engine.

const (
	maxWord    = 100 // bytes that are kept of a word, and looked at of what is typed
	maxWords   = 40  // of one account
	maxNameKey = 200 // bytes: what PostgreSQL takes into an index has an end
)

// fold returns text without case and accents (NFKD, Unicode's full case folding), so that Søren is found by SOREN and
// Strauß by strauss. It is the same for texts and for what is typed.
func fold(text string) string {
	text = norm.NFKD.String(strings.ToValidUTF8(text, " "))
	text = norm.NFKD.String(strings.ToLower(cases.Fold().String(text)))
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Cf) {
			return -1
		}
		return r
	}, text)
	return plainLetters.Replace(text)
}

// plainLetters replaces the letters that are written with a stroke or as one, which no normalisation takes apart.
var plainLetters = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ħ", "h", "ı", "i", "æ", "ae", "œ", "oe", "þ", "th", "ð", "d")

// nameKey is what lists by name are sorted by.
func nameKey(name string) string { return cut(strings.TrimSpace(fold(name)), maxNameKey) }

// cut shortens s to at most limit bytes, between two runes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// searched is what an account's words are made of; unsearched finds the accounts whose words are still to be made, of a
// former release or by a replica that runs one.
func searched(username, email, name string) string { return username + " " + email + " " + name }

const unsearched = `searched <> username || ' ' || email || ' ' || name`

// wordsOf returns the words by whose beginnings an account is found, sorted: those of the user name, of the e-mail address
// up to the @, and of the name. Each goes on to the next space, so that a whole address can be typed as well.
func wordsOf(username, email, name string) [][]byte {
	seen := map[string]bool{}
	var words []string
	add := func(text string, local bool) {
		for chunk := range strings.FieldsSeq(fold(text)) {
			limit := len(chunk)
			if at := strings.LastIndexByte(chunk, '@'); local && at >= 0 {
				limit = at // nobody is found by "com"
			}
			for _, from := range starts(chunk[:limit]) {
				if word := cutBytes(chunk[from:]); !seen[word] && len(words) < maxWords {
					seen[word] = true
					words = append(words, word)
				}
			}
		}
	}
	add(username, true)
	add(email, true)
	add(name, false)
	slices.Sort(words)
	out := make([][]byte, len(words))
	for i, word := range words {
		out[i] = []byte(word)
	}
	return out
}

// cutBytes shortens a word to what is kept of it. It need not be text any more.
func cutBytes(word string) string { return word[:min(len(word), maxWord)] }

// starts returns where the words of a text without spaces begin: at its beginning, and at each letter or digit after
// something else.
func starts(chunk string) []int {
	var all []int
	inside := false
	for i, r := range chunk {
		letter := unicode.In(r, unicode.L, unicode.N, unicode.M)
		if i == 0 || letter && !inside {
			all = append(all, i)
		}
		inside = letter
	}
	return all
}

// typed returns the words of what somebody types into a search, without those that another one implies.
func typed(text string) []string {
	var words []string
	for word := range strings.FieldsSeq(fold(text)) {
		words = append(words, cutBytes(word))
	}
	slices.Sort(words)
	words = slices.Compact(words)
	// In this order a word stands right before those that begin with it.
	var out []string
	for i, word := range words {
		if i+1 == len(words) || !strings.HasPrefix(words[i+1], word) {
			out = append(out, word)
		}
	}
	return out
}

// beyond returns the least bytes that follow all those which begin with prefix. UTF-8 has no 0xFF, so there are some.
func beyond(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}

// setWords makes words the words of subject. Whoever calls it has written to the row of the account in the same
// transaction, so that two of them wait for each other.
func (s *Service) setWords(ctx context.Context, subject string, words [][]byte) error {
	if _, err := s.cfg.DB.Exec(ctx, `DELETE FROM account_words WHERE subject = $1`, subject); err != nil {
		return fmt.Errorf("account: words: %w", err)
	}
	return s.addWords(ctx, subject, words)
}

// addWords is setWords for somebody who has none yet: one statement for all of them.
func (s *Service) addWords(ctx context.Context, subject string, words [][]byte) error {
	if len(words) == 0 {
		return nil
	}
	args := []any{subject}
	var rows bytes.Buffer
	for i, word := range words {
		if i > 0 {
			rows.WriteString(", ")
		}
		args = append(args, word)
		fmt.Fprintf(&rows, "($%d, $1)", len(args))
	}
	if _, err := s.cfg.DB.Exec(ctx, `INSERT INTO account_words (word, subject) VALUES `+rows.String(), args...); err != nil {
		return fmt.Errorf("account: words: %w", err)
	}
	return nil
}

// IndexNames makes the words of accounts that have none yet: those of a former release, and those that a replica of one
// still writes. It looks at nothing else, goes on where another run was interrupted, and leaves the work to one replica
// at a time. The host calls it at its start and now and then.
func (s *Service) IndexNames(ctx context.Context) error {
	turn, err := s.claim(ctx, workWords)
	if turn == nil {
		return err
	}
	for {
		var rows []row
		err := s.cfg.DB.Select(ctx, &rows, selectAccounts+`WHERE `+unsearched+` LIMIT 200`)
		if err != nil {
			return fmt.Errorf("account: index names: %w", err)
		}
		if len(rows) == 0 {
			return turn.done(ctx, time.Time{})
		}
		err = s.cfg.DB.InTx(ctx, func(ctx context.Context) error {
			for _, r := range rows {
				if err := s.indexNames(ctx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			err = turn.advance(ctx, "")
		}
		if err != nil || turn.lost {
			return err
		}
	}
}

// indexNames makes the words of one account, unless it was renamed since it was read.
func (s *Service) indexNames(ctx context.Context, r row) error {
	n, err := s.cfg.DB.Exec(ctx, `
		UPDATE accounts SET name_key = $5, searched = username || ' ' || email || ' ' || name
		WHERE subject = $1 AND username = $2 AND email = $3 AND name = $4`,
		r.Subject, r.Username, r.Email, r.Name, nameKey(r.Name))
	if err != nil {
		return fmt.Errorf("account: index names: %w", err)
	}
	if n == 0 {
		return nil
	}
	return s.setWords(ctx, r.Subject, wordsOf(r.Username, r.Email, r.Name))
}
