package idp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/internal/seal"
)

// The headers by which `idp doctor` asks how its request arrived, and is told.
const (
	askHeader  = "Idp-Doctor"
	seenHeader = "Idp-Doctor-Seen"
	askLife    = 5 * time.Minute
)

// arrival is how a request of the doctor's came to the server.
type arrival struct {
	Nonce     string `json:"nonce"`
	Host      string `json:"host"`
	Scheme    string `json:"scheme"`    // of the connection, or as a proxy says that it was
	Peer      string `json:"peer"`      // who has connected
	Address   string `json:"address"`   // who is counted
	Forwarded bool   `json:"forwarded"` // there was an X-Forwarded-For
	Trusted   bool   `json:"trusted"`   // from a proxy that is believed
	MAC       string `json:"mac"`
}

// asker asks with a word that only whoever has the keyset can make: what a server sees of its proxies is nobody else's
// business.
type asker struct {
	key   []byte
	now   func() time.Time
	nonce string
}

func newAsker(keys *seal.Keys, now func() time.Time) (asker, error) {
	key, err := keys.Derive("doctor")
	return asker{key, now, rand.Text()}, err
}

func (a asker) mac(label, text string) string {
	h := hmac.New(sha256.New, a.key)
	h.Write([]byte(label + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// word is what the header holds: seconds, a nonce and the MAC of both.
func (a asker) word() string {
	text := strconv.FormatInt(a.now().Unix(), 10) + "." + a.nonce
	return text + "." + a.mac("idp doctor: ask", text)
}

// asked returns the nonce of a word of the last minutes, "" for any other.
func (a asker) asked(word string) string {
	seconds, rest, _ := strings.Cut(word, ".")
	nonce, mac, _ := strings.Cut(rest, ".")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || a.now().Sub(time.Unix(at, 0)).Abs() > askLife ||
		!hmac.Equal([]byte(mac), []byte(a.mac("idp doctor: ask", seconds+"."+nonce))) {
		return ""
	}
	return nonce
}

// sign proves what was seen.
func (a asker) sign(s *arrival) string {
	unsigned := *s
	unsigned.MAC = ""
	text, _ := json.Marshal(unsigned) // texts and truth values: it cannot fail
	return a.mac("idp doctor: seen", string(text))
}

// answered reports whether s is the answer to this question, by a server with the same keyset.
func (a asker) answered(s arrival) bool {
	return s.Nonce == a.nonce && hmac.Equal([]byte(s.MAC), []byte(a.sign(&s)))
}

// tellDoctor says how a request arrived, to whoever has the keyset. Nobody else gets another answer than without it.
func (p *IdP) tellDoctor(next http.Handler) http.Handler {
	key, err := p.keys.Derive("doctor")
	if err != nil {
		return next
	}
	doctor := asker{key: key, now: p.now}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if word := r.Header.Get(askHeader); word != "" {
			if nonce := doctor.asked(word); nonce != "" {
				text, _ := json.Marshal(p.arrival(r, nonce, doctor)) // as above
				w.Header().Set(seenHeader, string(text))
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (p *IdP) arrival(r *http.Request, nonce string, doctor asker) *arrival {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	s := &arrival{
		Nonce: nonce, Host: r.Host, Scheme: "http", Peer: peer, Address: p.address(r),
		Forwarded: r.Header.Get("X-Forwarded-For") != "", Trusted: p.trusted(peer),
	}
	if proto := r.Header.Get("X-Forwarded-Proto"); s.Trusted && (proto == "https" || proto == "http") {
		s.Scheme = proto
	}
	if r.TLS != nil {
		s.Scheme = "https"
	}
	s.MAC = doctor.sign(s)
	return s
}
