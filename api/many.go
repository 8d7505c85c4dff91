package api

import (
	"context"
	"net/http"

	"github.com/focushq/idp/admin"
)

// Bulk is the same deed for several people.
type Bulk struct {
	Action string   `json:"action" enum:"disable,enable,invite,reset_password,reset_mfa,password_compromised,end_sessions,delete,add_to_group,remove_from_group"`
	People []string `json:"people" nullable:"false" minItems:"1" maxItems:"100" doc:"Their ids."`
	Reason string   `json:"reason,omitempty" maxLength:"512" doc:"For reset_mfa and password_compromised."`
	Group  string   `json:"group,omitempty" maxLength:"64" doc:"For add_to_group and remove_from_group."`
}

// BulkResult is what became of one of them.
type BulkResult struct {
	ID      string   `json:"id"`
	Done    bool     `json:"done"`
	Link    string   `json:"link,omitempty" format:"uri" doc:"Of invite and reset_password, where no mail reaches the person."`
	Problem *Problem `json:"problem,omitempty"`
}

type bulkAnswer struct {
	Body struct {
		Results []BulkResult `json:"results" nullable:"false"`
	} `nameHint:"BulkResults"`
}

// addMany adds what is done to many people at once.
func (s *Server) addMany() {
	add(s, operation{
		does: "POST /people/bulk", id: "doToPeople", about: "people", summary: "Do the same to several people", status: http.StatusOK,
		text:  "Each person stands for themselves: what is refused for one is done for the others. Each action needs what it needs for one person as well.",
		needs: []admin.Permission{admin.HelpPeople}, slow: true,
	}, s.bulk)
}

func (s *Server) bulk(ctx context.Context, c *call, in *struct{ Body Bulk }) (*bulkAnswer, error) {
	b, links := in.Body, map[string]string{}
	deed := map[string]func(ctx context.Context, id string) error{
		"disable": c.desk.Disable, "enable": c.desk.Enable, "end_sessions": c.desk.EndSessions, "delete": c.desk.Delete,
		"reset_mfa":            func(ctx context.Context, id string) error { return c.desk.ResetMFA(ctx, id, b.Reason) },
		"password_compromised": func(ctx context.Context, id string) error { return c.desk.Compromised(ctx, id, b.Reason) },
		"invite":               func(ctx context.Context, id string) (err error) { links[id], err = c.desk.Invite(ctx, id); return err },
		"reset_password": func(ctx context.Context, id string) (err error) {
			links[id], err = c.desk.ResetPassword(ctx, id)
			return err
		},
		"add_to_group":      func(ctx context.Context, id string) error { return c.desk.SetMember(ctx, id, b.Group, true) },
		"remove_from_group": func(ctx context.Context, id string) error { return c.desk.SetMember(ctx, id, b.Group, false) },
	}[b.Action]
	inGroup := b.Action == "add_to_group" || b.Action == "remove_from_group"
	if inGroup != (b.Group != "") {
		return nil, problem(invalid, "A group belongs to add_to_group and remove_from_group.").with(FieldError{Pointer: "#/group", Code: "missing"})
	}
	answer := &bulkAnswer{}
	answer.Body.Results = []BulkResult{}
	for _, outcome := range admin.Each(ctx, b.People, deed) {
		result := BulkResult{ID: outcome.Subject, Done: outcome.Err == nil, Link: links[outcome.Subject]}
		if outcome.Err != nil {
			told := *s.problem(ctx, c, outcome.Err)
			told.RequestID = requestID(ctx)
			result.Problem = &told
		}
		answer.Body.Results = append(answer.Body.Results, result)
	}
	return answer, nil
}
