package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/templates"
)

// tokensPage is the data of the page that shows what somebody would get.
type tokensPage struct {
	ID, Name, URL  string
	Person, Scopes string // as typed
	Situation      string
	Situations     []string
	Preview        *admin.TokenPreview
	Lives          []life
	Claims         []claimSet
	Problem        *templates.Problem
}

// claimSet is what a token, or an answer, holds.
type claimSet struct{ What, Text string }

// previewTokens answers "what would this person get": claims, and what they would meet on the way.
func (c *Console) previewTokens(v *visit) {
	ctx, id, q := v.r.Context(), v.r.PathValue("client"), v.r.URL.Query()
	view, err := v.desk.Client(ctx, id)
	if err != nil {
		v.fail(err)
		return
	}
	page := tokensPage{
		ID: id, Name: view.Name, URL: clientsPath + "/" + url.PathEscape(id), Person: strings.TrimSpace(q.Get("person")), Scopes: q.Get("scopes"),
		Situation: q.Get("situation"),
	}
	for _, s := range admin.Situations() {
		page.Situations = append(page.Situations, s.ID)
	}
	if !q.Has("situation") {
		v.render(http.StatusOK, "admin_client_preview", page)
		return
	}
	ask := admin.PreviewQuery{Client: id, Situation: page.Situation, Scopes: strings.Fields(page.Scopes)}
	if len(ask.Scopes) == 0 {
		ask.Scopes = nil
	}
	if page.Person != "" {
		who, err := c.Accounts.ByUsername(ctx, page.Person)
		if errors.Is(err, account.ErrNotFound) {
			page.Problem = &templates.Problem{ID: "problem.admin.no_such_name", Field: "person"}
			v.render(http.StatusUnprocessableEntity, "admin_client_preview", page)
			return
		}
		if err != nil {
			v.fail(err)
			return
		}
		ask.Subject = who.Subject
	}
	page.Preview, err = v.desk.PreviewTokens(ctx, ask)
	if err == nil && page.Preview.Tokens != nil {
		page.Claims, err = claimSets(page.Preview)
		page.Lives = previewLives(page.Preview.Lives)
	}
	if wrong := clientProblemOf(err); wrong != nil {
		page.Problem = wrong
		v.render(http.StatusBadRequest, "admin_client_preview", page)
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.render(http.StatusOK, "admin_client_preview", page)
}

// previewLives are how long what there is would last.
func previewLives(seconds *admin.Lives) (all []life) {
	for _, one := range []struct {
		name string
		life int64
	}{
		{"access_token_life", seconds.AccessToken}, {"id_token_life", seconds.IDToken},
		{"refresh_token_idle", seconds.RefreshTokenIdle}, {"refresh_token_life", seconds.RefreshTokenLife},
	} {
		if one.life > 0 {
			all = append(all, life{one.name, saysLife(time.Duration(one.life) * time.Second)})
		}
	}
	return all
}

// claimSets writes what there is as JSON, in the order in which an app meets it.
func claimSets(p *admin.TokenPreview) (out []claimSet, err error) {
	for _, one := range []struct {
		what   string
		claims any
		none   bool
	}{
		{"id_token", p.Tokens.IDToken, p.Tokens.IDToken == nil}, {"access_token", p.Tokens.AccessToken, p.Tokens.AccessToken == nil},
		{"userinfo", p.Tokens.Userinfo, p.Tokens.Userinfo == nil},
	} {
		if one.none {
			continue
		}
		text, err := json.MarshalIndent(one.claims, "", "  ")
		if err != nil {
			return nil, err
		}
		out = append(out, claimSet{one.what, string(text)})
	}
	return out, nil
}
