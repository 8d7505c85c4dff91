package fill

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/focushq/idp/internal/seal"
)

// What all people of a crowd share.
const (
	Password     = "violet otters ride old trams"
	Redirect     = "https://app.example/callback" // of every client
	Verifier     = "0123456789012345678901234567890123456789abc"
	challenge    = "DksyTyvjKJMTgEpPXzLiaCJ1P325hYFdr6STK5uo-WM" // S256 of it
	Asking       = "seed-asking"                                 // the client that asks for consent
	ClientSecret = "seed-secret-of-every-client-0123456789abcdef"
	Scopes       = "openid offline_access"
)

// Key is the secret of everybody's authenticator app, in base32.
func (c Crowd) Key() string { return c.key }

// Crowd knows what a filled database holds, by numbers from 0 on.
type Crowd struct {
	Size
	refreshKey []byte
	key        string
}

// Size says how many there are of each kind.
type Size struct {
	People   int
	Factors  int // of a hundred people, how many have an authenticator and recovery codes
	Sessions int // the n-th is the n-th person's; no more than people
	Clients  int // beside the one that asks
	Consents int // people who were asked
	Grants   int // redeemed, with a refresh token; the n-th is the person's of that number, and begins again after the last one
	Codes    int // that wait to be redeemed, for an hour
	Trail    int // rows
}

// Of returns the crowd of this size in a database that was filled with the keyset. The key of the apps is derived from it as well.
func Of(size Size, keys *seal.Keys) (Crowd, error) {
	refresh, err := keys.Derive("refresh-token")
	if err != nil {
		return Crowd{}, err
	}
	app, err := keys.Derive("seeded authenticators")
	return Crowd{Size: size, refreshKey: refresh, key: base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(app[:20])}, err
}

// number returns 32 bytes that look random and belong to the n-th of a kind.
func number(kind string, n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("seeded "+kind+"\x00"), uint64(n)))
}

// text is an identifier as [crypto/rand.Text] makes them.
func text(kind string, n int) string {
	sum := number(kind, n)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:26]
}

func digits(kind string, n int) string {
	sum := number(kind, n)
	return hex.EncodeToString(sum[:16])
}

// Username returns the user name of a person; their e-mail address is that at example.com.
func Username(n int) string { return fmt.Sprintf("person%d", n) }

// Subject returns the identifier of a person.
func Subject(n int) string { return text("subject", n) }

// Enrolled reports whether a person has an authenticator.
func (c Crowd) Enrolled(n int) bool { return n%100 < c.Factors }

// Client returns the id of a client, whose secret is [ClientSecret].
func (c Crowd) Client(n int) string { return fmt.Sprintf("seed-app%d", n%c.Clients) }

// Cookie returns the value of the session cookie of a person's browser.
func Cookie(n int) string {
	sum := number("cookie", n)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// GrantClient returns the client of a grant.
func (c Crowd) GrantClient(n int) string { return c.Client(n / max(1, c.People)) }

// Refresh returns the first refresh token of a grant.
func (c Crowd) Refresh(n int) string {
	id, raw := grantID("grant", n)
	mac := hmac.New(sha256.New, c.refreshKey)
	mac.Write([]byte(id))
	mac.Write(binary.BigEndian.AppendUint64(nil, 1))
	mac.Write(chain(n))
	raw = binary.BigEndian.AppendUint32(raw, 1)
	return base64.RawURLEncoding.EncodeToString(append(raw, mac.Sum(nil)...))
}

// Code returns a code that waits for its client, [Crowd.Client] of the same number, with [Verifier].
func Code(n int) string {
	_, raw := grantID("code", n)
	rest := number("rest of code", n)
	return base64.RawURLEncoding.EncodeToString(append(raw, rest[:]...))
}

func grantID(kind string, n int) (id string, raw []byte) {
	sum := number(kind, n)
	return base64.RawURLEncoding.EncodeToString(sum[:16]), sum[:16]
}

// chain is the seed of a grant's refresh tokens.
func chain(n int) []byte {
	sum := number("chain", n)
	return sum[:16]
}

// name returns what a person is called: few first names, some more last ones, as it is with people.
func name(n int) string {
	first := []string{"Ada", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Ines", "Jonas", "Klara", "Liam", "Mia", "Noah", "Olga", "Paul"}
	last := []string{"Abel", "Berg", "Costa", "Dahl", "Evans", "Fischer", "Garcia", "Hansen", "Ito", "Jansen", "Keller", "Lopez", "Meyer",
		"Novak", "Olsen", "Petrov", "Quinn", "Rossi", "Silva", "Tanaka", "Ueda", "Vogel", "Weber", "Young", "Zeller"}
	sum := number("name", n)
	return first[int(sum[0])%len(first)] + " " + last[int(sum[1])%len(last)]
}

// GrantOf returns the identifier of the grant that a refresh token or a code belongs to.
func GrantOf(token string) string {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 16 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(raw[:16])
}
