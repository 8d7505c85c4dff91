package admin

import (
	"reflect"
	"slices"

	"github.com/focushq/idp/oauth"
)

// ClientTemplate is a kind of app: what is right for most of it, and what somebody who registers one is asked. Texts are
// English.
type ClientTemplate struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Summary  string          `json:"summary"`
	Defaults oauth.Client    `json:"-"`      // of the fields that the form doesn't ask for, and to begin with of those that it does
	Fields   []TemplateField `json:"fields"` // in the order of the form
}

// TemplateField is a field of a client that a form asks for.
type TemplateField struct {
	Name     string `json:"name"` // as in JSON and in the file of idp apply
	Required bool   `json:"required,omitempty"`
	Why      string `json:"why"`               // what it is for, and what to take
	Example  string `json:"example,omitempty"` // of a text
}

// The ids of [ClientTemplates].
const (
	TemplateWeb      = "web"
	TemplateSPA      = "spa"
	TemplateNative   = "native"
	TemplateMachine  = "machine"
	TemplateDevice   = "device"
	TemplateResource = "resource_server"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// people are the scopes of apps that people sign in with.
func people() []string { return []string{"openid", "profile", "email", "mfa"} }

var (
	fieldName = TemplateField{Name: "name", Required: true, Why: "What people read when they sign in and when they are asked what the app may have.", Example: "Focus HQ"}
	fieldID   = TemplateField{Name: "id", Why: "The client_id that the app sends. It stays for ever; left empty, one is made.", Example: "focus-hq"}
	fieldURIs = TemplateField{Name: "redirect_uris", Required: true, Example: "https://focus.example/callback",
		Why: "Where people come back to after signing in, byte for byte as the app sends it. A code goes nowhere else."}
	fieldLogout = TemplateField{Name: "post_logout_redirect_uris", Example: "https://focus.example/",
		Why: "Where people come back to after signing out. Without one they stay on our page."}
	fieldOffline = TemplateField{Name: "scopes",
		Why: "What the app may ask for. offline_access gives a refresh token, for work without the person: leave it out otherwise."}
	fieldGroups = TemplateField{Name: "groups", Why: "Who may use the app. Without a group everybody may."}
	fieldMFA    = TemplateField{Name: "mfa", Why: "required: everybody needs a second factor, and a remembered device counts; always: it does not."}
	fieldOwn    = TemplateField{Name: "consent", Why: "skip for an app of your own, whose people are not asked what it may have; ask for everybody else's."}
	fieldScopes = TemplateField{Name: "scopes", Required: true, Why: "What the program may do, in the words of the API that it calls.", Example: "read"}
	fieldAPI    = TemplateField{Name: "resources", Example: "https://api.example.com/",
		Why: "The APIs that it may ask tokens for (RFC 8707). A token for one of them is good nowhere else."}
)

// ClientTemplates returns the kinds of apps that there are, the most frequent one first.
func ClientTemplates() []ClientTemplate {
	code := []string{"authorization_code", "refresh_token"}
	return []ClientTemplate{
		{
			ID: TemplateWeb, Name: "Web app with a server",
			Summary:  "Pages are made on a server, which keeps a secret: Go, Node, PHP, Java, .NET, Python; proxies; most products.",
			Defaults: oauth.Client{AuthMethod: "client_secret_basic", GrantTypes: code, Scopes: people(), Consent: "ask"},
			Fields:   []TemplateField{fieldName, fieldID, fieldURIs, fieldLogout, fieldOwn, fieldGroups, fieldMFA, fieldOffline},
		}, {
			ID: TemplateSPA, Name: "Single-page app",
			Summary: "Everything runs in the browser, where no secret can be kept. PKCE is a must, and the origin of a redirect URI may call the " +
				"endpoints from a page.",
			Defaults: oauth.Client{AuthMethod: "none", GrantTypes: code, Scopes: people(), RequirePKCE: true},
			Fields:   []TemplateField{fieldName, fieldID, fieldURIs, fieldLogout, fieldGroups, fieldMFA, fieldOffline},
		}, {
			ID: TemplateNative, Name: "Mobile or desktop app",
			Summary: "Installed by people, so that no secret in it is one. PKCE is a must; people are asked each time, unless every redirect URI is " +
				"https, because any other program could take the app's scheme or port.",
			Defaults: oauth.Client{AuthMethod: "none", GrantTypes: code, Scopes: append(people(), "offline_access"), RequirePKCE: true},
			Fields: []TemplateField{fieldName, fieldID, {Name: "redirect_uris", Required: true, Example: "com.example.app:/callback",
				Why: "An https link that the app has claimed, a scheme of its own such as com.example.app:/callback, or http://127.0.0.1/callback, " +
					"where any port will do."}, fieldGroups, fieldMFA, fieldOffline},
		}, {
			ID: TemplateMachine, Name: "Machine",
			Summary:  "A program that acts for itself, without a person: a job, another server (client credentials).",
			Defaults: oauth.Client{AuthMethod: "client_secret_basic", GrantTypes: []string{"client_credentials"}},
			Fields:   []TemplateField{fieldName, fieldID, fieldScopes, fieldAPI},
		}, {
			ID: TemplateDevice, Name: "Television or terminal",
			Summary:  "Without a browser or a keyboard worth the name: the person types a code on another screen (device flow).",
			Defaults: oauth.Client{AuthMethod: "none", GrantTypes: []string{deviceGrant, "refresh_token"}, Scopes: append(people(), "offline_access")},
			Fields:   []TemplateField{fieldName, fieldID, fieldGroups, fieldMFA, fieldOffline},
		}, {
			ID: TemplateResource, Name: "API that checks tokens",
			Summary: "A resource server that asks us whether a token is good (introspection). One that verifies JWTs by itself needs no " +
				"registration.",
			Defaults: oauth.Client{AuthMethod: "client_secret_basic", GrantTypes: []string{"client_credentials"}, Introspect: true},
			Fields:   []TemplateField{fieldName, fieldID},
		},
	}
}

// ClientTemplateOf returns the template of that id.
func ClientTemplateOf(id string) (ClientTemplate, bool) {
	all := ClientTemplates()
	at := slices.IndexFunc(all, func(t ClientTemplate) bool { return t.ID == id })
	if at < 0 {
		return ClientTemplate{}, false
	}
	return all[at], true
}

// Fill returns a copy of client whose empty fields are as the template says. It may be refused still: see
// [Actions.CheckClient].
func (t ClientTemplate) Fill(client *oauth.Client) *oauth.Client {
	filled := *client
	into, from := reflect.ValueOf(&filled).Elem(), reflect.ValueOf(t.Defaults)
	for i := range into.NumField() {
		if field := into.Field(i); field.CanSet() && field.IsZero() {
			field.Set(from.Field(i))
		}
	}
	return &filled
}
