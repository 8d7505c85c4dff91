package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

// ClientSettings are what can be set of a client, by the names of the file of idp apply. Lives are in seconds; 0 is the default.
type ClientSettings struct {
	Name                   string         `json:"name,omitempty" maxLength:"200" example:"Focus HQ"`
	AuthMethod             string         `json:"auth_method,omitempty" enum:"client_secret_basic,client_secret_post,private_key_jwt,none"`
	AuthAlg                string         `json:"auth_alg,omitempty" enum:"RS256,PS256,ES256,EdDSA" doc:"Of the assertions of private_key_jwt."`
	JWKSURI                string         `json:"jwks_uri,omitempty" maxLength:"2048"`
	JWKS                   map[string]any `json:"jwks,omitempty" doc:"Public keys (RFC 7517)."`
	RedirectURIs           []string       `json:"redirect_uris,omitempty" nullable:"false" maxItems:"100" example:"[\"https://focus.example/callback\"]"`
	PostLogoutRedirectURIs []string       `json:"post_logout_redirect_uris,omitempty" nullable:"false" maxItems:"100"`
	BackchannelLogoutURI   string         `json:"backchannel_logout_uri,omitempty" maxLength:"2048"`
	FrontchannelLogoutURI  string         `json:"frontchannel_logout_uri,omitempty" maxLength:"2048"`
	BackchannelSession     bool           `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelSession    bool           `json:"frontchannel_logout_session_required,omitempty"`
	GrantTypes             []string       `json:"grant_types,omitempty" nullable:"false" maxItems:"10"`
	Scopes                 []string       `json:"scopes,omitempty" nullable:"false" maxItems:"200" doc:"Those of this API only by whoever may do what they allow."`
	Consent                string         `json:"consent,omitempty" enum:"ask,skip"`
	MFA                    string         `json:"mfa,omitempty" enum:"optional,required,always"`
	Groups                 []string       `json:"groups,omitempty" nullable:"false" maxItems:"200" doc:"Who may use it; empty: everybody."`
	AccessToken            string         `json:"access_token,omitempty" enum:"jwt,opaque"`
	IDTokenAlg             string         `json:"id_token_alg,omitempty" enum:"RS256,ES256,EdDSA"`
	UserinfoAlg            string         `json:"userinfo_signed_response_alg,omitempty" enum:"RS256,ES256,EdDSA"`
	RequirePKCE            bool           `json:"require_pkce,omitempty"`
	RequirePAR             bool           `json:"require_pushed_authorization_requests,omitempty"`
	DPoPBound              bool           `json:"dpop_bound_access_tokens,omitempty"`
	Resources              []string       `json:"resources,omitempty" nullable:"false" maxItems:"100" doc:"What it may ask tokens for (RFC 8707) beside this server."`
	Introspect             bool           `json:"introspect,omitempty" doc:"It may introspect other clients' tokens."`
	ClientURI              string         `json:"client_uri,omitempty" maxLength:"2048"`
	InitiateLoginURI       string         `json:"initiate_login_uri,omitempty" maxLength:"2048"`
	Contacts               []string       `json:"contacts,omitempty" nullable:"false" maxItems:"100"`
	LogoURI                string         `json:"logo_uri,omitempty" maxLength:"2048"`
	PolicyURI              string         `json:"policy_uri,omitempty" maxLength:"2048"`
	TermsURI               string         `json:"tos_uri,omitempty" maxLength:"2048"`
	ApplicationType        string         `json:"application_type,omitempty" enum:"web,native"`
	DefaultMaxAge          *int64         `json:"default_max_age,omitempty" minimum:"0"`
	RequireAuthTime        bool           `json:"require_auth_time,omitempty"`
	DefaultACR             []string       `json:"default_acr_values,omitempty" nullable:"false" maxItems:"20"`
	SectorURI              string         `json:"sector_identifier_uri,omitempty" maxLength:"2048"`
	SoftwareID             string         `json:"software_id,omitempty" maxLength:"200"`
	SoftwareVersion        string         `json:"software_version,omitempty" maxLength:"200"`
	AccessTokenLife        int64          `json:"access_token_life,omitempty" minimum:"0"`
	IDTokenLife            int64          `json:"id_token_life,omitempty" minimum:"0"`
	RefreshTokenIdle       int64          `json:"refresh_token_idle,omitempty" minimum:"0"`
	RefreshTokenLife       int64          `json:"refresh_token_life,omitempty" minimum:"0"`
	Disabled               bool           `json:"disabled,omitempty"`
}

// ClientInput is a client as it is sent.
type ClientInput struct {
	ID string `json:"id,omitempty" maxLength:"128" doc:"The client_id. Of a new client: left out, one is made; later it is that of the path." example:"focus-hq"`
	ClientSettings
}

// Client is a relying party. No secret is part of it.
type Client struct {
	ID string `json:"id" doc:"The client_id." example:"focus-hq"`
	ClientSettings
	Dynamic     bool           `json:"dynamic" doc:"It registered itself (RFC 7591)."`
	Reserved    bool           `json:"reserved" doc:"It is this server's own, and nobody changes it."`
	Secrets     []ClientSecret `json:"secrets" nullable:"false" doc:"Those that are good now: none, one, or two during a rotation. Nobody can read them."`
	LogoProblem string         `json:"logo_problem,omitempty"`
	CreatedAt   time.Time      `json:"created_at"`
	UpdatedAt   time.Time      `json:"updated_at"`
	Version     int64          `json:"version" doc:"The ETag."`
}

// ClientSecret is a secret that is good, as far as anybody is told.
type ClientSecret struct {
	Former bool       `json:"former" doc:"The one before the last rotation."`
	Since  *time.Time `json:"since,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
}

