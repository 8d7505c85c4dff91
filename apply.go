package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
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
	Username      string         `yaml:"username"`
	Email         string         `yaml:"email"`
	EmailVerified bool           `yaml:"email_verified"`
	Name          string         `yaml:"name"`
	Password      Secret         `yaml:"password"`
	Groups        []string       `yaml:"groups"`
	Admin         bool           `yaml:"admin"`
	Profile       map[string]any `yaml:"profile"` // further standard claims (OpenID Connect Core section 5.1)
}

// DesiredClient is a relying party, with the names of the contract.
type DesiredClient struct {
	ID                     string         `yaml:"id" json:"id"`
	Name                   string         `yaml:"name" json:"name,omitempty"`
	Secret                 Secret         `yaml:"secret" json:"-"`
	AuthMethod             string         `yaml:"auth_method" json:"auth_method,omitempty"`
	JWKSURI                string         `yaml:"jwks_uri" json:"jwks_uri,omitempty"`
	JWKS                   map[string]any `yaml:"jwks" json:"jwks,omitempty"`
	RedirectURIs           []string       `yaml:"redirect_uris" json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string       `yaml:"post_logout_redirect_uris" json:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI   string         `yaml:"backchannel_logout_uri" json:"backchannel_logout_uri,omitempty"`
	FrontchannelLogoutURI  string         `yaml:"frontchannel_logout_uri" json:"frontchannel_logout_uri,omitempty"`
	GrantTypes             []string       `yaml:"grant_types" json:"grant_types,omitempty"`
	Scopes                 []string       `yaml:"scopes" json:"scopes,omitempty"`
	Consent                string         `yaml:"consent" json:"consent,omitempty"`
	MFA                    string         `yaml:"mfa" json:"mfa,omitempty"`
	Groups                 []string       `yaml:"groups" json:"groups,omitempty"`
	AccessToken            string         `yaml:"access_token" json:"access_token,omitempty"`
	IDTokenAlg             string         `yaml:"id_token_alg" json:"id_token_alg,omitempty"`
	RequirePKCE            bool           `yaml:"require_pkce" json:"require_pkce,omitempty"`
	RequirePAR             bool           `yaml:"require_pushed_authorization_requests" json:"require_pushed_authorization_requests,omitempty"`
	DPoPBound              bool           `yaml:"dpop_bound_access_tokens" json:"dpop_bound_access_tokens,omitempty"`
}

