package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
)

// Somebody who guesses a person's password from anywhere makes the person wait as well. A browser in which the person
// has signed in is let out of that: it carries a token, and its tries are counted by themselves. Without the password
// nobody comes to have a token, so that strangers have no more guesses than before.

const (
	browserID    = 26             // characters of rand.Text
	browserToken = browserID + 43 // and of the proof
	maxBrowsers  = 8              // tokens that are looked at: of people who share a browser
)

// BrowserToken returns what a browser in which a has just given their password shall keep, and show with the next try:
// one of shown, if that is good still. It proves nothing about who sits there, and it ends with the password.
func (s *Service) BrowserToken(a *Account, shown ...string) string {
	passwordAt := a.PasswordAt.Unix()
	for _, token := range shown[:min(len(shown), maxBrowsers)] {
		if s.browserOf(a.Subject, passwordAt, token) != "" {
			return token
		}
	}
	id := rand.Text()
	return id + s.browserProof(a.Subject, passwordAt, id)
}

// KnownIn reports whether one of the tokens that a browser has shown is good still: a gave their present password there before, or
// signed in with a passkey alone.
func (s *Service) KnownIn(a *Account, shown ...string) bool {
	return slices.ContainsFunc(shown[:min(len(shown), maxBrowsers)], func(token string) bool {
		return s.browserOf(a.Subject, a.PasswordAt.Unix(), token) != ""
	})
}

// browserOf returns the id of the browser for which token was made, by the same person under the same password; ""
// for any other text.
func (s *Service) browserOf(subject string, passwordAt int64, token string) string {
	if len(token) != browserToken {
		return ""
	}
	id, proof := token[:browserID], token[browserID:]
	if !hmac.Equal([]byte(proof), []byte(s.browserProof(subject, passwordAt, id))) {
		return ""
	}
	return id
}

func (s *Service) browserProof(subject string, passwordAt int64, id string) string {
	mac := hmac.New(sha256.New, s.cfg.Key)
	mac.Write([]byte("known browser\x00" + subject + "\x00" + strconv.FormatInt(passwordAt, 10) + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// triesOf returns under which key the tries of r's person are counted, and whether that is for a browser that they are
// known in. A nil r is an unknown person, counted under person.
func (s *Service) triesOf(r *row, person string, shown []string) (key string, known bool) {
	subject, passwordAt := "", int64(0) // whom nobody has a token of: the same work, which takes the same time
	if r != nil {
		subject, passwordAt = r.Subject, r.PasswordAt
	}
	for _, token := range shown[:min(len(shown), maxBrowsers)] {
		if id := s.browserOf(subject, passwordAt, token); id != "" {
			return "browser/" + subject + "/" + id, true
		}
	}
	return person, false
}
