package api

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/focushq/idp/internal/dbx"
)

// Bounds of what is kept for requests that are repeated.
const (
	answerLife = 24 * time.Hour
	maxKey     = 255       // bytes of a key
	maxKeys    = 10_000    // of one actor
	maxAnswer  = 256 << 10 // bytes; a larger one is not kept, only that it was given
	answerWait = patience
)

// once does what a request with an Idempotency-Key asks for, unless that was done already for this actor: then the first answer
// comes again. The key is taken before anything is done and never given to a second request while the first may have had an
// effect, so that a program may repeat whatever it does not know the end of.
//
// Answers may hold a secret that is shown once: they are kept encrypted, under a key that the database does not hold.
func (s *Server) once(w http.ResponseWriter, r *http.Request, c *call, keys []string, body []byte, next http.HandlerFunc) {
	if len(keys) != 1 || keys[0] == "" || len(keys[0]) > maxKey {
		s.write(w, r, problem(invalidParameter, "").with(FieldError{Parameter: "Idempotency-Key", Code: "format", Detail: "one of 1 to 255 bytes"}))
		return
	}
	// What was begun is ended, also when the caller goes away meanwhile: they will ask what became of it.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	a := s.answerOf(r, c, keys[0], body)
	kept, err := s.take(r.Context(), a)
	if err != nil {
		s.write(w, r, s.problem(r.Context(), c, err))
		return
	}
	if kept != nil {
		s.repeat(w, r, a, *kept)
		return
	}
	recorded := &recorder{header: http.Header{}}
	ended := false
	defer func() {
		if !ended { // the handler failed: nobody knows how far it came
			s.keep(r, a, &recorder{status: http.StatusInternalServerError, header: http.Header{}})
		}
	}()
	s.serve(recorded, r, c, next)
	ended = true
	s.keep(r, a, recorded)
	recorded.replay(w)
}

// keptAnswer is a row of api_answers.
type keptAnswer struct {
	Asked   []byte `db:"asked"`
	Status  int    `db:"status"`
	Answer  []byte `db:"answer"`
	BegunAt int64  `db:"begun_at"`
	key     []byte
	actor   []byte
}