// DesiredPolicy says who must have a second factor.
type DesiredPolicy struct {
	MFARequiredGroups []string      `yaml:"mfa_required_groups"`
	MFAGrace          time.Duration `yaml:"mfa_grace"`
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

// ReadDesired parses the file of `idp apply`. Unknown keys are errors.
func ReadDesired(from io.Reader) (*Desired, error) {
	var d Desired
	decoder := yaml.NewDecoder(from)
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &d, nil
}

// Change is one difference between what is and what is desired.
type Change struct {
	Action string   `json:"action"` // create, update, delete
	What   string   `json:"what"`   // "user alice"
	Fields []string `json:"fields,omitempty"`
}

// errDryRun undoes a rehearsal.
var errDryRun = errors.New("dry run")

// Apply makes the installation as d says, all of it or nothing, and returns what that changed. A dry run returns the
// same and changes nothing. With prune, people, groups and clients that d doesn't name are removed.
func (p *IdP) Apply(ctx context.Context, d *Desired, getenv func(string) string, prune, dryRun bool) ([]Change, error) {
	var done []Change
	err := p.db.InTx(ctx, func(ctx context.Context) error {
		a := &applying{IdP: p, d: d, getenv: getenv}
		steps := []func(context.Context) error{a.groups, a.users, a.clients, a.policy}
		if prune {
			steps = append(steps, a.pruneClients, a.pruneUsers)
		}
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
		done = a.changes
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return done, err
}

// applying is one run of Apply.
type applying struct {
	*IdP
	d       *Desired
	getenv  func(string) string
	changes []Change
}

func (a *applying) note(action, what string, fields ...string) {
	a.changes = append(a.changes, Change{Action: action, What: what, Fields: fields})
}

func (a *applying) groups(ctx context.Context) error {
	before, err := a.Accounts.ListGroups(ctx)
	if err != nil {
		return err
	}
	all, changed := before, false
	for _, want := range a.d.Groups {
		at := slices.IndexFunc(before, func(g account.Group) bool { return g.Name == want.Name })
		switch {
		case at < 0:
			all, changed = append(all, account.Group{Name: want.Name, Description: want.Description}), true
			a.note("create", "group "+want.Name)
		case before[at].Description != want.Description:
			all[at].Description, changed = want.Description, true
			a.note("update", "group "+want.Name, "description")
		}
	}
	if !changed {
		return nil
	}
	return a.Accounts.SetGroups(ctx, all)
}

func (a *applying) users(ctx context.Context) error {
	for _, want := range a.d.Users {
		if err := a.user(ctx, want); err != nil {
			return fmt.Errorf("user %s: %w", want.Username, err)
		}
	}
	return nil
}

func (a *applying) user(ctx context.Context, want DesiredUser) error {
	password, err := want.Password.Value(a.getenv)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	was, err := a.Accounts.ByUsername(ctx, want.Username)
	if errors.Is(err, account.ErrNotFound) {
		a.note("create", "user "+want.Username)
		_, err := a.Accounts.Create(ctx, account.NewAccount{
			Username: want.Username, Email: want.Email, EmailVerified: want.EmailVerified, Name: want.Name, Groups: want.Groups,
			Admin: want.Admin, Profile: want.Profile, Password: password,
		})
		return err
	}
	if err != nil {
		return err
	}
	is := *was
	fields := differing(map[string][2]any{
		"email": {was.Email, want.Email}, "email_verified": {was.EmailVerified, want.EmailVerified}, "name": {was.Name, want.Name},
		"groups": {sorted(was.Groups), sorted(want.Groups)}, "admin": {was.Admin, want.Admin}, "profile": {plain(was.Profile), plain(want.Profile)},
	})
	is.Email, is.EmailVerified, is.Name, is.Admin, is.Groups = want.Email, want.EmailVerified, want.Name, want.Admin, want.Groups
	is.Profile = want.Profile
	if len(fields) > 0 {
		if err := a.Accounts.Update(ctx, &is); err != nil {
			return err
		}
	}
	if was.PasswordAt.IsZero() && password != "" {
		fields = append(fields, "password")
		if err := a.Accounts.SetPassword(ctx, is.Subject, password); err != nil {
			return err
		}
	}
	if len(fields) > 0 {
		a.note("update", "user "+want.Username, fields...)
	}
	return nil
}

func (a *applying) clients(ctx context.Context) error {
	for _, want := range a.d.Clients {
		if err := a.client(ctx, want); err != nil {
			return fmt.Errorf("client %s: %w", want.ID, err)
		}
	}
	return nil
}

func (a *applying) client(ctx context.Context, want DesiredClient) error {
	secret, err := want.Secret.Value(a.getenv)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	client, err := want.client(secret)
	if err != nil {
		return err
	}
	was, err := a.OAuth.Clients().Get(ctx, want.ID)
	if errors.Is(err, oauth.ErrNotFound) {
		a.note("create", "client "+want.ID)
		_, err := a.OAuth.Clients().Create(ctx, client, secret)
		return err
	}
	if err != nil {
		return err
	}
	// What the file has no word for stays as it was set elsewhere.
	client.AccessTokenLife, client.IDTokenLife = was.AccessTokenLife, was.IDTokenLife
	client.RefreshTokenIdle, client.RefreshTokenLife = was.RefreshTokenIdle, was.RefreshTokenLife
	client.LogoURI, client.PolicyURI, client.TermsURI, client.Disabled = was.LogoURI, was.PolicyURI, was.TermsURI, was.Disabled
	if err := a.OAuth.Clients().Update(ctx, client); err != nil {
		return err
	}
	is, err := a.OAuth.Clients().Get(ctx, want.ID)
	if err != nil {
		return err
	}
	fields := differing(pairs(members(was), members(is)))
	if secret != "" && !a.OAuth.Clients().SecretIs(was, secret) {
		fields = append(fields, "secret")
		if _, err := a.OAuth.Clients().RotateSecret(ctx, want.ID, secret, 0); err != nil {
			return err
		}
	}
	if len(fields) > 0 {
		a.note("update", "client "+want.ID, fields...)
	}
	return nil
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
	if client.JWKS != nil && slices.ContainsFunc(client.JWKS.Keys, func(k jose.JSONWebKey) bool { return !k.IsPublic() }) {
		return nil, errors.New("jwks: a private key must not be registered")
	}
	return &client, nil
}

func (a *applying) policy(ctx context.Context) error {
	if a.d.Policy == nil {
		return nil
	}
	was, err := a.Accounts.Policy(ctx)
	if err != nil {
		return err
	}
	want := account.Policy{MFARequiredGroups: a.d.Policy.MFARequiredGroups, MFAGrace: a.d.Policy.MFAGrace}
	fields := differing(map[string][2]any{
		"mfa_required_groups": {sorted(was.MFARequiredGroups), sorted(want.MFARequiredGroups)}, "mfa_grace": {was.MFAGrace, want.MFAGrace},
	})
	if len(fields) == 0 {
		return nil
	}
	a.note("update", "policy", fields...)
	return a.Accounts.SetPolicy(ctx, want)
}

func (a *applying) pruneClients(ctx context.Context) error {
	all, err := a.OAuth.Clients().List(ctx)
	if err != nil {
		return err
	}
	for _, client := range all {
		if slices.ContainsFunc(a.d.Clients, func(c DesiredClient) bool { return c.ID == client.ID }) {
			continue
		}
		a.note("delete", "client "+client.ID)
		if err := a.OAuth.Clients().Delete(ctx, client.ID); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) pruneUsers(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, u := range a.d.Users {
		found, err := a.Accounts.ByUsername(ctx, u.Username)
		if err != nil {
			return err
		}
		wanted[found.Subject] = true
	}
	for after := ""; ; {
		page, err := a.Accounts.List(ctx, "", after, 200)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].Username
		for _, person := range page {
			if wanted[person.Subject] {
				continue
			}
			a.note("delete", "user "+person.Username)
			if err := a.Actions().Delete(ctx, person.Subject); err != nil {
				return fmt.Errorf("user %s: %w", person.Username, err)
			}
		}
	}
}

// differing returns the names of the pairs whose halves differ, in alphabetical order.
func differing(pairs map[string][2]any) []string {
	var names []string
	for name, pair := range pairs {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func pairs(was, is map[string]any) map[string][2]any {
	out := map[string][2]any{}
	for name, value := range was {
		out[name] = [2]any{value, is[name]}
	}
	for name, value := range is {
		out[name] = [2]any{was[name], value}
	}
	return out
}

func members(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&out) != nil {
		return nil
	}
	return out
}

// plain returns a profile as it looks after a trip through JSON, so that a number is a number wherever it came from.
func plain(profile map[string]any) map[string]any {
	if len(profile) == 0 {
		return map[string]any{}
	}
	return members(profile)
}

func sorted(names []string) []string {
	out := append([]string{}, names...)
	slices.Sort(out)
	return out
}
