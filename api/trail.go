package api

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
)

// AuditEntry is a row of the trail.
type AuditEntry struct {
	ID        string            `json:"id"`
	Seq       int64             `json:"seq" doc:"Its place in the chain; 0: it was recorded a moment ago."`
	Time      time.Time         `json:"time"`
	Action    string            `json:"action" example:"account.disabled"`
	Actor     string            `json:"actor"`
	Subject   string            `json:"subject"`
	Client    string            `json:"client"`
	Result    string            `json:"result" doc:"Empty: it went well."`
	Detail    map[string]string `json:"detail"`
	Address   string            `json:"address"`
	Agent     string            `json:"user_agent"`
	RequestID string            `json:"request_id"`
	Forged    bool              `json:"forged" doc:"The row is not as this server wrote it."`
}

func entryOf(e audit.Entry) AuditEntry {
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	return AuditEntry{
		e.ID, e.Seq, e.At.UTC(), e.Action, e.Actor, e.Subject, e.Client, e.Result, detail, e.Request.Address, e.Request.Agent, e.Request.ID, e.Forged,
	}
}

// AuditFilters narrow the trail.
type AuditFilters struct {
	Action  string    `query:"action" maxLength:"128" doc:"Exactly this one."`
	Group   string    `query:"group" maxLength:"40" doc:"The actions of a group: sign_ins, factors, codes, …"`
	Actor   string    `query:"actor" maxLength:"128" doc:"Who did it."`
	Subject string    `query:"subject" maxLength:"128" doc:"Whom it concerns."`
	Client  string    `query:"client" maxLength:"128" doc:"The client."`
	Result  string    `query:"result" maxLength:"128" doc:"Exactly this one."`
	Since   time.Time `query:"since" doc:"From then on (RFC 3339)."`
	Until   time.Time `query:"until" doc:"Before then."`
}

func (f AuditFilters) query() admin.TrailQuery {
	return admin.TrailQuery{
		Action: f.Action, Group: f.Group, Actor: f.Actor, Subject: f.Subject, Client: f.Client, Result: f.Result, Since: f.Since, Until: f.Until,
	}
}

// AuditPath is an entry in the path.
type AuditPath struct {
	ID string `path:"id" maxLength:"128" doc:"The entry's."`
}

// Explanation says why a sign-in went the way it did, from nothing but the trail.
type Explanation struct {
	Subject string          `json:"subject"`
	Client  string          `json:"client"`
	Asked   []Sentence      `json:"asked" nullable:"false" doc:"What the app wanted."`
	Rules   []Sentence      `json:"rules" nullable:"false" doc:"What its settings and the policy demanded."`
	Had     []Sentence      `json:"had" nullable:"false" doc:"What the person could show."`
	Steps   []ExplainedStep `json:"steps" nullable:"false"`
	Outcome Sentence        `json:"outcome"`
}

// ExplainedStep is one event of it.
type ExplainedStep struct {
	ID     string     `json:"id" doc:"Of the entry."`
	Time   time.Time  `json:"time"`
	Action string     `json:"action"`
	Result string     `json:"result"`
	What   Sentence   `json:"what"`
	Why    []Sentence `json:"why" nullable:"false"`
}

// Sentence is one that has an id beside its words.
type Sentence struct {
	ID   string `json:"id" example:"explain.why.policy"`
	Text string `json:"text"`
}

func sentence(s admin.Sentence) Sentence { return Sentence{s.ID, s.String()} }

func sentences(all []admin.Sentence) []Sentence {
	out := make([]Sentence, 0, len(all))
	for _, s := range all {
		out = append(out, sentence(s))
	}
	return out
}

func explanation(x admin.Explanation) Explanation {
	out := Explanation{
		Subject: x.Subject, Client: x.Client, Asked: sentences(x.Asked), Rules: sentences(x.Rules), Had: sentences(x.Had), Steps: []ExplainedStep{},
		Outcome: sentence(x.Outcome),
	}
	for _, step := range x.Steps {
		out.Steps = append(out.Steps, ExplainedStep{step.ID, step.At, step.Action, step.Result, sentence(step.What), sentences(step.Why)})
	}
	return out
}

