package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/focushq/idp/internal/throttle"
)

// Anybody can fail in anybody's name, so that what is kept of failures has places: of each client and kind there are
// problemPlaces, and which of them is a network's own only we can say. A network overwrites what others left in no more than
// that one, whatever it sends, and the number of rows does not depend on how much comes. Ids that no client has share
// unknownNetworks times unknownPlaces. A place is written once a second by each process.
const (
	problemPlaces   = 8
	unknownNetworks = 20
	unknownPlaces   = 5
	maxNoted        = 10_000 // places that a process remembers of a second

	maxCame    = 200 // bytes that are kept of what came
	maxShownID = 32  // an id that is no client's and longer may be something else, such as a secret
	shownOfID  = 12
)

// noted remembers what was written in this second.
type noted struct {
	mu     sync.Mutex
	second int64
	places map[string]bool
}

// first reports whether place was not written in this second.
func (n *noted) first(second int64, place string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.second != second || n.places == nil {
		n.second, n.places = second, map[string]bool{}
	}
	if n.places[place] || len(n.places) >= maxNoted {
		return false
	}
	n.places[place] = true
	return true
}

// failed is a request that was refused, as far as its problem needs it.
type failed struct {
	kind   ProblemKind
	detail problemDetail
	client string // its id by its own words
	secret string // that came
	method string // of authentication
}

// noteProblem keeps why a request was refused, for whoever looks after the client: one statement that writes, and none where
// err says nothing about a client. form are the parameters that were refused; id is the client where it is known, "" where
// the request says. A failure to do so changes no answer.
func (s *Server) noteProblem(r *http.Request, id string, form url.Values, err error) {
	p, ours := problemOf(err)
	if ours {
		return
	}
	f := s.failed(r, id, form, p, err)
	if f.kind == "" || f.client == "" {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	if err := s.keepProblem(ctx, s.network(r), f); err != nil {
		s.cfg.Log.WarnContext(ctx, "oauth: a client's problem is not kept", "error", err)
	}
}

// network returns the network that r comes from, as it is shown.
func (s *Server) network(r *http.Request) string {
	name := strings.TrimPrefix(throttle.NetworkKey(s.address(r), s.cfg.Now()), "network/")
	return strings.TrimSuffix(name[:strings.LastIndexByte(name, '/')], "/32") // without the hour
}

// place names one of n places by what only we can compute.
func (c *Clients) place(what string, n int) int {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte("place of a problem\x00" + what))
	return int(mac.Sum(nil)[0]) % n
}

func (s *Server) keepProblem(ctx context.Context, network string, f failed) error {
	second := s.cfg.Now().Unix()
	row := fmt.Sprintf("%s/%d/%s", f.kind, s.clients.place(network, problemPlaces), cutText(f.client, maxCame))
	if !s.noted.first(second, row) {
		return nil
	}
	client, err := s.clients.Get(ctx, f.client)
	switch {
	case errors.Is(err, ErrNotFound):
		swapped, err := s.clients.swapped(ctx, &f)
		if err != nil {
			return err
		}
		if !swapped {
			group, place := s.clients.place(network, unknownNetworks), s.clients.place(f.client, unknownPlaces)
			row = fmt.Sprintf("%s/%d.%d", ProblemUnknownClient, group, place)
			f = failed{kind: ProblemUnknownClient, detail: problemDetail{Came: shownID(f)}}
		} else {
			row = fmt.Sprintf("%s/%d/%s", f.kind, s.clients.place(network, problemPlaces), f.client)
		}
		if !s.noted.first(second, row) {
			return nil
		}
	case err != nil:
		return err
	case client.Disabled:
		row = fmt.Sprintf("%s/%d/%s", ProblemDisabled, s.clients.place(network, problemPlaces), client.ID)
		if f.kind, f.detail = ProblemDisabled, (problemDetail{}); !s.noted.first(second, row) {
			return nil
		}
	default:
		s.clients.judge(&f, client)
	}
	return s.clients.writeProblem(ctx, row, network, f)
}

