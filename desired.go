package idp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v3"
	"go.yaml.in/yaml/v3"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

// Desired is the state that `idp apply` establishes.
type Desired struct {
	Groups  []DesiredGroup  `yaml:"groups"`
	Users   []DesiredUser   `yaml:"users"`
	Clients []DesiredClient `yaml:"clients"`
	Policy  *DesiredPolicy  `yaml:"policy"`
}

// DesiredGroup is a group of people.
type DesiredGroup struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
}

// DesiredUser is a person. The password is the first one: it is set when the person has none, and not changed later.
type DesiredUser struct {
	Username      string   `yaml:"username"`
	Email         string   `yaml:"email"`
	EmailVerified bool     `yaml:"email_verified"`
	Name          string   `yaml:"name"`
	Password      Secret   `yaml:"password"`
	Groups        []string `yaml:"groups"`
	Admin         bool     `yaml:"admin"`   // the same as the role administrator
	Role          string   `yaml:"role"`    // of [account.Roles], "" for none
	Profile       Profile  `yaml:"profile"` // further standard claims (OpenID Connect Core section 5.1)
}

// Profile is a person's further claims. What YAML would take for a day or a number is text here: a birthdate, a postal
// code, a telephone number.
type Profile map[string]any

// UnmarshalYAML implements [yaml.Unmarshaler].
func (p *Profile) UnmarshalYAML(node *yaml.Node) error {
	asText(node)
	return node.Decode((*map[string]any)(p))
}

func asText(node *yaml.Node) {
	if kind := node.ShortTag(); node.Kind == yaml.ScalarNode && slices.Contains([]string{"!!int", "!!float", "!!timestamp"}, kind) {
		node.Tag = "!!str"
	}
	for _, inner := range node.Content {
		asText(inner)
	}
}

