package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LatestProblem is what went wrong last for a client.
type LatestProblem struct {
	Client *Client
	ClientProblem
}

// latestRead is how many rows are looked at for the clients of [Clients.LatestProblems]: one client alone has fewer.
const latestRead = 200

const selectLatestProblems = `SELECT client_id, kind, network, detail, times, first_at, last_at FROM oauth_problems
	WHERE last_at >= $1 ORDER BY last_at DESC LIMIT $2`

// LatestProblems returns the last thing that went wrong for each of at most limit clients since then, the last first. What has
// been settled meanwhile is left out. It reads a bounded number of rows along an index, and then those clients.
func (c *Clients) LatestProblems(ctx context.Context, since time.Time, limit int) ([]LatestProblem, error) {
	var rows []struct {
		ClientID string `db:"client_id"`
		problemRow
	}
	if err := c.db.Select(ctx, &rows, selectLatestProblems, since.Unix(), latestRead); err != nil {
		return nil, unavailable(err)
	}
	out := []LatestProblem{}
	clients, told := map[string]*Client{}, map[string]bool{}
	for _, row := range rows {
		if len(out) == limit {
			break
		}
		client, looked := clients[row.ClientID]
		if row.ClientID == "" || told[row.ClientID] || looked && client == nil || len(clients) > 4*limit && !looked {
			continue
		}
		if !looked {
			var err error
			if client, err = c.Get(ctx, row.ClientID); err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
			clients[row.ClientID] = client
		}
		if client == nil || row.LastAt < client.CreatedAt.Unix() {
			continue
		}
		p, err := row.problem()
		if err != nil {
			return nil, err
		}
		if p.compare(client); !p.Settled {
			told[row.ClientID] = true
			out = append(out, LatestProblem{client, p})
		}
	}
	return out, nil
}

// problemRow is a row of oauth_problems.
type problemRow struct {
	Kind    string `db:"kind"`
	Network string `db:"network"`
	Detail  string `db:"detail"`
	Times   int64  `db:"times"`
	FirstAt int64  `db:"first_at"`
	LastAt  int64  `db:"last_at"`
}

func (r problemRow) problem() (ClientProblem, error) {
	var detail problemDetail
	if err := json.Unmarshal([]byte(r.Detail), &detail); err != nil {
		return ClientProblem{}, fmt.Errorf("oauth: problem: %w", err)
	}
	return ClientProblem{
		Kind: ProblemKind(r.Kind), Why: detail.Why, Came: detail.Came, Parameter: detail.Parameter, Text: detail.Text,
		Network: r.Network, Times: r.Times, First: time.Unix(r.FirstAt, 0), Last: time.Unix(r.LastAt, 0),
	}, nil
}
