package api

import (
	"context"
	"net/http"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

// ClientProblem is something that went wrong lately in the name of a client. What came from outside is a stranger's text.
type ClientProblem struct {
	Kind       string    `json:"kind"`
	Why        string    `json:"why,omitempty"`
	Came       string    `json:"came,omitempty"`
	Registered []string  `json:"registered,omitempty" nullable:"false"`
	Parameter  string    `json:"parameter,omitempty"`
	Text       string    `json:"text,omitempty"`
	Words      string    `json:"words" doc:"All of it in a sentence."`
	Settled    bool      `json:"settled" doc:"What came is registered by now."`
	Network    string    `json:"network"`
	Times      int64     `json:"times"`
	FirstAt    time.Time `json:"first_at"`
	LastAt     time.Time `json:"last_at"`
}

func clientProblem(p oauth.ClientProblem) ClientProblem {
	return ClientProblem{
		Kind: string(p.Kind), Why: p.Why, Came: p.Came, Registered: p.Registered, Parameter: p.Parameter, Text: p.Text, Words: p.Words(),
		Settled: p.Settled, Network: p.Network, Times: p.Times, FirstAt: p.First.UTC(), LastAt: p.Last.UTC(),
	}
}

// NewSecret is a secret that a client has just got.
type NewSecret struct {
	Secret string `json:"secret" doc:"Shown this once."`
}

// Registration is a token with which apps register themselves (RFC 7591).
type Registration struct {
	Token string `json:"token" doc:"Shown this once."`
}

// ClientTemplate is a kind of app.
type ClientTemplate struct {
	ID      string   `json:"id" example:"web"`
	Name    string   `json:"name"`
	Summary string   `json:"summary"`
	Fields  []string `json:"fields" nullable:"false" doc:"What is to be decided for such an app."`
}

func (s *Server) addClientDeeds(read, write []admin.Permission) {
	for _, o := range []struct {
		does, id, summary, text string
		do                      func(ctx context.Context, d *admin.Desk, id string, version int64) error
	}{
		{"POST /clients/{id}/disable", "disableClient", "Switch a client off", "Nothing that it was given works while it is off.",
			func(ctx context.Context, d *admin.Desk, id string, v int64) error {
				return d.SetClientDisabled(ctx, id, v, true)
			}},
		{"POST /clients/{id}/enable", "enableClient", "Switch a client on", "",
			func(ctx context.Context, d *admin.Desk, id string, v int64) error {
				return d.SetClientDisabled(ctx, id, v, false)
			}},
		{"POST /clients/{id}/end-former-secret", "endFormerSecret", "End the secret before the last rotation", "",
			func(ctx context.Context, d *admin.Desk, id string, v int64) error {
				return d.EndFormerSecret(ctx, id, v)
			}},
		{"DELETE /clients/{id}", "deleteClient", "Delete a client", "Everything that was granted to it goes too. It cannot be undone.",
			func(ctx context.Context, d *admin.Desk, id string, v int64) error { return d.DeleteClient(ctx, id, v) }},
	} {
		add(s, operation{
			does: o.does, id: o.id, about: "clients", summary: o.summary, text: o.text, needs: []admin.Permission{admin.WriteClients},
			status: http.StatusNoContent, seen: true, problems: []kind{notFound, conflict},
		}, func(ctx context.Context, c *call, in *struct {
			ClientPath
			IfMatch
		}) (*struct{}, error) {
			version, err := in.version()
			if err != nil {
				return nil, err
			}
			return nil, o.do(ctx, c.desk, in.ID, version)
		})
	}
	add(s, operation{
		does: "POST /clients/{id}/rotate-secret", id: "rotateSecret", about: "clients", summary: "Give a client another secret", status: http.StatusOK,
		text:  "The new one is shown this once. With an overlap the former one stays good for that long, so that the app can be changed meanwhile.",
		needs: []admin.Permission{admin.WriteClients}, seen: true, problems: []kind{notFound, conflict},
	}, s.rotateSecret)
	add(s, operation{
		does: "GET /clients/{id}/problems", id: "listClientProblems", about: "clients", summary: "List what went wrong lately for a client", needs: read,
		problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *ClientPath) (*pageAnswer[ClientProblem], error) {
		if _, err := c.desk.Client(ctx, in.ID); err != nil {
			return nil, err
		}
		rows, err := c.desk.ClientProblems(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return list(s, c, rows, "", clientProblem), nil
	})
	add(s, operation{
		does: "GET /clients/{id}/preview", id: "previewTokens", about: "clients", summary: "Say what somebody would get from a client", needs: read,
		text: "Nothing in it can be used. About a person it needs idp.people.read as well.", problems: []kind{notFound},
	}, s.previewTokens)
	s.addAroundClients(read, write)
}

func (s *Server) rotateSecret(ctx context.Context, c *call, in *struct {
	ClientPath
	IfMatch
	Body struct {
		Overlap int64 `json:"overlap,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds for which the former secret stays good; 0: it ends at once."`
	} `nameHint:"Rotation"`
}) (*struct {
	ETag string `header:"ETag"`
	Body NewSecret
}, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	secret, err := c.desk.RotateClientSecret(ctx, in.ID, version, time.Duration(in.Body.Overlap)*time.Second)
	if err != nil {
		return nil, err
	}
	return &struct {
		ETag string `header:"ETag"`
		Body NewSecret
	}{versionTag(version + 1), NewSecret{secret}}, nil
}

// addAroundClients adds what belongs to no client in particular.
func (s *Server) addAroundClients(read, _ []admin.Permission) {
	add(s, operation{
		does: "GET /unknown-clients", id: "listUnknownClients", about: "clients", summary: "List client ids that came lately and that no client has", needs: read,
	}, func(ctx context.Context, c *call, _ *struct{}) (*pageAnswer[ClientProblem], error) {
		rows, err := c.desk.UnknownClients(ctx)
		if err != nil {
			return nil, err
		}
		return list(s, c, rows, "", clientProblem), nil
	})
	add(s, operation{
		does: "GET /client-templates", id: "listClientTemplates", about: "clients", summary: "List kinds of apps", needs: read,
	}, func(_ context.Context, c *call, _ *struct{}) (*pageAnswer[ClientTemplate], error) {
		return list(s, c, admin.ClientTemplates(), "", func(t admin.ClientTemplate) ClientTemplate {
			out := ClientTemplate{ID: t.ID, Name: t.Name, Summary: t.Summary, Fields: []string{}}
			for _, field := range t.Fields {
				out.Fields = append(out.Fields, field.Name)
			}
			return out
		}), nil
	})
	add(s, operation{
		does: "POST /registration-tokens", id: "createRegistrationToken", about: "clients", summary: "Let apps register themselves", status: http.StatusCreated,
		text: "Where dynamic registration is on (RFC 7591). The token is shown this once.", needs: []admin.Permission{admin.WriteClients},
	}, func(ctx context.Context, c *call, in *struct {
		Body struct {
			Life int64 `json:"life" minimum:"1" maximum:"31536000" doc:"Seconds."`
			Uses int   `json:"uses" minimum:"1" maximum:"100000" doc:"How many apps."`
		} `nameHint:"NewRegistration"`
	}) (*struct{ Body Registration }, error) {
		token, err := c.desk.NewRegistrationToken(ctx, time.Duration(in.Body.Life)*time.Second, in.Body.Uses)
		if err != nil {
			return nil, err
		}
		return &struct{ Body Registration }{Registration{token}}, nil
	})
}
