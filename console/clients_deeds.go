package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// clientDeed is something that is done to a client: a page that says what will happen, with a form, and what the form does.
type clientDeed struct {
	id      string // the last part of its path, and of the ids of its sentences
	danger  bool
	overlap bool // asks for how long the former secret stays good
	confirm bool // asks for the client's id, once more
	// do does it. A secret is shown this once.
	do func(v *visit, id string, version int64) (secret string, err error)
}

func clientDeeds() []clientDeed {
	plain := func(fn func(v *visit, id string, version int64) error) func(*visit, string, int64) (string, error) {
		return func(v *visit, id string, version int64) (string, error) { return "", fn(v, id, version) }
	}
	disabled := func(off bool) func(*visit, string, int64) (string, error) {
		return plain(func(v *visit, id string, version int64) error {
			return v.desk.SetClientDisabled(v.r.Context(), id, version, off)
		})
	}
	return []clientDeed{
		{id: "rotate-secret", overlap: true, do: func(v *visit, id string, version int64) (string, error) {
			_, overlap, ok := v.length("overlap")
			if !ok {
				return "", errOverlap
			}
			return v.desk.RotateClientSecret(v.r.Context(), id, version, overlap)
		}},
		{id: "end-former-secret", danger: true, do: plain(func(v *visit, id string, version int64) error {
			return v.desk.EndFormerSecret(v.r.Context(), id, version)
		})},
		{id: "disable", danger: true, do: disabled(true)},
		{id: "enable", do: disabled(false)},
		{id: "delete", danger: true, confirm: true, do: plain(func(v *visit, id string, version int64) error {
			if v.form("confirm") != id {
				return errClientConfirm
			}
			return v.desk.DeleteClient(v.r.Context(), id, version)
		})},
	}
}

var (
	errOverlap       = errors.New("console: no length of time")
	errClientConfirm = errors.New("console: another id than that of the client")
)

// clientDeedPage is the data of the page that says what will happen.
type clientDeedPage struct {
	Deed, Action, BackURL string
	Name, ID              string
	Version               int64
	Danger, AskID         bool
	Overlap               *length
	Confirm               string
	Problem               *templates.Problem
}

// secretPage is the data of the page that shows a secret, this once.
type secretPage struct {
	Name, ID, Secret, BackURL string
	Until                     time.Time // of the former one; zero: it has ended
}

// key is the deed's id as sentences have it.
func (d clientDeed) page(view *admin.ClientView) clientDeedPage {
	back := clientsPath + "/" + url.PathEscape(view.ID)
	page := clientDeedPage{
		Deed: deed{id: d.id}.key(), Action: back + "/" + d.id, BackURL: back, Name: view.Name, ID: view.ID, Version: view.Version,
		Danger: d.danger, AskID: d.confirm,
	}
	if d.overlap {
		l := lengthOf("overlap", 24*time.Hour, false)
		page.Overlap = &l
	}
	return page
}

func (c *Console) askClientDeed(v *visit, d clientDeed) {
	if view, ok := c.seen(v); ok {
		v.render(http.StatusOK, "admin_client_deed", d.page(view))
	}
}

func (c *Console) doClientDeed(v *visit, d clientDeed) {
	view, ok := c.seen(v)
	if !ok {
		return
	}
	version, _ := strconv.ParseInt(v.form("version"), 10, 64)
	secret, err := d.do(v, view.ID, version)
	back := clientsPath + "/" + url.PathEscape(view.ID)
	switch {
	case err == nil && secret != "":
		_, overlap, _ := v.length("overlap")
		page := secretPage{Name: view.Name, ID: view.ID, Secret: secret, BackURL: back}
		if overlap > 0 {
			page.Until = c.Now().Add(overlap)
		}
		v.render(http.StatusOK, "admin_client_secret", page)
		return
	case err == nil && d.confirm:
		v.done(clientsPath, "notice.admin.client_deleted")
		return
	case err == nil:
		v.done(back, "notice.admin.client")
		return
	}
	page := d.page(view)
	page.Confirm, page.Problem = v.form("confirm"), clientProblemOf(err)
	answer := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, errOverlap):
		l, _, _ := v.length("overlap")
		page.Problem = lengthProblem(l)
	case errors.Is(err, errClientConfirm):
		page.Problem = &templates.Problem{ID: "problem.admin.confirm_client", Field: "confirm"}
	case errors.Is(err, oauth.ErrTwoSecrets):
		page.Problem = &templates.Problem{ID: "problem.admin.two_secrets"}
	case errors.Is(err, oauth.ErrNoFormerSecret):
		page.Problem = &templates.Problem{ID: "problem.admin.no_former"}
	case errors.Is(err, oauth.ErrStale):
		answer = http.StatusConflict
	}
	if page.Problem == nil {
		v.fail(err)
		return
	}
	if l, _, _ := v.length("overlap"); d.overlap {
		page.Overlap = &l
	}
	v.render(answer, "admin_client_deed", page)
}