// writeProblem counts a problem in its row, or puts it there in place of another one.
func (c *Clients) writeProblem(ctx context.Context, row, network string, f failed) error {
	detail, err := json.Marshal(f.detail)
	if err != nil {
		return fmt.Errorf("oauth: problem: %w", err)
	}
	const alike = `oauth_problems.network = excluded.network AND oauth_problems.detail = excluded.detail`
	_, err = c.db.Exec(ctx, `INSERT INTO oauth_problems (id, client_id, kind, network, detail, times, first_at, last_at)
		VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT (id) DO UPDATE SET
		times = CASE WHEN `+alike+` THEN oauth_problems.times + 1 ELSE 1 END,
		first_at = CASE WHEN `+alike+` THEN oauth_problems.first_at ELSE excluded.first_at END,
		kind = excluded.kind, network = excluded.network, detail = excluded.detail, last_at = excluded.last_at`,
		row, f.client, string(f.kind), network, string(detail), c.now().Unix())
	return unavailable(err)
}

// swapped reports whether f brought a client's secret as its id and its id as the secret, and makes it a problem of that client.
// An id that came with the id of another client as its secret is not kept at all: it may be that one's secret.
func (c *Clients) swapped(ctx context.Context, f *failed) (bool, error) {
	client, err := c.Get(ctx, f.secret)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !c.SecretIs(client, f.client) {
		f.detail.Came = ""
		f.client = strings.Repeat("•", shownOfID)
		return false, nil
	}
	*f = failed{kind: ProblemSwapped, client: client.ID}
	return true, nil
}

// judge says what was wrong with a failed authentication of client.
func (c *Clients) judge(f *failed, client *Client) {
	f.client = client.ID
	if f.kind != ProblemSecret { // what is not an authentication, or is clear already
		return
	}
	former := client.rotatedHash != "" && subtle.ConstantTimeCompare([]byte(c.hash(client.ID, f.secret)), []byte(client.rotatedHash)) == 1
	switch {
	case f.method != client.AuthMethod:
		f.kind, f.detail = ProblemMethod, problemDetail{Came: f.method}
	case f.method == "none":
		f.kind, f.detail = ProblemPublic, problemDetail{}
	case f.method == "private_key_jwt":
		f.kind = ProblemAssertion
	case former:
		f.detail.Why = "former"
	case client.secretHash == "":
		f.detail.Why = "missing"
	default:
		f.detail.Why = "guess"
	}
}

// failed reads from a refused request what its problem is.
func (s *Server) failed(r *http.Request, id string, form url.Values, p Problem, err error) failed {
	named, reason := reasons(err)
	f := failed{client: id}
	if f.client == "" {
		var e error
		if f.client, f.secret, f.method, e = credentials(r, form); e != nil && p.Code == "invalid_client" {
			f.kind = ProblemHeader
			if f.client == "" {
				f.client = named
			}
			return f
		}
	}
	if f.client == "" {
		f.client = named
	}
	f.kind, f.detail = problemKind(form, p)
	if p.Code == "access_denied" && reason == NotOpen {
		f.kind, f.detail = ProblemPerson, problemDetail{Why: "groups"}
	}
	switch f.kind {
	case ProblemSecret: // see judge
		f.detail.Why = reasonOf(ProblemAssertion, reason)
	case ProblemGrant, ProblemProof:
		f.detail.Why = reasonOf(f.kind, reason)
	}
	return f
}

// problemKind says what kind of problem the answer p to form is; "" when it is none of the client's.
func problemKind(form url.Values, p Problem) (ProblemKind, problemDetail) {
	came := func(name string) problemDetail { return problemDetail{Came: shown(strings.Join(form[name], " "))} }
	uri := func(name string) problemDetail { return problemDetail{Came: shownURI(form.Get(name))} }
	switch p.Code {
	case "invalid_client":
		return ProblemSecret, problemDetail{}
	case "invalid_grant":
		return ProblemGrant, problemDetail{}
	case "invalid_dpop_proof":
		return ProblemProof, problemDetail{}
	case "invalid_scope":
		return ProblemScope, came("scope")
	case "invalid_target":
		var all []string
		for _, resource := range form["resource"] {
			all = append(all, shownURI(resource))
		}
		return ProblemResource, problemDetail{Came: shown(strings.Join(all, " "))}
	case "unauthorized_client", "unsupported_grant_type":
		detail := came("grant_type")
		if detail.Came == "" && form.Has("response_type") {
			detail.Came = "authorization_code"
		} else if detail.Came == "" {
			detail.Came = deviceGrant
		}
		return ProblemGrantType, detail
	case "unsupported_response_type":
		return ProblemResponseType, came("response_type")
	case "unsupported_response_mode", "request_not_supported", "request_uri_not_supported", "registration_not_supported",
		"invalid_request_uri", "unsupported_token_type":
		return ProblemParameter, problemDetail{Parameter: p.Parameter, Text: p.Description}
	case "invalid_request":
	default:
		return "", problemDetail{} // the person's, the server's, or a step of a protocol
	}
	switch p.Parameter {
	case "resume":
		return "", problemDetail{}
	case "redirect_uri":
		return ProblemRedirectURI, uri("redirect_uri")
	case "post_logout_redirect_uri":
		return ProblemLogoutURI, uri("post_logout_redirect_uri")
	case "code_challenge", "code_challenge_method":
		return ProblemPKCE, pkceProblem(form)
	}
	return ProblemParameter, problemDetail{Parameter: p.Parameter, Text: p.Description}
}

