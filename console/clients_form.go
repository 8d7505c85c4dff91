package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// clientForm is the data of the form of a client, new or not.
type clientForm struct {
	New      bool
	Action   string
	BackURL  string
	Template string
	Kinds    []admin.ClientTemplate // to choose from, before there is a form

	*oauth.Client
	Version                   int64
	Redirects, Logouts        string // one on each line, as below
	ScopeText, ResourceText   string
	JWKSText                  string
	GrantChoices, GroupChoice []choice
	Lives                     []length
	Now                       map[string]says // where somebody else was quicker: what differs, see [differences]
	NowVersion                int64           // of that; sent, what was typed is saved over it
	Problem                   *templates.Problem
}

// grants are the grant types that a client may have.
func grants() []string {
	return []string{"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"}
}

// lives are the names of the inputs of lifetimes, with where they are kept.
func lives(client *oauth.Client) []struct {
	name string
	at   *oauth.Seconds
} {
	return []struct {
		name string
		at   *oauth.Seconds
	}{
		{"access_token_life", &client.AccessTokenLife}, {"id_token_life", &client.IDTokenLife},
		{"refresh_token_idle", &client.RefreshTokenIdle}, {"refresh_token_life", &client.RefreshTokenLife},
	}
}

// newClient shows the kinds of apps, and the form of the one that was chosen.
func (c *Console) newClient(v *visit) {
	template, ok := admin.ClientTemplateOf(v.r.URL.Query().Get("template"))
	if !ok {
		v.render(http.StatusOK, "admin_client_form", clientForm{New: true, Kinds: admin.ClientTemplates(), BackURL: clientsPath, Client: &oauth.Client{}})
		return
	}
	c.clientForm(v, http.StatusOK, template.Fill(&oauth.Client{}), clientForm{New: true, Template: template.ID}, nil)
}

