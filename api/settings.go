package api

import (
	"context"
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/oauth"
)

// Policy says who needs a second factor, and how long a sign-in lasts.
type Policy struct {
	MFARequired       string   `json:"mfa_required" enum:"groups,everybody" default:"groups" doc:"Who needs a second factor, beside all who have a role."`
	MFARequiredGroups []string `json:"mfa_required_groups" nullable:"false" maxItems:"1000" doc:"Whose members do." example:"[\"staff\"]"`
	MFAGrace          int64    `json:"mfa_grace" minimum:"0" doc:"Seconds for which enrolling may be put off, from the first sign-in under the policy." example:"1209600"`
	SessionIdle       int64    `json:"session_idle,omitempty" minimum:"0" doc:"Seconds after its last request when a session ends; 0: the default."`
	SessionOverall    int64    `json:"session_overall,omitempty" minimum:"0" doc:"Seconds after the last password when it ends in any case; 0: the default."`
}

func policyOf(p account.Policy) Policy {
	out := Policy{
		MFARequired: p.MFARequired, MFARequiredGroups: texts(p.MFARequiredGroups), MFAGrace: int64(p.MFAGrace / time.Second),
		SessionIdle: int64(p.SessionIdle / time.Second), SessionOverall: int64(p.SessionOverall / time.Second),
	}
	if out.MFARequired == "" {
		out.MFARequired = account.MFAGroups
	}
	return out
}

func (p Policy) policy() account.Policy {
	return account.Policy{
		MFARequired: p.MFARequired, MFARequiredGroups: p.MFARequiredGroups, MFAGrace: time.Duration(p.MFAGrace) * time.Second,
		SessionIdle: time.Duration(p.SessionIdle) * time.Second, SessionOverall: time.Duration(p.SessionOverall) * time.Second,
	}
}

// Reach is whom a policy would ask for a second factor.
type Reach struct {
	Asked     int      `json:"asked"`
	Enrolled  int      `json:"enrolled" doc:"Of them, those who have one."`
	Because   int      `json:"because" doc:"Of the others, those whom the policy in force does not ask."`
	Hit       []string `json:"hit" nullable:"false" doc:"User names of the first of these."`
	Unsettled bool     `json:"unsettled" doc:"After an upgrade, for a while: not everybody was counted yet."`
}

type policyAnswer struct {
	ETag string `header:"ETag"`
	Body Policy
}

// Key is a signing key. Its private part nobody is told.
type Key struct {
	KID       string     `json:"kid"`
	Alg       string     `json:"alg" example:"ES256"`
	State     string     `json:"state" enum:"waiting,signing,published,retired,revoked"`
	CreatedAt time.Time  `json:"created_at"`
	ActiveAt  time.Time  `json:"active_at" doc:"It signs from then on."`
	RetiredAt *time.Time `json:"retired_at,omitempty" doc:"It is published until then."`
}

func keyOf(k oauth.KeyRow) Key {
	out := Key{KID: k.KID, Alg: k.Alg, State: k.State, CreatedAt: time.Unix(k.CreatedAt, 0).UTC(), ActiveAt: time.Unix(k.ActiveAt, 0).UTC()}
	if k.RetiredAt != 0 {
		out.RetiredAt = when(time.Unix(k.RetiredAt, 0))
	}
	return out
}

func (s *Server) addPolicy() {
	read, both := []admin.Permission{admin.ReadSettings}, []admin.Permission{admin.ReadSettings, admin.WriteSettings}
	add(s, operation{
		does: "GET /policy", id: "getPolicy", about: "settings", summary: "Get the policy", needs: read,
	}, func(ctx context.Context, c *call, _ *struct{}) (*policyAnswer, error) { return policy(ctx, c) })
	add(s, operation{
		does: "PUT /policy", id: "setPolicy", about: "settings", summary: "Put a policy in force", needs: both,
	}, func(ctx context.Context, c *call, in *struct {
		IfMatch
		Body Policy
	}) (*policyAnswer, error) {
		want := in.Body.policy()
		var err error
		if want.Version, err = in.version(); err != nil {
			return nil, err
		}
		if err := c.desk.SetPolicy(ctx, want); err != nil {
			return nil, err
		}
		return policy(ctx, c)
	})
	add(s, operation{
		does: "POST /policy/preview", id: "previewPolicy", about: "settings", summary: "Say whom a policy would ask", needs: read, status: http.StatusOK,
		text: "Nothing is changed.",
	}, func(ctx context.Context, c *call, in *struct{ Body Policy }) (*struct{ Body Reach }, error) {
		r, err := c.desk.PolicyPreview(ctx, in.Body.policy())
		if err != nil {
			return nil, err
		}
		return &struct{ Body Reach }{Reach{r.Asked, r.Enrolled, r.Because, texts(r.Hit), r.Unsettled}}, nil
	})
}

