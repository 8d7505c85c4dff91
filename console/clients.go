package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

const (
	clientsPath   = "/admin/clients"
	newClientPath = "/admin/new-client" // not below clients: "new" may be somebody's id
)

func clientRoutes() []Route {
	const one = clientsPath + "/{client}"
	routes := []Route{
		{Pattern: "GET " + clientsPath, Need: admin.ReadClients, handle: (*Console).clients},
		{Pattern: "GET " + newClientPath, Need: admin.WriteClients, handle: (*Console).newClient},
		{Pattern: "POST " + newClientPath, Need: admin.WriteClients, Fresh: true, handle: (*Console).createClient},
		{Pattern: "GET " + one, Need: admin.ReadClients, handle: (*Console).client},
		{Pattern: "GET " + one + "/edit", Need: admin.WriteClients, handle: (*Console).editClient},
		{Pattern: "POST " + one + "/edit", Need: admin.WriteClients, Fresh: true, handle: (*Console).updateClient},
		{Pattern: "GET " + one + "/preview", Need: admin.ReadClients, handle: (*Console).previewTokens},
	}
	for _, d := range clientDeeds() {
		routes = append(routes,
			Route{Pattern: "GET " + one + "/" + d.id, Need: admin.WriteClients, Fresh: true, handle: func(c *Console, v *visit) { c.askClientDeed(v, d) }},
			Route{Pattern: "POST " + one + "/" + d.id, Need: admin.WriteClients, Fresh: true, handle: func(c *Console, v *visit) { c.doClientDeed(v, d) }})
	}
	return routes
}

// clientsPage is the data of the list.
type clientsPage struct {
	Text        string
	Clients     []clientRow
	First, Next string // addresses; "": there is none
	Unknown     []oauth.ClientProblem
	May         bool
	Problem     *templates.Problem
}

type clientRow struct {
	*oauth.Client
	URL      string
	Public   bool
	Machine  bool // nobody signs in with it
	Reserved bool
}

// machine reports whether a client acts for itself alone: nobody signs in with it.
func machine(client *oauth.Client) bool {
	return !slices.Contains(client.GrantTypes, "authorization_code") && slices.Contains(client.GrantTypes, "client_credentials")
}

func (c *Console) clients(v *visit) {
	q := oauth.ClientQuery{Text: v.r.URL.Query().Get("text"), Cursor: v.r.URL.Query().Get("cursor")}
	page := clientsPage{Text: q.Text, May: v.desk.May(admin.WriteClients)}
	found, err := v.desk.Clients(v.r.Context(), q)
	status := http.StatusOK
	if invalid := new(oauth.InvalidError); errors.As(err, &invalid) {
		status, err = http.StatusBadRequest, nil
		page.Problem = &templates.Problem{ID: "problem.admin.clients"}
	}
	if err == nil {
		page.Unknown, err = v.desk.UnknownClients(v.r.Context())
	}
	if err != nil {
		v.fail(err)
		return
	}
	page.Unknown = page.Unknown[:min(len(page.Unknown), 5)]
	for _, client := range found.Clients {
		page.Clients = append(page.Clients, clientRow{
			Client: client, URL: clientsPath + "/" + url.PathEscape(client.ID), Public: client.IsPublic(), Reserved: c.Actions.OAuth.Clients().Reserved(client.ID),
			Machine: machine(client),
		})
	}
	values := url.Values{}
	if q.Text != "" {
		values.Set("text", q.Text)
	}
	if q.Cursor != "" {
		page.First = withQuery(clientsPath, values)
	}
	if found.Next != "" {
		values.Set("cursor", found.Next)
		page.Next = withQuery(clientsPath, values)
	}
	v.render(status, "admin_clients", page)
}

// clientPage is the data of the page of one client.
type clientPage struct {
	*admin.ClientView
	URL       string
	Public    bool
	Machine   bool
	Former    bool // a former secret is good
	HasSecret bool
	May       bool
	Problems  []clientProblem
	Samples   []admin.Sample
	Endpoints []endpoint
	Issuer    string
	Lives     []life
}

// clientProblem is what went wrong, in words.
type clientProblem struct {
	oauth.ClientProblem
	Words string
}

func (c *Console) client(v *visit) {
	ctx, id := v.r.Context(), v.r.PathValue("client")
	view, err := v.desk.Client(ctx, id)
	var problems []oauth.ClientProblem
	if err == nil {
		problems, err = v.desk.ClientProblems(ctx, id)
	}
	if err != nil {
		v.fail(err)
		return
	}
	made := c.made(view.Client, "", "")
	page := clientPage{
		ClientView: view, URL: clientsPath + "/" + url.PathEscape(id), Public: view.IsPublic(), HasSecret: len(view.Secrets) > 0,
		Machine: machine(view.Client),
		Former:  slices.ContainsFunc(view.Secrets, func(s oauth.LiveSecret) bool { return s.Former }),
		May:     v.desk.May(admin.WriteClients) && !view.Reserved, Samples: made.Samples, Endpoints: made.Endpoints, Issuer: made.Issuer, Lives: livesOf(view.Client),
	}
	for _, p := range problems {
		page.Problems = append(page.Problems, clientProblem{p, p.Words()})
	}
	v.render(http.StatusOK, "admin_client", page)
}
