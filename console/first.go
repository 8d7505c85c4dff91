package console

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"

	"golang.org/x/text/unicode/norm"
)

const firstPath = "/admin/first"

func firstRoutes() []Route {
	return []Route{
		{Pattern: "GET " + firstPath, Need: admin.WriteClients, Fresh: true, handle: (*Console).showFirst},
		{Pattern: "POST " + firstPath, Need: admin.WriteClients, Fresh: true, handle: (*Console).createFirst},
		{Pattern: "GET " + firstPath + "/{client}", Need: admin.WriteClients, handle: (*Console).tryFirst},
	}
}

// firstPage is the data of the form for an app in three answers.
type firstPage struct {
	Kind, Name, RedirectURI string
	Kinds                   []firstKind
	Problem                 *templates.Problem
}

// firstKind is what an app may be: one of [admin.ClientTemplates], in words of the page.
type firstKind struct{ ID, Title, Text string }

func firstKinds() []firstKind {
	return []firstKind{
		{admin.TemplateWeb, "admin.first.web", "admin.first.web_text"},
		{admin.TemplateSPA, "admin.first.browser", "admin.first.browser_text"},
		{admin.TemplateNative, "admin.first.native", "admin.first.native_text"},
	}
}

func (c *Console) showFirst(v *visit) {
	v.render(http.StatusOK, "admin_first", firstPage{Kind: admin.TemplateWeb, Kinds: firstKinds()})
}

// createFirst makes the client and shows its secret, this once.
func (c *Console) createFirst(v *visit) {
	page := firstPage{Kind: v.form("kind"), Name: strings.TrimSpace(v.form("name")), RedirectURI: strings.TrimSpace(v.form("redirect_uri")), Kinds: firstKinds()}
	client, secret, err := c.addFirst(v, page)
	if err != nil {
		if page.Problem = firstProblem(err); page.Problem == nil {
			v.fail(err)
			return
		}
		v.render(http.StatusUnprocessableEntity, "admin_first", page)
		return
	}
	v.render(http.StatusOK, "admin_first_made", c.made(client.Client, secret, page.Kind))
}

// addFirst makes a client. It is an app of the house: one with a secret is vouched for, so that people are not asked what it may
// have.
func (c *Console) addFirst(v *visit, page firstPage) (*admin.ClientView, string, error) {
	switch {
	case page.Name == "":
		return nil, "", &oauth.InvalidError{Field: "name", Reason: "empty"}
	case page.RedirectURI == "":
		return nil, "", &oauth.InvalidError{Field: "redirect_uris", Reason: "empty"}
	case !slices.ContainsFunc(page.Kinds, func(k firstKind) bool { return k.ID == page.Kind }):
		return nil, "", &oauth.InvalidError{Field: "template", Reason: "there is no such template"}
	}
	wanted := oauth.Client{
		Name: page.Name, RedirectURIs: []string{page.RedirectURI}, Scopes: []string{"openid", "profile", "email", "mfa", "offline_access"},
	}
	if page.Kind == admin.TemplateWeb {
		wanted.Consent = "skip"
	}
	return v.createClient(page.Kind, wanted)
}

// createClient makes a client, as [admin.Desk.CreateClient] does, of an id that its name suggests where it has none; a taken
// one gets a number.
func (v *visit) createClient(template string, wanted oauth.Client) (*admin.ClientView, string, error) {
	if wanted.ID != "" {
		return v.desk.CreateClient(v.r.Context(), template, &wanted)
	}
	id := idFrom(wanted.Name)
	for n := 1; n <= 50; n++ {
		if wanted.ID = id; n > 1 {
			wanted.ID = fmt.Sprintf("%s-%d", id, n)
		}
		made, secret, err := v.desk.CreateClient(v.r.Context(), template, &wanted)
		if !errors.Is(err, oauth.ErrTaken) && !errors.Is(err, oauth.ErrReserved) {
			return made, secret, err
		}
	}
	return nil, "", oauth.ErrTaken
}

// idFrom returns the id that a name suggests: its letters and digits without accents, in small letters, and hyphens. A name
// without any suggests "app".
func idFrom(name string) string {
	var id strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(name)) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			id.WriteRune(r)
		case !unicode.Is(unicode.Mn, r) && id.Len() > 0 && !strings.HasSuffix(id.String(), "-"):
			id.WriteByte('-')
		}
	}
	if text := strings.Trim(id.String()[:min(id.Len(), 40)], "-"); text != "" {
		return text
	}
	return "app"
}

// firstProblem words what is wrong at the inputs of the form, nil for an error that no input can mend.
func firstProblem(err error) *templates.Problem {
	var invalid *oauth.InvalidError
	if !errors.As(err, &invalid) {
		return problem(err)
	}
	switch {
	case invalid.Field == "name" && invalid.Reason == "empty":
		return &templates.Problem{ID: "problem.admin.first_name", Field: "name"}
	case invalid.Field == "redirect_uris" && invalid.Reason == "empty":
		return &templates.Problem{ID: "problem.admin.first_uri", Field: "redirect_uri"}
	case invalid.Field == "redirect_uris":
		if p := clientRefusal(invalid); p.ID != "problem.admin.client" {
			p.Field = "redirect_uri"
			return p
		}
		return &templates.Problem{ID: "problem.admin.first_uri_form", Field: "redirect_uri", Args: map[string]any{"Other": invalid.Reason}}
	}
	return problem(err)
}

