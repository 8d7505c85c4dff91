package admin

import (
	"slices"
	"strings"

	"github.com/focushq/idp/oauth"
)

// OfAPI reports whether a scope is one of the API's. All that begin so are reserved for it, also those that there are not yet.
func OfAPI(scope string) bool { return strings.HasPrefix(scope, "idp.") }

// mayHandle refuses with [ErrForbidden] what concerns a client that may have scopes of the API which the actor has not got:
// whoever could get hold of its secret, or of where its codes go, would have what it may do.
func (d *Desk) mayHandle(client *oauth.Client) error {
	for _, p := range Permissions() {
		if slices.Contains(client.Scopes, string(p)) && !d.May(p) {
			return ErrForbidden
		}
	}
	return nil
}

// mayMake is [Desk.mayHandle] for what a client shall be. A scope that the API has not got is an [*oauth.InvalidError]: it may
// mean something one day.
func (d *Desk) mayMake(client *oauth.Client) error {
	for _, scope := range client.Scopes {
		if OfAPI(scope) && !slices.Contains(Permissions(), Permission(scope)) {
			return &oauth.InvalidError{Field: "scopes", Reason: "those that begin with idp. are the API's, which has none of that name"}
		}
	}
	return d.mayHandle(client)
}
