package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// keysPage is the data of the page of the signing keys, and of those of what is done to them.
type keysPage struct {
	Keys    []keyRow
	May     bool
	Waits   bool // new keys wait: none are made
	Key     keyRow
	Reason  string
	Problem *templates.Problem
}

type keyRow struct {
	KID, Alg, State            string
	CreatedAt, ActiveAt, Until time.Time // zero: not decided
}

func (c *Console) listKeys(v *visit) (page keysPage, ok bool) {
	keys, err := v.desk.Keys(v.r.Context())
	if err != nil {
		v.fail(err)
		return page, false
	}
	page.May, page.Waits = v.desk.May(admin.WriteSettings), true
	waiting := map[string]bool{}
	for _, key := range slices.Backward(keys) {
		row := keyRow{KID: key.KID, Alg: key.Alg, State: key.State, CreatedAt: time.Unix(key.CreatedAt, 0), ActiveAt: time.Unix(key.ActiveAt, 0)}
		if key.RetiredAt != 0 {
			row.Until = time.Unix(key.RetiredAt, 0)
		}
		if key.State == "waiting" {
			waiting[key.Alg] = true
		}
		page.Keys = append(page.Keys, row)
	}
	for _, key := range page.Keys {
		page.Waits = page.Waits && waiting[key.Alg]
	}
	slices.SortStableFunc(page.Keys, func(a, b keyRow) int { return order(a.State) - order(b.State) })
	return page, true
}

// order puts the keys that matter first.
func order(state string) int {
	return slices.Index([]string{"signing", "waiting", "published", "retired", "revoked"}, state)
}

func (c *Console) keys(v *visit) {
	if page, ok := c.listKeys(v); ok {
		v.render(http.StatusOK, "admin_keys", page)
	}
}

func (c *Console) askRotate(v *visit) {
	if page, ok := c.listKeys(v); ok {
		v.render(http.StatusOK, "admin_keys_rotate", page)
	}
}

func (c *Console) rotateKeys(v *visit) {
	_, err := v.desk.RotateKeys(v.r.Context())
	if errors.Is(err, oauth.ErrKeyWaits) || errors.Is(err, oauth.ErrKeyRace) {
		if page, ok := c.listKeys(v); ok {
			page.Problem = &templates.Problem{ID: "problem.admin.key_waits"}
			v.render(http.StatusConflict, "admin_keys", page)
		}
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.done(keysPath, "notice.admin.keys_rotated")
}

// key returns the page of one key that may still be revoked; otherwise it has been answered.
func (c *Console) key(v *visit) (keysPage, bool) {
	page, ok := c.listKeys(v)
	if !ok {
		return page, false
	}
	at := slices.IndexFunc(page.Keys, func(k keyRow) bool { return k.KID == v.r.PathValue("kid") && k.State != "revoked" })
	if at < 0 {
		v.missing()
		return page, false
	}
	page.Key = page.Keys[at]
	return page, true
}

func (c *Console) askRetire(v *visit) {
	if page, ok := c.key(v); ok {
		v.render(http.StatusOK, "admin_keys_retire", page)
	}
}

func (c *Console) retireKey(v *visit) {
	page, ok := c.key(v)
	if !ok {
		return
	}
	_, err := v.desk.RetireKey(v.r.Context(), page.Key.KID, v.form("reason"))
	switch {
	case errors.Is(err, admin.ErrReason):
		page.Reason, page.Problem = v.form("reason"), &templates.Problem{ID: "problem.admin.reason", Field: "reason"}
		v.render(http.StatusUnprocessableEntity, "admin_keys_retire", page)
	case errors.Is(err, oauth.ErrKeyRace):
		page.Reason, page.Problem = v.form("reason"), &templates.Problem{ID: "problem.admin.key_race"}
		v.render(http.StatusConflict, "admin_keys_retire", page)
	case errors.Is(err, oauth.ErrNoKey):
		v.missing()
	case err != nil:
		v.fail(err)
	default:
		v.done(keysPath, "notice.admin.key_retired")
	}
}
