package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/focushq/idp/admin"
)

// Route is one address of the console and what it takes to get there.
type Route struct {
	Pattern string           // as [http.ServeMux] has it: "POST /admin/people/{subject}/disable"
	Need    admin.Permission // without which the answer is 403
	// Fresh routes do what cannot be taken back, or lead to the form of it: both factors must have been given within the last
	// ten minutes.
	Fresh bool
	// Upload routes take a file.
	Upload bool

	handle func(*Console, *visit)
}

// Routes returns all of them but those of signing in. Each topic's are in its own file.
func Routes() []Route {
	return slices.Concat(frontRoutes(), peopleRoutes(), groupRoutes(), clientRoutes(), settingRoutes(), trailRoutes())
}

// enter opens route to those who may: it finds out who is there, and asks for what is missing.
func (c *Console) enter(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at, err := c.visitor(r)
		if err != nil {
			c.Fail(w, r, err)
			return
		}
		fresh := at != nil && at.proved(dangerous, c.Now())
		switch {
		case at == nil && r.Method == http.MethodGet:
			c.prove(w, r)
			return
		case at != nil && route.Fresh && !fresh && r.Method == http.MethodGet:
			c.prove(w, r)
			return
		case at == nil, route.Fresh && !fresh:
			c.keepForm(w, r)
			return
		}
		c.visit(w, r, route, at)
	}
}

// prove sends the browser to sign in, or to do so again, and back to the page that was asked for.
func (c *Console) prove(w http.ResponseWriter, r *http.Request) {
	to := (&url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}).String()
	http.Redirect(w, r, loginPath+"?"+url.Values{"to": {to}}.Encode(), http.StatusSeeOther)
}

// keptPage is the data of the page that keeps what was typed until its visitor has proved again who they are.
type keptPage struct {
	Action string
	Fields []keptField
	Lost   bool // a file was sent along, which no page can keep
}

type keptField struct{ Name, Value string }

// keepForm answers a form whose sender has to prove first who they are: in another tab, while this one keeps what was typed.
func (c *Console) keepForm(w http.ResponseWriter, r *http.Request) {
	page := keptPage{Action: (&url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}).String(), Lost: r.MultipartForm != nil && len(r.MultipartForm.File) > 0}
	for name, values := range r.PostForm {
		for _, value := range values {
			if name != "form_token" && name != keptForms {
				page.Fields = append(page.Fields, keptField{name, value})
			}
		}
	}
	slices.SortStableFunc(page.Fields, func(a, b keptField) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	mark, err := c.mark(r, c.Now().Add(keptLife).Unix())
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	if mark != "" {
		page.Fields = append(page.Fields, keptField{keptForms, mark})
	}
	c.Templates.Render(w, r, http.StatusForbidden, "admin_kept", page)
}