// pkceProblem says what checkProof did not like.
func pkceProblem(form url.Values) problemDetail {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return problemDetail{Why: "unpaired"}
	case challenge == "":
		return problemDetail{Why: "missing"}
	case method != "S256":
		return problemDetail{Why: "method", Came: shown(method)}
	}
	return problemDetail{Why: "form"}
}

// reasonOf returns the id of a reason in our own words or those of the OAuth library.
func reasonOf(kind ProblemKind, text string) string {
	for _, known := range reasonTexts[kind] {
		if strings.Contains(text, known.part) {
			return known.id
		}
	}
	return "other"
}

// reasonTexts are parts of the texts that refusals carry for the log, and what they say.
var reasonTexts = map[ProblemKind][]struct{ part, id string }{
	ProblemGrant: {
		{"device code is none of ours", "device_unknown"}, {"device code was used", "device_used"}, {"device code has expired", "device_ended"},
		{"the code is none of ours", "code_unknown"}, {"the code has expired", "code_ended"}, {"authorization code has already been used", "code_used"},
		{`"redirect_uri" from this request`, "redirect_uri"}, {"challenge did not match", "verifier"}, {"challenge was absent", "verifier_unasked"},
		{"code verifier", "verifier_form"}, {"refresh token is none of ours", "refresh_unknown"},
		{"refresh token has expired", "refresh_ended"}, {"refresh token was already used", "refresh_reused"},
		{"another client's", "other_client"}, {"lost a scope", "scope_lost"}, {"no such grant", "grant_gone"},
		{"person or the session has ended", "person"}, {"somebody else was quicker", "raced"}, {"by another key", "key"},
	},
	ProblemAssertion: {
		{"no JWT", "form"}, {"RFC 7523", "claims"}, {"sub is not the client_id", "subject"}, {"keys cannot be loaded", "keys"},
		{"no key of the client", "signature"}, {"aud is not", "audience"}, {"iss, jti, exp", "time"}, {"before the restore", "time"},
		{"jti was used", "reused"}, {"is registered for", "algorithm"},
	},
	ProblemProof: {
		{"more than one", "twice"}, {"no JWT", "form"}, {"htm, htu", "claims"}, {"jti was used", "reused"}, {"thumbprint", "claims"},
	},
}

// shown returns text of a stranger's as it can be kept and shown: short, one line, nothing in it that is not seen.
func shown(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), 4*maxCame)], string(unicode.ReplacementChar)))
	if short := cutText(text, maxCame); short != text {
		return short + "…"
	}
	return text
}

// userOfURI matches the user name and password of a URI.
var userOfURI = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*@`)

// shownURI is shown for a URI: without user name and password, and without the values of its query, which may be a token's.
func shownURI(raw string) string {
	end := len(raw)
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		end = i
	}
	base, query := userOfURI.ReplaceAllString(raw[:end], "$1//"), raw[end:]
	if !strings.HasPrefix(query, "?") {
		if query != "" {
			query = "#…"
		}
		return shown(base + query)
	}
	query, _, _ = strings.Cut(query[1:], "#")
	var names []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, has := strings.Cut(pair, "=")
		if has {
			names = append(names, name+"=…")
		} else {
			names = append(names, "…")
		}
	}
	return shown(base + "?" + strings.Join(names, "&"))
}

// shownID returns what is kept of an id that no client has.
func shownID(f failed) string {
	id := f.client
	if len(id) <= maxShownID {
		return shown(id)
	}
	return fmt.Sprintf("%s… (%d bytes)", cutText(shown(id), shownOfID), len(id))
}

// pruneProblems forgets what is older than it is shown.
func (c *Clients) pruneProblems(ctx context.Context) error {
	return c.db.Prune(ctx, "oauth_problems", "last_at", "last_at < $1", c.now().Add(-problemLife).Unix())
}
