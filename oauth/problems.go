package oauth

import (
	"context"
	"slices"
	"strings"
	"time"
)

// ProblemKind is what went wrong in the name of a client.
type ProblemKind string

// The kinds. Came is what the request held, as far as it may be shown, and Registered what the client has registered now.
const (
	ProblemUnknownClient ProblemKind = "unknown_client"           // Came: the id
	ProblemDisabled      ProblemKind = "disabled"                 // the client is switched off
	ProblemSecret        ProblemKind = "secret"                   // a wrong one. Why: guess, former, missing
	ProblemSwapped       ProblemKind = "swapped"                  // the id came as the secret, and the secret as the id
	ProblemMethod        ProblemKind = "auth_method"              // Came and Registered: methods of authentication
	ProblemPublic        ProblemKind = "public"                   // a public client asked for what needs authentication
	ProblemHeader        ProblemKind = "authorization_header"     // it cannot be read
	ProblemAssertion     ProblemKind = "assertion"                // of private_key_jwt. Why
	ProblemRedirectURI   ProblemKind = "redirect_uri"             // Came ("" for none) and Registered
	ProblemLogoutURI     ProblemKind = "post_logout_redirect_uri" // likewise
	ProblemPKCE          ProblemKind = "pkce"                     // Why: missing, method, form, unpaired. Came: the method
	ProblemScope         ProblemKind = "scope"                    // Came and Registered: scopes
	ProblemResource      ProblemKind = "resource"                 // Came and Registered: resources
	ProblemGrantType     ProblemKind = "grant_type"               // Came and Registered: grant types
	ProblemResponseType  ProblemKind = "response_type"            // Came
	ProblemGrant         ProblemKind = "invalid_grant"            // Why
	ProblemProof         ProblemKind = "dpop"                     // Why
	ProblemPerson        ProblemKind = "person"                   // somebody was refused because of what the client is to them. Why: groups
	ProblemParameter     ProblemKind = "parameter"                // Parameter and Text, which is English and ours
	problemsShown                    = 20
	unknownShown                     = 100
	problemLife                      = 30 * 24 * time.Hour
)

// ClientProblem is something that went wrong lately in the name of a client. Pages word it by Kind and Why (see
// [ProblemReasons]) with Came, Registered and Parameter; [ClientProblem.Words] does so in English. What came from outside is
// cut and cleaned, and no secret or token is in it; it is a stranger's text all the same.
type ClientProblem struct {
	Kind       ProblemKind `json:"kind"`
	Why        string      `json:"why,omitempty"`
	Came       string      `json:"came,omitempty"`
	Registered []string    `json:"registered,omitempty"`
	Parameter  string      `json:"parameter,omitempty"`
	Text       string      `json:"text,omitempty"`
	Settled    bool        `json:"settled,omitempty"` // what came is registered by now
	Network    string      `json:"network"`           // where it came from: an IPv4 address, or a /64 of IPv6
	Times      int64       `json:"times"`             // from there and alike, in a row; within a second it counts once
	First      time.Time   `json:"first"`             // of those
	Last       time.Time   `json:"last"`
}

// problemDetail is what a row keeps of a request.
type problemDetail struct {
	Why       string `json:"why,omitempty"`
	Came      string `json:"came,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Text      string `json:"text,omitempty"`
}

// Problems returns what went wrong lately in the name of the client id, the last first: at most 20, and the last one of each
// kind in any case. It is kept for 30 days. [ErrNotFound] when there is no such client.
func (c *Clients) Problems(ctx context.Context, id string) ([]ClientProblem, error) {
	client, err := c.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	// A client of this id that was deleted before was another one.
	all, err := c.problems(ctx, client.ID, client.CreatedAt, 0)
	if err != nil {
		return nil, err
	}
	// Nobody who can make one kind of problem hides another.
	var first, more []ClientProblem
	seen := map[ProblemKind]bool{}
	for _, p := range all {
		p.compare(client)
		if !seen[p.Kind] {
			first = append(first, p)
		} else {
			more = append(more, p)
		}
		seen[p.Kind] = true
	}
	out := append(first, more[:min(len(more), max(0, problemsShown-len(first)))]...)
	slices.SortStableFunc(out, func(a, b ClientProblem) int { return b.Last.Compare(a.Last) })
	return out, nil
}

// UnknownClients returns the ids lately come that no client has, the last first, at most 100.
func (c *Clients) UnknownClients(ctx context.Context) ([]ClientProblem, error) {
	return c.problems(ctx, "", time.Time{}, unknownShown)
}

// selectProblems reads the problems of a client. There are a bounded number, see [problemPlaces].
const selectProblems = `SELECT kind, network, detail, times, first_at, last_at FROM oauth_problems
	WHERE client_id = $1 AND last_at >= $2 ORDER BY last_at DESC LIMIT $3`

// problems reads the problems of the client id since then. limit 0: all.
func (c *Clients) problems(ctx context.Context, id string, since time.Time, limit int) ([]ClientProblem, error) {
	var rows []problemRow
	if limit == 0 {
		limit = 1000
	}
	oldest := max(since.Unix(), c.now().Add(-problemLife).Unix())
	if err := c.db.Select(ctx, &rows, selectProblems, id, oldest, limit); err != nil {
		return nil, unavailable(err)
	}
	out := make([]ClientProblem, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.problem(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// compare adds what client has registered where p came with something else.
func (p *ClientProblem) compare(client *Client) {
	came := strings.Fields(p.Came)
	switch p.Kind {
	case ProblemRedirectURI:
		p.Registered, p.Settled = client.RedirectURIs, client.redirectsTo(p.Came)
		return
	case ProblemLogoutURI:
		p.Registered = client.PostLogoutRedirectURIs
	case ProblemMethod:
		p.Registered = []string{client.AuthMethod}
	case ProblemScope:
		p.Registered = client.Scopes
	case ProblemResource:
		p.Registered = client.Resources
	case ProblemGrantType:
		p.Registered = client.GrantTypes
	case ProblemDisabled:
		p.Settled = !client.Disabled
	}
	p.Settled = p.Settled || len(came) > 0 &&
		!slices.ContainsFunc(came, func(v string) bool { return !slices.Contains(p.Registered, v) })
}
