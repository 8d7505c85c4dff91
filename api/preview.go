package api

import (
	"context"
	"strings"

	"github.com/focushq/idp/admin"
)

// TokenPreview is what somebody would get from a client, and meet on the way to it. There is no token in it.
type TokenPreview struct {
	Refused     []string      `json:"refused" nullable:"false" doc:"Why they would get nothing: client_disabled, person_disabled, groups, scopes, grant_types."`
	Steps       []string      `json:"steps" nullable:"false" doc:"The pages that the person would meet."`
	Unreachable bool          `json:"unreachable" doc:"A sign-in with these steps does not end in that situation."`
	AMR         []string      `json:"amr" nullable:"false"`
	ACR         string        `json:"acr,omitempty"`
	Granted     []string      `json:"granted" nullable:"false" doc:"Scopes, if the person allows all."`
	Ignored     []string      `json:"ignored" nullable:"false" doc:"Scopes that were asked for and are not given."`
	IDToken     object        `json:"id_token,omitempty" doc:"Its claims."`
	AccessToken object        `json:"access_token,omitempty" doc:"What a JWT says; of an opaque token, what introspection says."`
	Opaque      bool          `json:"opaque"`
	Userinfo    object        `json:"userinfo,omitempty"`
	Refresh     bool          `json:"refresh_token" doc:"There would be one."`
	Lives       *PreviewLives `json:"lives,omitempty"`
}

// PreviewLives are how long what a preview shows is good, in seconds; 0: there is none.
type PreviewLives struct {
	Code             int64 `json:"code"`
	AccessToken      int64 `json:"access_token"`
	IDToken          int64 `json:"id_token"`
	RefreshTokenIdle int64 `json:"refresh_token_idle"`
	RefreshTokenLife int64 `json:"refresh_token_life"`
}

// object is JSON whose members are not this package's business.
type object = map[string]any

func (s *Server) previewTokens(ctx context.Context, c *call, in *struct {
	ClientPath
	Person    string `query:"person" maxLength:"128" doc:"Their id; left out: what the client gets for itself."`
	Scope     string `query:"scope" maxLength:"2048" doc:"With spaces between them; left out: all that the client may ask for."`
	Situation string `query:"situation" enum:"password,remembered_device,code,recovery_code,password_passkey,passkey" doc:"How they have signed in."`
}) (*struct{ Body TokenPreview }, error) {
	q := admin.PreviewQuery{Client: in.ID, Subject: in.Person, Situation: in.Situation}
	if in.Scope != "" {
		q.Scopes = strings.Fields(in.Scope)
	}
	p, err := c.desk.PreviewTokens(ctx, q)
	if err != nil {
		return nil, err
	}
	out := TokenPreview{
		Refused: texts(p.Refused), Steps: texts(p.Steps), Unreachable: p.Unreachable, AMR: texts(p.AMR), ACR: p.ACR, Granted: []string{}, Ignored: []string{},
	}
	if t := p.Tokens; t != nil {
		out.Granted, out.Ignored, out.Opaque, out.Refresh = texts(t.Granted), texts(t.Ignored), t.Opaque, t.RefreshToken
		out.IDToken, out.AccessToken, out.Userinfo = t.IDToken, t.AccessToken, t.Userinfo
	}
	if p.Lives != nil {
		lives := PreviewLives(*p.Lives)
		out.Lives = &lives
	}
	return &struct{ Body TokenPreview }{out}, nil
}

// texts is a list that is there even if it is empty.
func texts(list []string) []string { return append([]string{}, list...) }
