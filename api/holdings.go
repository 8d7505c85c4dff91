package api

import (
	"context"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/session"
)

// Factors are a person's second factors. Secrets are no part of it.
type Factors struct {
	Enrolled       bool            `json:"enrolled"`
	Authenticators []Authenticator `json:"authenticators" nullable:"false"`
	Passkeys       []Passkey       `json:"passkeys" nullable:"false"`
	CodesLeft      int             `json:"recovery_codes_left"`
	CodesMadeAt    *time.Time      `json:"recovery_codes_made_at,omitempty"`
	Devices        int             `json:"remembered_devices"`
	Sealed         bool            `json:"sealed" doc:"No code of the app is looked at, after too many wrong ones."`
	RecoverySealed bool            `json:"recovery_sealed" doc:"Likewise for recovery codes."`
	RetryAt        *time.Time      `json:"retry_at,omitempty" doc:"When the next code is looked at."`
}

// Authenticator is an authenticator app.
type Authenticator struct {
	ID         string     `json:"id"`
	Name       string     `json:"name" example:"Phone"`
	AddedAt    time.Time  `json:"added_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	Offset     int        `json:"clock_offset_seconds" doc:"The app's clock minus ours, as far as it is allowed for."`
}

// Passkey is a passkey.
type Passkey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name" example:"Laptop"`
	AddedAt    time.Time  `json:"added_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	Synced     bool       `json:"synced" doc:"It may be on several devices."`
}

// Session is a browser in which a person is signed in.
type Session struct {
	ID        string     `json:"id" doc:"The sid of tokens."`
	AMR       []string   `json:"amr" nullable:"false" doc:"The methods of the sign-in (RFC 8176)."`
	AuthTime  time.Time  `json:"auth_time"`
	FactorAt  *time.Time `json:"factor_at,omitempty" doc:"When the second factor was given."`
	CreatedAt time.Time  `json:"created_at"`
	SeenAt    time.Time  `json:"seen_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	Agent     string     `json:"user_agent"`
	Address   string     `json:"address"`
}