// clientForm shows the form filled with client, but for what page has already.
func (c *Console) clientForm(v *visit, status int, client *oauth.Client, page clientForm, problem *templates.Problem) {
	groups, err := v.desk.Accounts.ListGroups(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	id, name := client.ID, client.Name
	client = client.WithDefaults()
	if page.New { // both would be made at random: here the id comes from the name, and the name from whoever adds the app
		client.ID, client.Name = id, name
	}
	page.Client, page.Problem = client, problem
	page.Action, page.BackURL = newClientPath+"?template="+url.QueryEscape(page.Template), clientsPath
	if !page.New {
		page.BackURL = clientsPath + "/" + url.PathEscape(client.ID)
		page.Action = page.BackURL + "/edit"
	}
	page.Redirects, page.Logouts = lines(client.RedirectURIs), lines(client.PostLogoutRedirectURIs)
	page.ScopeText, page.ResourceText = words(client.Scopes), lines(client.Resources)
	if page.JWKSText = keysText(client); page.JWKSText == "" && v.r.Method == http.MethodPost {
		page.JWKSText = v.form("jwks")
	}
	for _, grant := range grants() {
		page.GrantChoices = append(page.GrantChoices, choice{grant, slices.Contains(client.GrantTypes, grant)})
	}
	for _, g := range groups {
		page.GroupChoice = append(page.GroupChoice, choice{g.Name, slices.Contains(client.Groups, g.Name)})
	}
	if page.Lives == nil {
		for _, life := range lives(client) {
			page.Lives = append(page.Lives, lengthOf(life.name, time.Duration(*life.at)*time.Second, true))
		}
	}
	v.render(status, "admin_client_form", page)
}

func lines(all []string) string { return strings.Join(all, "\n") }

func words(all []string) string { return strings.Join(all, " ") }

// typedClient reads the form over what is, so that what the form does not have stays. It returns what was wrong about what was
// typed, before anybody asked the domain.
func (v *visit) typedClient(is *oauth.Client) (*oauth.Client, []length, *templates.Problem) {
	client := *is
	client.Name, client.AuthMethod = strings.TrimSpace(v.form("name")), v.form("auth_method")
	client.RedirectURIs, client.PostLogoutRedirectURIs = strings.Fields(v.form("redirect_uris")), strings.Fields(v.form("post_logout_redirect_uris"))
	client.Scopes, client.Resources = strings.Fields(v.form("scopes")), strings.Fields(v.form("resources"))
	client.GrantTypes, client.Groups = v.r.PostForm["grant_types"], v.r.PostForm["groups"]
	client.Consent, client.MFA, client.AccessToken, client.IDTokenAlg = v.form("consent"), v.form("mfa"), v.form("access_token"), v.form("id_token_alg")
	client.RequirePKCE, client.RequirePAR = v.form("require_pkce") != "", v.form("require_pushed_authorization_requests") != ""
	client.DPoPBound, client.Introspect = v.form("dpop_bound_access_tokens") != "", v.form("introspect") != ""
	for name, at := range map[string]*string{
		"jwks_uri": &client.JWKSURI, "backchannel_logout_uri": &client.BackchannelLogoutURI, "frontchannel_logout_uri": &client.FrontchannelLogoutURI,
		"client_uri": &client.ClientURI, "logo_uri": &client.LogoURI, "policy_uri": &client.PolicyURI, "tos_uri": &client.TermsURI,
	} {
		*at = strings.TrimSpace(v.form(name))
	}
	var wrong *templates.Problem
	var typed []length
	for _, life := range lives(&client) {
		l, d, ok := v.length(life.name)
		typed = append(typed, l)
		if *life.at = oauth.Seconds(d / time.Second); !ok && wrong == nil {
			wrong = lengthProblem(l)
		}
	}
	client.JWKS = nil
	if text := strings.TrimSpace(v.form("jwks")); text != "" {
		if err := json.Unmarshal([]byte(text), &client.JWKS); err != nil && wrong == nil {
			client.JWKS, wrong = nil, &templates.Problem{ID: "problem.admin.jwks", Field: "jwks"}
		}
	}
	return &client, typed, wrong
}

// clientProblemOf words what the domain refuses, at the input that it is about.
func clientProblemOf(err error) *templates.Problem {
	var invalid *oauth.InvalidError
	switch {
	case errors.Is(err, oauth.ErrStale):
		return &templates.Problem{ID: "problem.admin.stale"}
	case errors.Is(err, oauth.ErrReserved):
		return &templates.Problem{ID: "problem.admin.reserved"}
	case errors.Is(err, oauth.ErrTaken):
		return &templates.Problem{ID: "problem.admin.taken", Field: "id"}
	case errors.As(err, &invalid):
		return clientRefusal(invalid)
	}
	return problem(err)
}

// missingOf says which field the template asks for that client does not have.
func missingOf(template admin.ClientTemplate, client *oauth.Client) *templates.Problem {
	for _, field := range template.Fields {
		switch {
		case !field.Required:
		case field.Name == "name" && client.Name == "":
			return &templates.Problem{ID: "problem.admin.first_name", Field: field.Name}
		case field.Name == "redirect_uris" && len(client.RedirectURIs) == 0:
			return &templates.Problem{ID: "problem.admin.first_uri", Field: field.Name}
		case field.Name == "scopes" && len(client.Scopes) == 0:
			return &templates.Problem{ID: "problem.admin.client_scopes", Field: field.Name}
		}
	}
	return nil
}

func (c *Console) createClient(v *visit) {
	template, ok := admin.ClientTemplateOf(v.r.URL.Query().Get("template"))
	if !ok {
		v.missing()
		return
	}
	page := clientForm{New: true, Template: template.ID}
	client, typed, wrong := v.typedClient(&oauth.Client{})
	page.Lives = typed
	client.ID = strings.TrimSpace(v.form("id"))
	if missing := missingOf(template, client); missing != nil {
		wrong = missing
	}
	if wrong == nil {
		made, secret, err := v.createClient("", *client) // the form had the template's defaults
		if err == nil {
			v.render(http.StatusOK, "admin_first_made", c.made(made.Client, secret, template.ID))
			return
		}
		if wrong = clientProblemOf(err); wrong == nil {
			v.fail(err)
			return
		}
	}
	c.clientForm(v, http.StatusUnprocessableEntity, client, page, wrong)
}

// seen returns the client of the path when the visitor may change it; otherwise it has been answered.
func (c *Console) seen(v *visit) (*admin.ClientView, bool) {
	view, err := v.desk.Client(v.r.Context(), v.r.PathValue("client"))
	if err == nil && view.Reserved {
		err = oauth.ErrReserved
	}
	switch wrong := clientProblemOf(err); {
	case err == nil:
		return view, true
	case errors.Is(err, oauth.ErrReserved):
		v.render(http.StatusForbidden, "admin_message", problemPage{templates.Message{Title: "admin.not_done.title", Text: "admin.not_done.text",
			Link: clientsPath, Label: "admin.clients.back"}, wrong})
	default:
		v.fail(err)
	}
	return nil, false
}

func (c *Console) editClient(v *visit) {
	if view, ok := c.seen(v); ok {
		c.clientForm(v, http.StatusOK, view.Client, clientForm{Version: view.Version}, nil)
	}
}

func (c *Console) updateClient(v *visit) {
	is, ok := c.seen(v)
	if !ok {
		return
	}
	client, typed, wrong := v.typedClient(is.Client)
	client.Version, _ = strconv.ParseInt(v.form("version"), 10, 64)
	if over, err := strconv.ParseInt(v.form("overwrite"), 10, 64); err == nil {
		client.Version = over // they have seen what it says now
	}
	page, answer := clientForm{Lives: typed}, http.StatusUnprocessableEntity
	if client.Name == "" {
		wrong = &templates.Problem{ID: "problem.admin.first_name", Field: "name"}
	}
	if wrong == nil {
		updated, secret, err := v.desk.UpdateClient(v.r.Context(), client)
		switch wrong = clientProblemOf(err); {
		case err == nil && secret != "":
			v.render(http.StatusOK, "admin_client_secret", secretPage{Name: updated.Name, ID: updated.ID, Secret: secret, BackURL: clientsPath + "/" + url.PathEscape(updated.ID)})
			return
		case err == nil:
			v.done(clientsPath+"/"+url.PathEscape(client.ID), "notice.admin.client")
			return
		case wrong == nil:
			v.fail(err)
			return
		case errors.Is(err, oauth.ErrStale):
			answer, wrong = http.StatusConflict, &templates.Problem{ID: "problem.admin.client_stale"}
			page.Now, page.NowVersion = differences(is.Client, client), is.Version
		}
	}
	page.Version = client.Version
	c.clientForm(v, answer, client, page, wrong)
}
