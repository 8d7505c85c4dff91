package console

import (
	"net/http"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

func frontRoutes() []Route {
	return []Route{{Pattern: "GET /admin", Need: admin.ReadPeople, handle: (*Console).front}}
}

// frontPage is the data of the console's first page.
type frontPage struct {
	Now account.Figures
}

func (c *Console) front(v *visit) {
	now, err := c.Accounts.FiguresNow(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	v.render(http.StatusOK, "admin_front", frontPage{Now: now})
}
