package console

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/templates"
)

// brandPage is the data of the page of how the provider presents itself.
type brandPage struct {
	brand.Brand
	LogoURL string // of the stored one; "": the built-in icon
	Now     *brand.Brand
	May     bool
	Links   [brand.MaxLinks]brand.Link
	Problem *templates.Problem
}

func (c *Console) brandForm(v *visit, status int, b brand.Brand, now *brand.Brand, problem *templates.Problem) {
	page := brandPage{Brand: b, LogoURL: b.LogoURL(), Now: now, May: v.desk.May(admin.WriteSettings), Problem: problem}
	copy(page.Links[:], b.Links)
	v.render(status, "admin_branding", page)
}

func (c *Console) branding(v *visit) {
	b, err := v.desk.Brand(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	c.brandForm(v, http.StatusOK, b, nil, nil)
}

// brandProblem is the sentence for what the domain refuses.
func brandProblem(err error) *templates.Problem {
	var invalid *brand.InvalidError
	switch {
	case errors.Is(err, brand.ErrStale):
		return &templates.Problem{ID: "problem.admin.stale"}
	case errors.As(err, &invalid):
		return &templates.Problem{ID: "problem.brand." + invalid.Field + "." + invalid.Reason, Field: invalid.Field}
	}
	return nil
}

func (c *Console) setBrand(v *visit) {
	is, err := v.desk.Brand(v.r.Context())
	if err != nil {
		v.fail(err)
		return
	}
	want := brand.Brand{
		Name: v.form("name"), Color: v.form("color"), Help: v.form("help"), HelpURL: v.form("help_url"), Greeting: v.form("greeting"), Logo: is.Logo,
	}
	if v.form("own_color") == "" { // a field for colours always has one
		want.Color = ""
	}
	want.Version, _ = strconv.ParseInt(v.form("version"), 10, 64)
	labels, addresses := v.r.PostForm["link_label"], v.r.PostForm["link_url"]
	for i := range min(len(labels), len(addresses), brand.MaxLinks+1) {
		want.Links = append(want.Links, brand.Link{Label: labels[i], URL: addresses[i]})
	}
	if v.form("remove_logo") != "" {
		want.Logo = brand.Logo{}
	}
	picture, err := v.upload("logo")
	if err == nil || errors.Is(err, errNoFile) {
		err = v.desk.SetBrand(v.r.Context(), want, picture)
	}
	if wrong := brandProblem(err); wrong != nil {
		var now *brand.Brand
		if errors.Is(err, brand.ErrStale) {
			now, want.Version = &is, is.Version
		}
		want.Logo = is.Logo
		answer := http.StatusUnprocessableEntity
		if now != nil {
			answer = http.StatusConflict
		}
		c.brandForm(v, answer, want, now, wrong)
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.done(brandPath, "notice.admin.brand")
}