// DesiredClient is a relying party, with the names of the contract.
type DesiredClient struct {
	ID                     string         `yaml:"id" json:"id"`
	Name                   string         `yaml:"name" json:"name,omitempty"`
	Secret                 Secret         `yaml:"secret" json:"-"`
	AuthMethod             string         `yaml:"auth_method" json:"auth_method,omitempty"`
	AuthAlg                string         `yaml:"auth_alg" json:"auth_alg,omitempty"`
	JWKSURI                string         `yaml:"jwks_uri" json:"jwks_uri,omitempty"`
	JWKS                   map[string]any `yaml:"jwks" json:"jwks,omitempty"`
	RedirectURIs           []string       `yaml:"redirect_uris" json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string       `yaml:"post_logout_redirect_uris" json:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI   string         `yaml:"backchannel_logout_uri" json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool           `yaml:"backchannel_logout_session_required" json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI  string         `yaml:"frontchannel_logout_uri" json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession    bool           `yaml:"frontchannel_logout_session_required" json:"frontchannel_logout_session_required,omitempty"`
	GrantTypes             []string       `yaml:"grant_types" json:"grant_types,omitempty"`
	Scopes                 []string       `yaml:"scopes" json:"scopes,omitempty"`
	Consent                string         `yaml:"consent" json:"consent,omitempty"`
	MFA                    string         `yaml:"mfa" json:"mfa,omitempty"`
	Groups                 []string       `yaml:"groups" json:"groups,omitempty"`
	AccessToken            string         `yaml:"access_token" json:"access_token,omitempty"`
	IDTokenAlg             string         `yaml:"id_token_alg" json:"id_token_alg,omitempty"`
	UserinfoAlg            string         `yaml:"userinfo_signed_response_alg" json:"userinfo_signed_response_alg,omitempty"`
	AccessTokenLife        Duration       `yaml:"access_token_life" json:"-"`
	IDTokenLife            Duration       `yaml:"id_token_life" json:"-"`
	RefreshTokenIdle       Duration       `yaml:"refresh_token_idle" json:"-"`
	RefreshTokenLife       Duration       `yaml:"refresh_token_life" json:"-"`
	Resources              []string       `yaml:"resources" json:"resources,omitempty"`
	Introspect             bool           `yaml:"introspect" json:"introspect,omitempty"`
	RequirePKCE            bool           `yaml:"require_pkce" json:"require_pkce,omitempty"`
	RequirePAR             bool           `yaml:"require_pushed_authorization_requests" json:"require_pushed_authorization_requests,omitempty"`
	DPoPBound              bool           `yaml:"dpop_bound_access_tokens" json:"dpop_bound_access_tokens,omitempty"`
	ClientURI              string         `yaml:"client_uri" json:"client_uri,omitempty"`
	LogoURI                string         `yaml:"logo_uri" json:"logo_uri,omitempty"`
	PolicyURI              string         `yaml:"policy_uri" json:"policy_uri,omitempty"`
	TermsURI               string         `yaml:"tos_uri" json:"tos_uri,omitempty"`
	InitiateLoginURI       string         `yaml:"initiate_login_uri" json:"initiate_login_uri,omitempty"`
	Contacts               []string       `yaml:"contacts" json:"contacts,omitempty"`
}

// DesiredPolicy says who must have a second factor, and how long a sign-in lasts; a length that is left out is as it is anyway.
type DesiredPolicy struct {
	MFARequired       string   `yaml:"mfa_required"` // everybody, or groups, which is meant when it is left out
	MFARequiredGroups []string `yaml:"mfa_required_groups"`
	MFAGrace          Duration `yaml:"mfa_grace"`
	SessionIdle       Duration `yaml:"session_idle"`    // a session ends so long after its last request
	SessionOverall    Duration `yaml:"session_overall"` // and so long after the last password
}

// Secret is a reference to a secret, ${env:NAME} or ${file:PATH}; the value itself never stands in the file.
type Secret string

var reference = regexp.MustCompile(`^\$\{(env|file):([^}]+)\}$`)

// Value returns the secret that s refers to, "" for no reference.
func (s Secret) Value(getenv func(string) string) (string, error) {
	if s == "" {
		return "", nil
	}
	found := reference.FindStringSubmatch(string(s))
	if found == nil {
		return "", errors.New("a secret must be a reference, ${env:NAME} or ${file:PATH}, not the value itself")
	}
	value := getenv(found[2])
	if found[1] == "file" {
		content, err := os.ReadFile(found[2])
		if err != nil {
			return "", err
		}
		value = strings.TrimRight(string(content), "\r\n")
	}
	if value == "" {
		return "", fmt.Errorf("%s is empty", found[0])
	}
	return value, nil
}

// ReadDesired parses the file of `idp apply`, one YAML document. Unknown keys are errors, and so is one thing named twice.
func ReadDesired(from io.Reader) (*Desired, error) {
	var d Desired
	decoder := yaml.NewDecoder(from)
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return nil, readable(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there must be one YAML document, without anything after it")
	}
	return &d, d.validate()
}

// validate refuses entries without a name, and two with the same: the later one would silently win.
func (d *Desired) validate() error {
	seen := map[string]bool{}
	once := func(kind, name string) error {
		key := kind + " " + account.Canonical(name)
		if name == "" || seen[key] {
			return fmt.Errorf("%s %q is named twice, or not at all", kind, name)
		}
		seen[key] = true
		return nil
	}
	var all []error
	for _, g := range d.Groups {
		all = append(all, once("group", g.Name))
	}
	for _, u := range d.Users {
		all = append(all, once("user", u.Username), u.checkRole())
	}
	for _, c := range d.Clients {
		all = append(all, once("client", c.ID))
	}
	return errors.Join(all...)
}

// checkRole refuses a role that there is not, and one beside that of an administrator.
func (u DesiredUser) checkRole() error {
	switch role := account.Role(u.Role); {
	case u.Role != "" && !slices.Contains(account.Roles(), role):
		return fmt.Errorf("user %s: role: %q is none of %v", u.Username, u.Role, account.Roles())
	case u.Admin && u.Role != "" && role != account.Administrator:
		return fmt.Errorf("user %s: role: %s, and admin: true says otherwise", u.Username, u.Role)
	}
	return nil
}

// role returns the role that u is to have.
func (u DesiredUser) role() account.Role {
	if u.Admin {
		return account.Administrator
	}
	return account.Role(u.Role)
}

// mentions returns the groups that users, clients and policy refer to.
func (d *Desired) mentions() []string {
	var names []string
	for _, u := range d.Users {
		names = append(names, u.Groups...)
	}
	for _, c := range d.Clients {
		names = append(names, c.Groups...)
	}
	if d.Policy != nil {
		names = append(names, d.Policy.MFARequiredGroups...)
	}
	return names
}

// client returns the client in the form of package oauth. Without a secret and without keys it is a public one.
func (c DesiredClient) client(secret string) (*oauth.Client, error) {
	if c.AuthMethod == "" && secret == "" && c.JWKSURI == "" && c.JWKS == nil {
		c.AuthMethod = "none"
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var client oauth.Client
	if err := json.Unmarshal(text, &client); err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	for life, want := range map[*oauth.Seconds]Duration{
		&client.AccessTokenLife: c.AccessTokenLife, &client.IDTokenLife: c.IDTokenLife,
		&client.RefreshTokenIdle: c.RefreshTokenIdle, &client.RefreshTokenLife: c.RefreshTokenLife,
	} {
		*life = oauth.Seconds(time.Duration(want) / time.Second)
	}
	if client.JWKS != nil && slices.ContainsFunc(client.JWKS.Keys, func(k jose.JSONWebKey) bool { return !k.IsPublic() }) {
		return nil, errors.New("jwks: a private key must not be registered")
	}
	return &client, nil
}
