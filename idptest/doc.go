// Package idptest runs a real identity provider inside a test, for relying parties' tests and our own: the whole
// provider on a loopback port with its own SQLite database, a clock that can be moved, and a browser of a few lines
// that keeps cookies, follows redirects and sends forms by the names of their fields.
//
//	p := idptest.Start(t)
//	p.AddUser("alice")
//	client := p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"http://127.0.0.1/callback"}})
//	page := p.Browser().Get(client.AuthCodeURL("state"))
//
// It refuses to fake anything but the clock: what passes here has passed through every handler.
package idptest
