package login

import (
	"context"

	"github.com/focushq/idp/oauth"
)

// asking is what pages say about the client that asks: its own words, but for the host.
type asking struct {
	Client              string // its name
	ClientHost          string // where the browser goes afterwards; "" for an app of its own scheme
	Logo                string // path of our copy
	PolicyURI, TermsURI string
	Dynamic             bool // it registered itself: nobody vouches for the name
}

// asks describes the client of req.
func (f *Flow) asks(ctx context.Context, req *oauth.Request) (asking, error) {
	client := req.Client()
	logo, err := f.OAuth.Clients().LogoURL(ctx, client)
	if err != nil {
		return asking{}, err
	}
	a := asking{Client: client.Name, Logo: logo, PolicyURI: client.PolicyURI, TermsURI: client.TermsURI, Dynamic: client.Dynamic}
	if target := req.GetRedirectURI(); target != nil {
		a.ClientHost = target.Host
	}
	return a, nil
}

// told reports whether the page shows more of the client's own words than its name.
func (a asking) told() bool {
	return a.Logo != "" || a.PolicyURI != "" || a.TermsURI != "" || a.Dynamic
}