// Device is a remembered device.
type Device struct {
	ID         string    `json:"id"`
	Browser    string    `json:"browser" example:"Firefox"`
	System     string    `json:"system" example:"Linux"`
	SinceAt    time.Time `json:"remembered_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func factors(p *admin.Person) Factors {
	f := Factors{
		Enrolled: p.MFA.Enrolled, Authenticators: []Authenticator{}, Passkeys: []Passkey{}, CodesLeft: p.MFA.CodesLeft,
		CodesMadeAt: when(p.MFA.CodesMadeAt), Devices: p.MFA.Devices, Sealed: p.MFA.Sealed, RecoverySealed: p.MFA.RecoverySealed,
		RetryAt: when(p.MFA.RetryAt),
	}
	for _, a := range p.MFA.Authenticators {
		f.Authenticators = append(f.Authenticators, Authenticator{a.ID, a.Name, a.AddedAt.UTC(), when(a.LastUsedAt), int(a.Offset / time.Second)})
	}
	for _, k := range p.Passkeys {
		f.Passkeys = append(f.Passkeys, Passkey{k.ID, k.Name, k.AddedAt.UTC(), when(k.LastUsedAt), k.Synced})
	}
	return f
}

func sessionOf(s *session.Session) Session {
	return Session{
		ID: s.ID, AMR: append([]string{}, s.AMR...), AuthTime: s.AuthTime.UTC(), FactorAt: when(s.FactorAt), CreatedAt: s.CreatedAt.UTC(),
		SeenAt: s.SeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), Agent: s.Agent, Address: s.Address,
	}
}

func deviceOf(d mfa.Device) Device {
	return Device{d.ID, d.Browser, d.System, d.FirstUsedAt.UTC(), d.LastUsedAt.UTC(), d.ExpiresAt.UTC()}
}

// ThingPath is one of what a person has.
type ThingPath struct {
	PersonPath
	Thing string `path:"thing" maxLength:"128" doc:"The id of what is meant."`
}

// addHoldings adds what people have: factors, sessions, devices, apps.
func (s *Server) addHoldings() {
	read, help := []admin.Permission{admin.ReadPeople}, []admin.Permission{admin.HelpPeople}
	add(s, operation{
		does: "GET /people/{id}/mfa", id: "getFactors", about: "people", summary: "Get a person's second factors", needs: read, problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *PersonPath) (*struct{ Body Factors }, error) {
		p, err := c.desk.Person(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &struct{ Body Factors }{factors(p)}, nil
	})
	holding(s, "sessions", "listSessions", "List a person's sessions", func(p *admin.Person) []*session.Session { return p.Sessions }, sessionOf)
	holding(s, "devices", "listDevices", "List a person's remembered devices", func(p *admin.Person) []mfa.Device { return p.Devices }, deviceOf)
	holding(s, "apps", "listApps", "List the apps that use a person's account", func(p *admin.Person) []admin.App { return p.Apps }, appOf)
	for _, o := range []struct {
		path, id, summary string
		do                func(context.Context, *admin.Desk, string) error
	}{
		{"sessions", "endSessions", "End all sessions of a person", func(ctx context.Context, d *admin.Desk, id string) error { return d.EndSessions(ctx, id) }},
		{"devices", "forgetDevices", "Forget all remembered devices of a person", func(ctx context.Context, d *admin.Desk, id string) error { return d.ForgetDevices(ctx, id) }},
	} {
		add(s, operation{
			does: "DELETE /people/{id}/" + o.path, id: o.id, about: "people", summary: o.summary, needs: help, problems: []kind{notFound},
		}, func(ctx context.Context, c *call, in *PersonPath) (*struct{}, error) {
			return nil, o.do(ctx, c.desk, in.ID)
		})
	}
	for _, o := range []struct {
		path, id, summary string
		do                func(context.Context, *admin.Desk, string, string) error
	}{
		{"sessions", "endSession", "End a session of a person", func(ctx context.Context, d *admin.Desk, id, it string) error { return d.EndSession(ctx, id, it) }},
		{"devices", "forgetDevice", "Forget a remembered device", func(ctx context.Context, d *admin.Desk, id, it string) error { return d.ForgetDevice(ctx, id, it) }},
		{"apps", "disconnectApp", "Take back what a person allowed to an app", func(ctx context.Context, d *admin.Desk, id, it string) error { return d.Disconnect(ctx, id, it) }},
	} {
		add(s, operation{
			does: "DELETE /people/{id}/" + o.path + "/{thing}", id: o.id, about: "people", summary: o.summary, needs: help, problems: []kind{notFound},
		}, func(ctx context.Context, c *call, in *ThingPath) (*struct{}, error) {
			return nil, o.do(ctx, c.desk, in.ID, in.Thing)
		})
	}
}

// App is a client that uses a person's account.
type App struct {
	ClientID string    `json:"client_id"`
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes" nullable:"false" doc:"That were allowed; empty where nobody is asked."`
	At       time.Time `json:"at" doc:"When they were, or since when it holds tokens."`
	Own      bool      `json:"own" doc:"An administrator vouches for it: nobody is asked."`
}

func appOf(a admin.App) App {
	return App{a.ID, a.Name, append([]string{}, a.Scopes...), a.At.UTC(), a.Own}
}

// holding adds a list of what a person has, which is short by its nature.
func holding[R, T any](s *Server, path, id, summary string, rows func(*admin.Person) []R, item func(R) T) {
	add(s, operation{
		does: "GET /people/{id}/" + path, id: id, about: "people", summary: summary, needs: []admin.Permission{admin.ReadPeople}, problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *PersonPath) (*pageAnswer[T], error) {
		p, err := c.desk.Person(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return list(s, c, rows(p), "", item), nil
	})
}
