package admin

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/focushq/idp/oauth"
)

// Sample is how a library or a program is set up for a client, to be copied. There is no secret in it: it reads the environment
// variable CLIENT_SECRET, or says so.
type Sample struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Language string `json:"language"` // bash, csharp, go, ini, javascript, php, python, text, toml, yaml
	Text     string `json:"text"`
	Note     string `json:"note,omitempty"` // what else is needed, or does not fit this client; English
}

// Endpoints are the addresses of the provider that apps need. Libraries find all but the first in discovery.
type Endpoints struct {
	Issuer, Discovery, Authorization, Token, Userinfo, JWKS, Introspection, Revocation, EndSession, Device, PAR string
}

// EndpointsOf returns those of the provider with that issuer.
func EndpointsOf(issuer string) Endpoints {
	at := func(name string) string { return issuer + "/oauth2/" + name }
	return Endpoints{
		Issuer: issuer, Discovery: issuer + "/.well-known/openid-configuration", Authorization: at("authorize"), Token: at("token"),
		Userinfo: at("userinfo"), JWKS: at("jwks"), Introspection: at("introspect"), Revocation: at("revoke"),
		EndSession: at("logout"), Device: at("device"), PAR: at("par"),
	}
}

//go:embed samples/*.tmpl
var sampleTexts embed.FS

// kindOfSample is a sample with what it is for.
type kindOfSample struct {
	id, name, language string
	fits               func(*oauth.Client) bool
	note               func(sampled) string
}

// samples are all that there are. What is said of libraries has been tried where docs/interop.md lists them.
func samples() []kindOfSample {
	return []kindOfSample{
		{"go", "Go: coreos/go-oidc", "go", signsIn, nil},
		{"node", "Node: openid-client", "javascript", signsIn, nil},
		{"python", "Python: Authlib with Flask", "python", signsIn, nil},
		{"java", "Java: Spring Boot", "yaml", signsIn, func(s sampled) string {
			if strings.Contains(s.RedirectURI, "/login/oauth2/code/") {
				return ""
			}
			return "Spring Security listens at {baseUrl}/login/oauth2/code/{registrationId}: register that as a redirect URI, or move the " +
				"redirection endpoint to the path below."
		}},
		{"dotnet", ".NET: ASP.NET Core", "csharp", signsIn, func(s sampled) string {
			if s.AuthMethod == "client_secret_basic" {
				return "ASP.NET Core sends the secret in the body: set the client's auth_method to client_secret_post first."
			}
			return ""
		}},
		{"php", "PHP: jumbojett/openid-connect-php", "php", signsIn, nil},
		{"authjs", "Auth.js", "javascript", signsIn, func(sampled) string {
			return "Auth.js listens at /auth/callback/idp (in Next.js /api/auth/callback/idp): register that as a redirect URI."
		}},
		{"oauth2-proxy", "oauth2-proxy", "toml", signsIn, func(s sampled) string {
			if strings.HasSuffix(s.RedirectURI, "/oauth2/callback") {
				return ""
			}
			return "oauth2-proxy listens at /oauth2/callback: register that as a redirect URI."
		}},
		{"grafana", "Grafana", "ini", signsIn, func(s sampled) string {
			if strings.HasSuffix(s.RedirectURI, "/login/generic_oauth") {
				return ""
			}
			return "Grafana listens at its root_url and /login/generic_oauth: register that as a redirect URI."
		}},
		{"native", "On a phone or a desktop: AppAuth", "text", installed, nil},
		{"spa", "In the browser: oidc-client-ts", "javascript", inBrowser, nil},
		{"native", "On a phone or a desktop: AppAuth", "text", func(c *oauth.Client) bool { return native(c) && !installed(c) }, nil},
		{"device", "Television or terminal: curl", "bash", func(c *oauth.Client) bool {
			return slices.Contains(c.GrantTypes, deviceGrant) && c.AuthMethod != "private_key_jwt"
		}, nil},
		{"introspect", "Is a token good? curl", "bash", func(c *oauth.Client) bool { return c.Introspect && c.HasSecret() }, nil},
		{"machine", "Machine: curl", "bash", machine, nil},
		{"machine-go", "Machine: Go", "go", machine, nil},
		{"endpoints", "Everything else", "text", func(*oauth.Client) bool { return true }, nil},
	}
}

// plain reports what any library does: no pushed requests as a must, no keys of its own.
func plain(c *oauth.Client) bool {
	return !c.RequirePAR && !c.DPoPBound && c.AuthMethod != "private_key_jwt"
}

func signsIn(c *oauth.Client) bool {
	return plain(c) && c.HasSecret() && slices.Contains(c.GrantTypes, "authorization_code")
}

