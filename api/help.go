package api

import (
	"context"
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// Because is why something is done to somebody.
type Because struct {
	Reason string `json:"reason" minLength:"1" maxLength:"512" doc:"It stands in the audit trail." example:"Ticket 4711: lost the phone"`
}

// Link is one that a person can use once.
type Link struct {
	Sent      bool      `json:"sent" doc:"It was mailed to the person, and is not told here."`
	Link      string    `json:"link,omitempty" format:"uri" doc:"Where no mail reaches the person: whoever has it chooses the password."`
	ExpiresAt time.Time `json:"expires_at"`
}

type linkAnswer struct{ Body Link }

// addHelp adds what gets people in or out.
func (s *Server) addHelp() {
	for _, o := range []struct {
		path, id, summary, text string
		problems                []kind
		do                      func(context.Context, *admin.Desk, string) error
	}{
		{"disable", "disablePerson", "Disable a person", "Every session and token ends, and they cannot sign in.", []kind{lastAdministrator},
			func(ctx context.Context, d *admin.Desk, id string) error { return d.Disable(ctx, id) }},
		{"enable", "enablePerson", "Enable a person", "They can sign in again.", nil,
			func(ctx context.Context, d *admin.Desk, id string) error { return d.Enable(ctx, id) }},
	} {
		add(s, s.helping(o.path, o.id, o.summary, o.text, o.problems...), func(ctx context.Context, c *call, in *PersonPath) (*struct{}, error) {
			return nil, o.do(ctx, c.desk, in.ID)
		})
	}
	for _, o := range []struct {
		path, id, summary, text string
		problems                []kind
		do                      func(context.Context, *admin.Desk, string, string) error
	}{
		{"password-compromised", "declareCompromised", "Declare a password known to others",
			"All that it opened ends, and the next sign-in begins with another password.", nil,
			func(ctx context.Context, d *admin.Desk, id, why string) error { return d.Compromised(ctx, id, why) }},
		{"reset-mfa", "resetMFA", "Reset a person's second factors",
			"Factors, recovery codes and remembered devices go, every session and token ends. They enrol anew where the policy wants it.", nil,
			func(ctx context.Context, d *admin.Desk, id, why string) error { return d.ResetMFA(ctx, id, why) }},
		{"unseal-mfa", "unsealMFA", "Look at a person's codes again", "After too many wrong ones.", []kind{conflict},
			func(ctx context.Context, d *admin.Desk, id, why string) error { return d.Unseal(ctx, id, why) }},
	} {
		add(s, s.helping(o.path, o.id, o.summary, o.text, o.problems...), func(ctx context.Context, c *call, in *struct {
			PersonPath
			Body Because
		}) (*struct{}, error) {
			return nil, o.do(ctx, c.desk, in.ID, in.Body.Reason)
		})
	}
	for _, o := range []struct {
		path, id, summary, text string
		life                    time.Duration
		do                      func(context.Context, *admin.Desk, string) (string, error)
	}{
		{"invite", "invitePerson", "Invite a person", "They get a link to their first password, by mail where mail reaches them.", account.InviteLife,
			func(ctx context.Context, d *admin.Desk, id string) (string, error) { return d.Invite(ctx, id) }},
		{"reset-password", "resetPassword", "Send a link to another password", "The present one is good until the link is used.", account.ResetLife,
			func(ctx context.Context, d *admin.Desk, id string) (string, error) { return d.ResetPassword(ctx, id) }},
	} {
		op := s.helping(o.path, o.id, o.summary, o.text, conflict)
		op.status = http.StatusOK
		add(s, op, func(ctx context.Context, c *call, in *PersonPath) (*linkAnswer, error) {
			link, err := o.do(ctx, c.desk, in.ID)
			if err != nil {
				return nil, err
			}
			return &linkAnswer{Link{Sent: link == "", Link: link, ExpiresAt: s.cfg.Now().Add(o.life).UTC().Truncate(time.Second)}}, nil
		})
	}
}

// helping is an operation on a person that has no answer.
func (s *Server) helping(path, id, summary, text string, problems ...kind) operation {
	return operation{
		does: "POST /people/{id}/" + path, id: id, about: "people", summary: summary, text: text, status: http.StatusNoContent,
		needs: []admin.Permission{admin.HelpPeople}, problems: append([]kind{notFound, notYourself}, problems...),
	}
}