// madePage is the data of the page that shows a new client: what goes into the app.
type madePage struct {
	Client    *oauth.Client
	Secret    string // shown this once
	Proof     string // the id of how it proves itself without one
	Issuer    string
	Endpoints []endpoint
	Samples   []admin.Sample
	TryURL    string
}

// endpoint is an address of the provider, by its name in discovery (OpenID Connect Discovery 1.0 section 3).
type endpoint struct{ Name, URL string }

// firstSamples are the ids of what is set up first for a kind of app.
var firstSamples = map[string][]string{
	admin.TemplateSPA: {"spa"}, admin.TemplateNative: {"native", "endpoints"}, admin.TemplateMachine: {"machine"}, admin.TemplateDevice: {"device"},
	admin.TemplateResource: {"introspect"},
}

// samplesFor returns the samples of client, first those of its kind.
func samplesFor(client *oauth.Client, at admin.Endpoints, kind string) []admin.Sample {
	all := admin.Samples(client, at)
	rank := func(s admin.Sample) int {
		if i := slices.Index(firstSamples[kind], s.ID); i >= 0 {
			return i
		}
		return len(all)
	}
	slices.SortStableFunc(all, func(a, b admin.Sample) int { return rank(a) - rank(b) })
	return all
}

// proof is the id of how a client proves itself that has no secret.
func proof(client *oauth.Client) string {
	switch {
	case client.AuthMethod == "private_key_jwt":
		return "admin.made.by_keys"
	case !slices.Contains(client.GrantTypes, "authorization_code"):
		return "admin.made.by_device"
	}
	return "admin.made.no_secret"
}

// made is the page of client; kind is that of [admin.ClientTemplates] by which it was made, "" for one of which that is not known.
func (c *Console) made(client *oauth.Client, secret, kind string) madePage {
	at := admin.EndpointsOf(c.PublicURL)
	return madePage{
		Client: client, Secret: secret, Proof: proof(client), Issuer: at.Issuer, TryURL: firstPath + "/" + client.ID, Samples: samplesFor(client, at, kind),
		Endpoints: []endpoint{
			{"discovery", at.Discovery}, {"authorization_endpoint", at.Authorization}, {"token_endpoint", at.Token},
			{"userinfo_endpoint", at.Userinfo}, {"jwks_uri", at.JWKS}, {"end_session_endpoint", at.EndSession},
		},
	}
}

// tryPage is the data of the page that watches an app's first sign-ins.
type tryPage struct {
	Client   *oauth.Client
	AppURL   string // where the app seems to be: the origin of its redirect URI, "" for none
	SignIns  []firstSignIn
	Problems []firstError
}

// firstSignIn is a sign-in to the app, as the trail has it.
type firstSignIn struct {
	Who      string
	At       time.Time
	AMR, ACR string
}

// firstError is what went wrong in the name of the app.
type firstError struct {
	Text    string
	At      time.Time
	Settled bool
}

// tryFirst shows what has come of the app so far: who signed in and how, or what went wrong.
func (c *Console) tryFirst(v *visit) {
	ctx, id := v.r.Context(), v.r.PathValue("client")
	view, err := v.desk.Client(ctx, id)
	if err != nil {
		v.fail(err)
		return
	}
	client := view.Client
	page := tryPage{Client: client}
	if origins := client.Origins(); len(origins) > 0 {
		page.AppURL = origins[0]
	}
	if page.SignIns, err = c.firstSignIns(v, client); err == nil {
		page.Problems, err = c.firstErrors(v, id)
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.render(http.StatusOK, "admin_first_try", page)
}

// firstSignIns returns the last few sign-ins to a client, from the trail.
func (c *Console) firstSignIns(v *visit, client *oauth.Client) ([]firstSignIn, error) {
	ctx := v.r.Context()
	trail, err := v.desk.Trail(ctx, admin.TrailQuery{Action: oauth.EventAuthorized, Client: client.ID, Since: client.CreatedAt, Limit: 5})
	if err != nil {
		return nil, err
	}
	var all []firstSignIn
	for _, e := range trail.Entries {
		who, err := c.Accounts.BySubject(ctx, e.Subject)
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, firstSignIn{who.Username, e.At, e.Detail["amr"], e.Detail["acr"]})
	}
	return all, nil
}

// firstErrors returns what went wrong in the name of a client.
func (c *Console) firstErrors(v *visit, id string) ([]firstError, error) {
	problems, err := c.Actions.OAuth.Clients().Problems(v.r.Context(), id)
	if err != nil {
		return nil, err
	}
	var all []firstError
	for _, p := range problems {
		all = append(all, firstError{p.Words(), p.Last, p.Settled})
	}
	return all, nil
}
