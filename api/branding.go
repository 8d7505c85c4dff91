package api

import (
	"context"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/brand"
)

func (s *Server) addBranding() {
	read, both := []admin.Permission{admin.ReadSettings}, []admin.Permission{admin.ReadSettings, admin.WriteSettings}
	add(s, operation{
		does: "GET /branding", id: "getBranding", about: "settings", summary: "Get the branding", needs: read,
	}, func(ctx context.Context, c *call, _ *struct{}) (*brandAnswer, error) { return s.brandNow(ctx, c) })
	add(s, operation{
		does: "PUT /branding", id: "setBranding", about: "settings", summary: "Set the branding", needs: both, text: "All of it but the logo.",
	}, func(ctx context.Context, c *call, in *struct {
		IfMatch
		Body Branding
	}) (*brandAnswer, error) {
		return s.setBrand(ctx, c, in.IfMatch, nil, func(b *brand.Brand) {
			b.Name, b.Color, b.Help, b.HelpURL, b.Greeting = in.Body.Name, in.Body.Color, in.Body.Help, in.Body.HelpURL, in.Body.Greeting
			b.Links = nil
			for _, link := range in.Body.Links {
				b.Links = append(b.Links, brand.Link(link))
			}
		})
	})
	add(s, operation{
		does: "PUT /branding/logo", id: "setLogo", about: "settings", summary: "Set the logo", needs: both,
		limit: brand.MaxLogo + 1, takes: []string{"image/png", "image/jpeg", "image/webp"}, text: "A picture of at most 64 kB and 1024 × 1024 pixels.",
	}, func(ctx context.Context, c *call, in *struct {
		IfMatch
		RawBody []byte
	}) (*brandAnswer, error) {
		if len(in.RawBody) == 0 {
			return nil, problem(malformed, "The request needs a body.")
		}
		return s.setBrand(ctx, c, in.IfMatch, in.RawBody, func(*brand.Brand) {})
	})
	add(s, operation{
		does: "DELETE /branding/logo", id: "removeLogo", about: "settings", summary: "Remove the logo", needs: both, seen: true,
	}, func(ctx context.Context, c *call, in *struct{ IfMatch }) (*brandAnswer, error) {
		return s.setBrand(ctx, c, in.IfMatch, nil, func(b *brand.Brand) { b.Logo = brand.Logo{} })
	})
}

// setBrand changes the branding that the caller has seen.
func (s *Server) setBrand(ctx context.Context, c *call, seen IfMatch, picture []byte, change func(*brand.Brand)) (*brandAnswer, error) {
	b, err := c.desk.Brand(ctx)
	if err != nil {
		return nil, err
	}
	if err := seen.holds(versionTag(b.Version)); err != nil {
		return nil, err
	}
	change(&b)
	if err := c.desk.SetBrand(ctx, b, picture); err != nil {
		return nil, err
	}
	return s.brandNow(ctx, c)
}

// MailTest is how a session with the mail server went.
type MailTest struct {
	OK      bool       `json:"ok"`
	Server  string     `json:"server"`
	TLS     string     `json:"tls"`
	Reached string     `json:"reached" doc:"How far it came."`
	Fault   string     `json:"fault,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Lines   []MailLine `json:"lines" nullable:"false" doc:"What both said. Secrets are left out."`
}

// MailLine is a line of it.
type MailLine struct {
	From string `json:"from" enum:"client,server,note"`
	Text string `json:"text"`
}

func (s *Server) addMail() {
	add(s, operation{
		does: "POST /mail/test", id: "testMail", about: "settings", summary: "Try the mail", needs: []admin.Permission{admin.WriteSettings}, status: 200,
		text:     "A letter goes to the person whose token it is, and to nobody else: a program cannot try the mail for itself. It takes up to 20 seconds.",
		problems: []kind{conflict},
	}, func(ctx context.Context, c *call, _ *struct{}) (*struct{ Body MailTest }, error) {
		trial, err := c.desk.MailTest(ctx)
		if err != nil {
			return nil, err
		}
		out := MailTest{
			OK: trial.OK(), Server: trial.Server, TLS: trial.TLS, Reached: string(trial.Reached), Fault: string(trial.Fault), Detail: trial.Detail,
			Lines: []MailLine{},
		}
		for _, line := range trial.Lines {
			out.Lines = append(out.Lines, MailLine(line))
		}
		return &struct{ Body MailTest }{out}, nil
	})
}
