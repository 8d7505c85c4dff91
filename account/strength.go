package account

import (
	"cmp"
	_ "embed"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// common holds words that passwords are made of most often, one a line: lower case, four letters and more.
//
//go:embed common.txt
var common string

// phrases holds sentences and words of 15 letters and more that everybody knows, one a line: attackers try them as they stand, with
// and without blanks.
//
//go:embed phrases.txt
var phrases string

// famous are the letters and digits of phrases in the form of skeleton, the longest first.
var famous = sync.OnceValue(func() (all []string) {
	for line := range strings.Lines(phrases) {
		_, bare := letters(line)
		all = append(all, string(bare))
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
})

// What the parts of a password add to the search, in bits. A list of whole passwords would have to hold every word
// with every year, tail of digits and repetition; taken apart, some hundred words stand for all of those.
const (
	enough       = 33.0 // about ten thousand million guesses; a random word of 8 letters has 37
	wordBits     = 10.0
	personalBits = 4.0
	runBits      = 6.0 // abcdef, 7654321, qwertz, aaaa
	yearBits     = 7.0
	repeatBits   = 2.0 // the same part once more
	digitBits    = 3.3
	letterBits   = 4.7
	otherBits    = 5.0
	longestWord  = 24
	longestPart  = 40 // of what may be repeated
)

// wordlist holds words in the form of skeleton, with their bits.
type wordlist map[string]float64

func commonWords() wordlist {
	words := make(wordlist)
	for line := range strings.Lines(common) {
		words.add(strings.TrimSpace(line), wordBits)
	}
	return words
}

func (w wordlist) add(word string, bits float64) {
	runes := []rune(skeleton(word))
	if len(runes) >= 3 {
		w[string(runes[:min(len(runes), longestWord)])] = bits
	}
}

// skeleton folds case and the usual disguises (p@$$w0rd), rune by rune so that positions stay.
func skeleton(s string) string {
	return strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); r {
		case '0':
			return 'o'
		case '1', '!', '|', 'l':
			return 'i'
		case '3', '€':
			return 'e'
		case '4', '@':
			return 'a'
		case '5', '$':
			return 's'
		case '7', '+':
			return 't'
		}
		return r
	}, s)
}

// guessable returns "common" or "personal" when password is put together from common words, or from those and a's own
// names, so that few guesses find it; otherwise "".
func (s *Service) guessable(a *Account, password string) string {
	if bits(password, s.common, nil) < enough || s.quoted(password) {
		return "common"
	}
	personal := make(wordlist)
	texts := append([]string{a.Username, a.Email, a.Name}, s.cfg.Words...)
	for _, text := range texts {
		personal.add(text, personalBits)
		parts := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		personal.add(strings.Join(parts, ""), personalBits)
		for _, part := range parts {
			personal.add(part, personalBits)
		}
	}
	if bits(password, s.common, personal) < enough {
		return "personal"
	}
	return ""
}

// quoted reports whether password is a famous phrase, written in whatever way, with little beside it.
func (s *Service) quoted(password string) bool {
	plain, bare := letters(password)
	text := string(bare)
	for _, phrase := range famous() {
		before, _, found := strings.Cut(text, phrase)
		if !found {
			continue
		}
		start := utf8.RuneCountInString(before)
		rest := slices.Concat(plain[:start], plain[start+utf8.RuneCountInString(phrase):])
		return wordBits+bits(string(rest), s.common) < enough
	}
	return false
}

// letters returns the letters and digits of s, in lower case and, rune by rune beside it, in the form of skeleton: signs that stand
// for letters count as those, all others and blanks are left out.
func letters(s string) (plain, bare []rune) {
	for _, r := range s {
		form, _ := utf8.DecodeRuneInString(skeleton(string(r)))
		if unicode.IsLetter(form) || unicode.IsDigit(form) {
			plain, bare = append(plain, unicode.ToLower(r)), append(bare, form)
		}
	}
	return plain, bare
}

// bits returns the least number of bits by which the parts of password can be described.
func bits(password string, lists ...wordlist) float64 {
	plain, bare := []rune(strings.ToLower(password)), []rune(skeleton(password))
	n := len(bare)
	if len(plain) != n { // a letter whose lower case is longer; the skeleton will do
		plain = bare
	}
	least := make([]float64, n+1) // of the first i runes
	for end := 1; end <= n; end++ {
		best := least[end-1] + single(plain[end-1])
		for start := max(0, end-longestWord); start < end-2; start++ {
			for _, list := range lists {
				if cost, ok := list[string(bare[start:end])]; ok {
					best = min(best, least[start]+cost)
				}
			}
		}
		if start := runStart(plain, end); end-start >= 3 {
			best = min(best, least[start]+runBits)
		}
		if end >= 4 && isYear(plain[end-4:end]) {
			best = min(best, least[end-4]+yearBits)
		}
		for size := 1; size <= min(longestPart, end/2); size++ {
			if slices.Equal(bare[end-size:end], bare[end-2*size:end-size]) {
				best = min(best, least[end-size]+repeatBits)
			}
		}
		least[end] = best
	}
	return math.Round(least[n])
}

func single(r rune) float64 {
	switch {
	case unicode.IsDigit(r):
		return digitBits
	case r >= 'a' && r <= 'z':
		return letterBits
	}
	return otherBits
}

// runStart returns where the run that ends before end begins: rising, falling or equal characters, or neighbours on a
// keyboard.
func runStart(s []rune, end int) int {
	longest := end
	for _, next := range []func(a, b rune) bool{
		func(a, b rune) bool { return b == a+1 }, func(a, b rune) bool { return b == a-1 },
		func(a, b rune) bool { return b == a }, neighbours, func(a, b rune) bool { return neighbours(b, a) },
	} {
		start := end - 1
		for start > 0 && next(s[start-1], s[start]) {
			start--
		}
		longest = min(longest, start)
	}
	return longest
}

func neighbours(a, b rune) bool {
	const rows = "qwertyuiop asdfghjkl zxcvbnm 1234567890 qwertz azerty"
	return a != ' ' && b != ' ' && strings.Contains(rows, string([]rune{a, b}))
}

func isYear(s []rune) bool {
	text := string(s)
	century := strings.HasPrefix(text, "19") || strings.HasPrefix(text, "20")
	return century && unicode.IsDigit(s[2]) && unicode.IsDigit(s[3])
}