func policy(ctx context.Context, c *call) (*policyAnswer, error) {
	p, err := c.desk.Policy(ctx)
	if err != nil {
		return nil, err
	}
	return &policyAnswer{versionTag(p.Version), policyOf(p)}, nil
}

func (s *Server) addKeys() {
	read, both := []admin.Permission{admin.ReadSettings}, []admin.Permission{admin.ReadSettings, admin.WriteSettings}
	add(s, operation{
		does: "GET /keys", id: "listKeys", about: "settings", summary: "List signing keys", needs: read, text: "Those of the last year.",
	}, func(ctx context.Context, c *call, _ *struct{}) (*pageAnswer[Key], error) {
		rows, err := c.desk.Keys(ctx)
		if err != nil {
			return nil, err
		}
		return list(s, c, rows, "", keyOf), nil
	})
	add(s, operation{
		does: "POST /keys/rotate", id: "rotateKeys", about: "settings", summary: "Make new signing keys", needs: both, status: http.StatusOK,
		text: "One for each algorithm: published now, signing when everybody has had time to fetch it.", problems: []kind{conflict},
	}, func(ctx context.Context, c *call, _ *struct{}) (*pageAnswer[Key], error) {
		rows, err := c.desk.RotateKeys(ctx)
		if err != nil {
			return nil, err
		}
		return list(s, c, rows, "", keyOf), nil
	})
	add(s, operation{
		does: "POST /keys/{kid}/retire", id: "retireKey", about: "settings", summary: "Revoke a signing key at once", needs: both, status: http.StatusOK,
		text:     "Because somebody else may have it: what it signed is good no more. The answer has the key in its place, if one was needed.",
		problems: []kind{notFound, conflict},
	}, func(ctx context.Context, c *call, in *struct {
		KID  string `path:"kid" maxLength:"128" doc:"The key's id."`
		Body Because
	}) (*pageAnswer[Key], error) {
		made, err := c.desk.RetireKey(ctx, in.KID, in.Body.Reason)
		if err != nil {
			return nil, err
		}
		var rows []oauth.KeyRow
		if made != nil {
			rows = append(rows, *made)
		}
		return list(s, c, rows, "", keyOf), nil
	})
}

// Branding is how the provider presents itself. What is empty is as its configuration says.
type Branding struct {
	Name     string      `json:"name,omitempty" maxLength:"160"`
	Color    string      `json:"color,omitempty" maxLength:"16" doc:"#rrggbb" example:"#1f4fbf"`
	Help     string      `json:"help,omitempty" maxLength:"320" doc:"Whom to ask, as it stands in a sentence." example:"the service desk"`
	HelpURL  string      `json:"help_url,omitempty" maxLength:"500" doc:"Where that leads: an https or mailto link."`
	Greeting string      `json:"greeting,omitempty" maxLength:"1200" doc:"On the page where one signs in."`
	Links    []BrandLink `json:"links,omitempty" nullable:"false" maxItems:"3" doc:"At the foot of every page."`
}

// BrandLink is a link at the foot of every page.
type BrandLink struct {
	Label string `json:"label" maxLength:"160" example:"Imprint"`
	URL   string `json:"url" maxLength:"500" example:"https://example.com/imprint"`
}

// BrandingNow is the branding with its logo.
type BrandingNow struct {
	Branding
	Logo *Logo `json:"logo,omitempty" doc:"Set by itself: /branding/logo."`
}

// Logo is a stored picture.
type Logo struct {
	URL    string `json:"url" format:"uri"`
	Type   string `json:"type" example:"image/png"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type brandAnswer struct {
	ETag string `header:"ETag"`
	Body BrandingNow
}

func (s *Server) brandNow(ctx context.Context, c *call) (*brandAnswer, error) {
	b, err := c.desk.Brand(ctx)
	if err != nil {
		return nil, err
	}
	out := &brandAnswer{ETag: versionTag(b.Version), Body: BrandingNow{Branding: Branding{
		Name: b.Name, Color: b.Color, Help: b.Help, HelpURL: b.HelpURL, Greeting: b.Greeting,
	}}}
	for _, link := range b.Links {
		out.Body.Links = append(out.Body.Links, BrandLink(link))
	}
	if b.Logo != (brand.Logo{}) {
		out.Body.Logo = &Logo{s.cfg.PublicURL + b.LogoURL(), b.Logo.Kind, b.Logo.Width, b.Logo.Height}
	}
	return out, nil
}