func (s *Server) answerOf(r *http.Request, c *call, key string, body []byte) keptAnswer {
	sum := func(parts ...string) []byte {
		hash := sha256.New()
		for _, part := range parts {
			fmt.Fprintf(hash, "%d:%s", len(part), part)
		}
		return hash.Sum(nil)
	}
	return keptAnswer{
		key: sum("key", c.name(), c.actor.Client, key), actor: sum("actor", c.name()),
		Asked: sum("asked", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type"), string(body)),
	}
}

// take takes the key of a, or returns what was done with it before.
func (s *Server) take(ctx context.Context, a keptAnswer) (*keptAnswer, error) {
	now := s.cfg.Now()
	if _, err := s.cfg.DB.Exec(ctx, `DELETE FROM api_answers WHERE key = $1 AND expires_at < $2`, a.key, now.Unix()); err != nil {
		return nil, err
	}
	rows, err := s.cfg.DB.Exec(ctx, `INSERT INTO api_answers (key, actor, asked, status, answer, begun_at, expires_at)
		SELECT $1, $2, $3, 0, NULL, $4, $5
		WHERE (SELECT count(*) FROM (SELECT 1 FROM api_answers WHERE actor = $2 LIMIT $6) AS held) < $6
		ON CONFLICT (key) DO NOTHING`, a.key, a.actor, a.Asked, now.Unix(), now.Add(answerLife).Unix(), maxKeys)
	if err != nil || rows == 1 {
		return nil, err
	}
	var kept keptAnswer
	err = s.cfg.DB.Get(ctx, &kept, `SELECT asked, status, answer, begun_at FROM api_answers WHERE key = $1`, a.key)
	if dbx.IsNotFound(err) { // no room, or it has just been given back
		return nil, problem(tooMany, fmt.Sprintf("An actor may use %d idempotency keys a day.", maxKeys)).retry(60)
	}
	return &kept, err
}

// repeat answers with what was kept.
func (s *Server) repeat(w http.ResponseWriter, r *http.Request, a, kept keptAnswer) {
	switch {
	case !slices.Equal(kept.Asked, a.Asked):
		s.write(w, r, problem(keyReused, "Another path or another body came with this key."))
	case kept.Status == 0 && s.cfg.Now().Unix()-kept.BegunAt < int64(answerWait/time.Second):
		s.write(w, r, problem(keyInUse, "Ask again in a moment.").retry(1))
	case kept.Status == 0:
		s.write(w, r, problem(keyUnknown, "The server stopped while it answered: look whether it was done."))
	case kept.Answer == nil:
		s.write(w, r, problem(keyUnknown, fmt.Sprintf("It was done and answered by %d; the answer was too large to be kept.", kept.Status)))
	default:
		recorded, err := s.open(a.key, kept)
		if err != nil {
			s.write(w, r, s.problem(r.Context(), &call{op: &operation{id: "repeat"}}, err))
			return
		}
		recorded.header.Set("Idempotency-Replayed", "true")
		recorded.replay(w)
	}
}

// keep notes the answer to the request that took a's key. Whatever had no effect gives the key back: it may be put right
// and sent again. A failure stays, because it may have come after the effect.
func (s *Server) keep(r *http.Request, a keptAnswer, recorded *recorder) {
	ctx := r.Context()
	var err error
	if recorded.status >= http.StatusBadRequest && recorded.status != http.StatusInternalServerError {
		_, err = s.cfg.DB.Exec(ctx, `DELETE FROM api_answers WHERE key = $1`, a.key)
	} else {
		var sealed []byte
		if sealed, err = s.sealAnswer(a.key, recorded); err == nil {
			_, err = s.cfg.DB.Exec(ctx, `UPDATE api_answers SET status = $2, answer = $3 WHERE key = $1`, a.key, recorded.status, sealed)
		}
	}
	if err != nil { // the key stays taken: it is never done twice
		s.cfg.Log.ErrorContext(ctx, "api: an answer is not kept", "error", err)
	}
}

// keptText is what is encrypted.
type keptText struct {
	Header http.Header `json:"h"`
	Body   []byte      `json:"b"`
}

// sealAnswer returns an answer as it is stored, nil for one that is too large.
func (s *Server) sealAnswer(key []byte, recorded *recorder) ([]byte, error) {
	if recorded.body.Len() > maxAnswer {
		return nil, nil
	}
	text, err := json.Marshal(keptText{recorded.header, recorded.body.Bytes()})
	if err != nil {
		return nil, fmt.Errorf("api: answer: %w", err)
	}
	aead, err := s.cipher()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, text, key), nil
}

func (s *Server) open(key []byte, kept keptAnswer) (*recorder, error) {
	aead, err := s.cipher()
	if err != nil {
		return nil, err
	}
	if len(kept.Answer) < aead.NonceSize() {
		return nil, fmt.Errorf("api: a kept answer is cut")
	}
	plain, err := aead.Open(nil, kept.Answer[:aead.NonceSize()], kept.Answer[aead.NonceSize():], key)
	if err != nil {
		return nil, fmt.Errorf("api: a kept answer: %w", err)
	}
	var text keptText
	if err := json.Unmarshal(plain, &text); err != nil {
		return nil, fmt.Errorf("api: a kept answer: %w", err)
	}
	recorded := &recorder{status: kept.Status, header: text.Header}
	recorded.body.Write(text.Body)
	return recorded, nil
}

// cipher encrypts answers (AES-256-GCM), under a key of their own.
func (s *Server) cipher() (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, s.cfg.Key)
	mac.Write([]byte("answers"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return cipher.NewGCM(block)
}

// recorder holds an answer back until it is whole.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header returns the headers of the answer.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader notes the status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write notes a part of the body.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// replay answers with it.
func (w *recorder) replay(to http.ResponseWriter) {
	for name, values := range w.header {
		to.Header()[name] = values
	}
	to.WriteHeader(w.status)
	to.Write(w.body.Bytes())
}