// Verification is what a look at the whole chain found.
type Verification struct {
	OK       bool           `json:"ok"`
	Rows     int64          `json:"rows"`
	Waiting  int64          `json:"waiting" doc:"Rows that were not linked yet."`
	Sealed   int64          `json:"sealed" doc:"Rows of an older release, sealed at the upgrade."`
	Removed  int64          `json:"removed" doc:"Rows that retention has removed from the beginning."`
	Head     string         `json:"head" doc:"Where the chain ends: keep it as an anchor."`
	Wrong    int            `json:"wrong"`
	Problems []AuditProblem `json:"problems" nullable:"false" doc:"The first 20."`
}

// AuditProblem is one thing that is wrong with the chain.
type AuditProblem struct {
	Seq  int64  `json:"seq"`
	ID   string `json:"id"`
	What string `json:"what"`
	Text string `json:"text"`
}

func (s *Server) addTrail() {
	read := []admin.Permission{admin.ReadTrail}
	add(s, operation{
		does: "GET /audit", id: "listAudit", about: "audit", summary: "List the trail", needs: read, text: "Newest first.",
	}, func(ctx context.Context, c *call, in *struct {
		AuditFilters
		Place
	}) (*pageAnswer[AuditEntry], error) {
		q := in.query()
		q.Cursor, q.Limit = in.Cursor, in.Limit
		page, err := c.desk.Trail(ctx, q)
		if err != nil {
			return nil, err
		}
		return list(s, c, page.Entries, page.Next, entryOf), nil
	})
	add(s, operation{
		does: "GET /audit/{id}", id: "getAuditEntry", about: "audit", summary: "Get an entry of the trail", needs: read, problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *AuditPath) (*struct{ Body AuditEntry }, error) {
		e, err := c.desk.TrailEntry(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &struct{ Body AuditEntry }{entryOf(e)}, nil
	})
	add(s, operation{
		does: "GET /audit/{id}/explanation", id: "explainAuditEntry", about: "audit", summary: "Explain the sign-in that an entry is a part of", needs: read,
		problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *AuditPath) (*struct{ Body Explanation }, error) {
		x, ok, err := c.desk.Explain(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, problem(notFound, "The entry is a part of no sign-in.")
		}
		return &struct{ Body Explanation }{explanation(x)}, nil
	})
	add(s, operation{
		does: "GET /audit/export", id: "exportAudit", about: "audit", summary: "Export the trail", needs: read, slow: true, text: "Oldest first, of any number.",
		gives: map[string]string{mediaLines: "one entry a line, with what proves its place in the chain"},
	}, func(ctx context.Context, c *call, in *struct{ AuditFilters }) (*fileAnswer, error) {
		return s.file(mediaLines, "audit.jsonl", func(to io.Writer) error { return c.desk.ExportTrail(ctx, to, in.query()) }, c), nil
	})
	add(s, operation{
		does: "GET /audit/verification", id: "verifyAudit", about: "audit", summary: "Look whether the trail is whole", needs: read, slow: true,
		text: "It reads every row, and there is one such look at a time.",
	}, s.verify)
}

func (s *Server) verify(ctx context.Context, c *call, _ *struct{}) (*struct{ Body Verification }, error) {
	report, err := c.desk.VerifyTrail(ctx)
	if errors.Is(err, admin.ErrVerifying) {
		return nil, problem(busy, "Somebody else has it verified at this moment.").retry(30)
	}
	if err != nil {
		return nil, err
	}
	out := Verification{
		OK: report.OK(), Rows: report.Rows, Waiting: report.Waiting, Sealed: report.Sealed, Removed: report.Removed, Head: report.Head.String(),
		Wrong: report.Wrong, Problems: []AuditProblem{},
	}
	for _, p := range report.Problems {
		out.Problems = append(out.Problems, AuditProblem{p.Seq, p.ID, p.What, p.Error()})
	}
	return &struct{ Body Verification }{out}, nil
}