// ClientWithSecret is a client with the secret that it has just got.
type ClientWithSecret struct {
	Client
	Secret string `json:"secret,omitempty" doc:"Shown this once."`
}

type clientAnswer struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location" hidden:"true"`
	Body     ClientWithSecret
}

// clientOf returns a view as it is answered. The settings have the same names in JSON here and there.
func clientOf(v *admin.ClientView) (Client, error) {
	out := Client{
		ID: v.ID, Dynamic: v.Dynamic, Reserved: v.Reserved, LogoProblem: v.LogoProblem, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, Version: v.Version,
		Secrets: []ClientSecret{},
	}
	for _, secret := range v.Secrets {
		out.Secrets = append(out.Secrets, ClientSecret{secret.Former, when(secret.Since), when(secret.Until)})
	}
	text, err := json.Marshal(v.Client)
	if err == nil {
		err = json.Unmarshal(text, &out.ClientSettings)
	}
	if err != nil {
		return out, fmt.Errorf("api: client: %w", err)
	}
	return out, nil
}

func answerClient(v *admin.ClientView, secret string) (*clientAnswer, error) {
	client, err := clientOf(v)
	if err != nil {
		return nil, err
	}
	return &clientAnswer{ETag: versionTag(v.Version), Body: ClientWithSecret{client, secret}}, nil
}

// client returns what was sent as package oauth has it.
func (in ClientInput) client() (*oauth.Client, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("api: client: %w", err)
	}
	var client oauth.Client
	if err := json.Unmarshal(text, &client); err != nil { // of its members jwks alone has a form of its own
		return nil, problem(invalid, "A value of the body is not acceptable.").with(FieldError{Pointer: "#/jwks", Code: "format"})
	}
	return &client, nil
}

// ClientPath is a client in the path.
type ClientPath struct {
	ID string `path:"id" maxLength:"128" doc:"The client_id." example:"focus-hq"`
}

func (s *Server) addClients() {
	read, write := []admin.Permission{admin.ReadClients}, []admin.Permission{admin.ReadClients, admin.WriteClients}
	add(s, operation{
		does: "GET /clients", id: "listClients", about: "clients", summary: "List clients", needs: read,
	}, s.listClients)
	add(s, operation{
		does: "POST /clients", id: "createClient", about: "clients", summary: "Create a client", needs: write, status: http.StatusCreated,
		text: "The secret is shown this once.", problems: []kind{taken, conflict},
	}, func(ctx context.Context, c *call, in *struct {
		Template string `query:"template" maxLength:"40" doc:"What fields that are left out get: the id of one of /client-templates."`
		Body     ClientInput
	}) (*clientAnswer, error) {
		client, err := in.Body.client()
		if err != nil {
			return nil, err
		}
		made, secret, err := c.desk.CreateClient(ctx, in.Template, client)
		if err != nil {
			return nil, err
		}
		answer, err := answerClient(made, secret)
		if err == nil {
			answer.Location = s.address("clients", made.ID)
		}
		return answer, err
	})
	add(s, operation{
		does: "GET /clients/{id}", id: "getClient", about: "clients", summary: "Get a client", needs: read, problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *ClientPath) (*clientAnswer, error) {
		v, err := c.desk.Client(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return answerClient(v, "")
	})
	add(s, operation{
		does: "PUT /clients/{id}", id: "replaceClient", about: "clients", summary: "Replace the settings of a client", needs: write,
		text: "What is left out gets its default. A client that needs a secret by this and has none gets one.", problems: []kind{notFound, mismatch, conflict},
	}, s.replaceClient)
	s.addClientDeeds(read, write)
}

func (s *Server) listClients(ctx context.Context, c *call, in *struct {
	Text string `query:"text" maxLength:"256" doc:"The beginning of a word of the name or the id, and what follows it."`
	Place
}) (*pageAnswer[Client], error) {
	page, err := c.desk.Clients(ctx, oauth.ClientQuery{Text: in.Text, Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	rows := make([]Client, 0, len(page.Clients))
	for _, client := range page.Clients {
		v, err := s.cfg.Actions.ClientView(ctx, client)
		if err != nil {
			return nil, err
		}
		row, err := clientOf(v)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return list(s, c, rows, page.Next, func(row Client) Client { return row }), nil
}

func (s *Server) replaceClient(ctx context.Context, c *call, in *struct {
	ClientPath
	IfMatch
	Body ClientInput
}) (*clientAnswer, error) {
	if in.Body.ID != "" && in.Body.ID != in.ID {
		return nil, problem(mismatch, "The body names another client than the path.").with(FieldError{Pointer: "#/id", Code: "mismatch"})
	}
	client, err := in.Body.client()
	if err != nil {
		return nil, err
	}
	client.ID = in.ID
	if client.Version, err = in.version(); err != nil {
		return nil, err
	}
	v, secret, err := c.desk.UpdateClient(ctx, client)
	if err != nil {
		return nil, err
	}
	return answerClient(v, secret)
}
