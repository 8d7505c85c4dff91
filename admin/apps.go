package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/focushq/idp/oauth"
)

// App is a client that uses a person's account: they allowed it to, or it holds tokens without having asked.
type App struct {
	ID     string    `json:"client_id"`
	Name   string    `json:"name"`
	Scopes []string  `json:"scopes"` // that were allowed; nil: none were asked for
	At     time.Time `json:"at"`     // when they were, or since when it holds tokens
	Own    bool      `json:"own"`    // an administrator vouches for it: nobody is asked
}

// Apps returns the clients that use the account of subject, by id.
func (a *Actions) Apps(ctx context.Context, subject string) ([]App, error) {
	grants, err := a.Consents.List(ctx, subject)
	if err != nil {
		return nil, err
	}
	connections, err := a.OAuth.Connections(ctx, subject)
	if err != nil {
		return nil, err
	}
	var found []App
	for _, grant := range grants {
		if len(grant.Granted) > 0 {
			oauth.SortScopes(grant.Granted)
			found = append(found, App{ID: grant.Client, Scopes: grant.Granted, At: grant.At})
		}
	}
	for _, held := range connections {
		if !slices.ContainsFunc(found, func(row App) bool { return row.ID == held.Client }) {
			found = append(found, App{ID: held.Client, At: held.Since})
		}
	}
	slices.SortFunc(found, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	rows := found[:0]
	for _, row := range found {
		client, err := a.OAuth.Clients().Get(ctx, row.ID)
		if errors.Is(err, oauth.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		row.Name, row.Own = client.Name, row.Scopes == nil && client.Consent == "skip"
		rows = append(rows, row)
	}
	return rows, nil
}