func inBrowser(c *oauth.Client) bool {
	return plain(c) && c.IsPublic() && slices.Contains(c.GrantTypes, "authorization_code") && len(c.Origins()) > 0
}

func native(c *oauth.Client) bool {
	return plain(c) && c.IsPublic() && slices.Contains(c.GrantTypes, "authorization_code") &&
		slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return !strings.HasPrefix(uri, "https:") })
}

// installed reports whether c can be no page in a browser alone: pages under development are at localhost, and programs listen at
// an address (RFC 8252 section 7.3) or have a scheme of their own.
func installed(c *oauth.Client) bool {
	return native(c) && slices.ContainsFunc(c.RedirectURIs, func(uri string) bool {
		return !strings.HasPrefix(uri, "https:") && !strings.HasPrefix(uri, "http://localhost")
	})
}

func machine(c *oauth.Client) bool {
	return c.HasSecret() && slices.Contains(c.GrantTypes, "client_credentials") && !c.DPoPBound
}

// Samples returns how common libraries and programs are set up for client, those that fit it: with its issuer, its id, its first
// redirect URI and its scopes. Texts are for copying into code, and a client may have registered itself: what is not plain of
// its settings is left out.
func Samples(client *oauth.Client, at Endpoints) []Sample {
	data := sampled{Client: client.WithDefaults(), At: at, RedirectURI: "https://app.example/callback"}
	for _, uri := range client.RedirectURIs {
		if plainURI.MatchString(uri) {
			data.RedirectURI = uri
			break
		}
	}
	data.Scopes = slices.DeleteFunc(slices.Clone(data.Client.Scopes), func(scope string) bool { return !plainScope.MatchString(scope) })
	data.Resources = slices.DeleteFunc(slices.Clone(client.Resources), func(uri string) bool { return !plainURI.MatchString(uri) })
	texts := template.Must(template.New("").Funcs(template.FuncMap{"q": quoted, "sh": shell}).ParseFS(sampleTexts, "samples/*.tmpl"))
	var out []Sample
	for _, kind := range samples() {
		if !kind.fits(data.Client) {
			continue
		}
		var text bytes.Buffer
		if err := texts.ExecuteTemplate(&text, kind.id+".tmpl", data); err != nil {
			panic(err) // a mistake in a text of ours, which the tests find
		}
		s := Sample{ID: kind.id, Name: kind.name, Language: kind.language, Text: text.String()}
		if kind.note != nil {
			s.Note = kind.note(data)
		}
		out = append(out, s)
	}
	return out
}

// What may stand in somebody's code as it is, whatever the language.
var (
	plainURI   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?&=%+@,;\[\]-]*$`)
	plainScope = regexp.MustCompile(`^[A-Za-z0-9._:/-]+$`)
)

// sampled is what a text is made of.
type sampled struct {
	*oauth.Client
	At          Endpoints
	RedirectURI string
	Scopes      []string
	Resources   []string
}

// Scope returns the scopes as a request has them.
func (s sampled) Scope() string { return strings.Join(s.Scopes, " ") }

// OwnScopes returns those that a machine can have.
func (s sampled) OwnScopes() []string {
	return slices.DeleteFunc(slices.Clone(s.Scopes), oauth.AboutPeople)
}

// OwnScope returns them as a request has them.
func (s sampled) OwnScope() string { return strings.Join(s.OwnScopes(), " ") }

// Posts reports whether the secret goes into the body.
func (s sampled) Posts() bool { return s.AuthMethod == "client_secret_post" }

// Offline reports whether the client may get a refresh token.
func (s sampled) Offline() bool { return slices.Contains(s.Scopes, "offline_access") }

// Path returns the path of the redirect URI.
func (s sampled) Path() string {
	u, err := url.Parse(s.RedirectURI)
	if err != nil || u.Path == "" {
		return "/"
	}
	return path.Clean(u.Path)
}

// Listen returns where a program on a developer's machine waits for people who come back: at the port of the redirect URI if that
// is on it.
func (s sampled) Listen() string { return "127.0.0.1:" + s.Port() }

// Port returns the port of that.
func (s sampled) Port() string {
	u, err := url.Parse(s.RedirectURI)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		return "9999"
	}
	return cmp.Or(u.Port(), "80")
}

// quoted returns text as a string of Go, JavaScript, Python, C#, YAML and TOML: all of them read JSON's.
func quoted(text string) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(text)
	return strings.TrimSpace(out.String()), err
}

// shell returns text as one word of a shell, which PHP reads as a string too: what stands here has no backslash.
func shell(text string) string { return "'" + strings.ReplaceAll(text, "'", "") + "'" }
