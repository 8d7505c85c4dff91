package main

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// session is what is known about one browser.
type session struct {
	ID            string // lasts while the cookie changes: a pending enrolment belongs to it
	Subject, Name string
	AuthTime      time.Time // of the password
	FactorAt      time.Time // of the second factor
	AMR           []string  // what was really used
	Remembered    bool      // the browser spares its owner the code
}

// sessions keeps them in memory, under hashes of their cookies.
type sessions struct {
	secure bool
	mu     sync.Mutex
	byHash map[[32]byte]session
}

const sessionCookie = "example_session"

// of returns the session of a browser, an empty one when there is none.
func (s *sessions) of(r *http.Request) session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byHash[sha256.Sum256([]byte(cookie.Value))]
}

// put gives the browser's session a new content and a new cookie: whoever knew the old one does not share what was
// proved since.
func (s *sessions) put(w http.ResponseWriter, r *http.Request, who session) {
	s.end(r)
	token := random()
	s.mu.Lock()
	s.byHash[sha256.Sum256([]byte(token))] = who
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
}

// end forgets the browser's session.
func (s *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		delete(s.byHash, sha256.Sum256([]byte(cookie.Value)))
		s.mu.Unlock()
	}
}

// random returns 256 random bits or more as text.
func random() string { return rand.Text() + rand.Text() }
