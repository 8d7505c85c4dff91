package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/focushq"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/oauth"
)

type demoCmd struct {
	Port   int    `default:"8080" help:"Port of the provider."`
	RPPort int    `name:"rp-port" default:"8081" help:"Port of the Focus HQ app."`
	Data   string `help:"Folder that keeps the demo's data; without it the demo starts afresh each time." placeholder:"DIR"`
}

// people are the demo's users. Their passwords are no secret: the demo listens on loopback only.
var people = []account.NewAccount{
	{Username: "alice", Email: "alice@example.com", EmailVerified: true, Name: "Alice Example", Password: "plum-lantern-river-42"},
	{Username: "admin", Email: "admin@example.com", EmailVerified: true, Name: "Ada Admin", Password: "copper-harbour-violet-17", Admin: true},
}

// Run serves provider and app until it is told to stop.
func (c *demoCmd) Run(a *app) error {
	cfg, cleanUp, err := c.config(a)
	if err != nil {
		return err
	}
	defer cleanUp()
	mailbox := &mail.Memory{}
	cfg.Mail = mailbox
	p, err := idp.New(a, cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	if a.flags["IDP_DATABASE_URL"] != "" {
		if err := refuseOthers(a, p); err != nil {
			return err
		}
	}
	rpURL := "http://localhost:" + strconv.Itoa(c.RPPort)
	secret := rand.Text()
	if err := seed(a, p, rpURL, secret); err != nil {
		return err
	}
	rp, err := focushq.New(focushq.Config{
		Issuer: cfg.PublicURL, ClientID: "focus-hq", ClientSecret: secret, PublicURL: rpURL, Log: a.log,
		Mailbox: func() []focushq.Mail { return letters(mailbox) },
	})
	if err != nil {
		return err
	}
	var all []served
	for _, s := range []struct {
		port    int
		handler http.Handler
	}{{c.Port, p.Handler()}, {c.RPPort, rp.Handler()}} {
		listeners, err := loopback(s.port)
		if err != nil {
			return err
		}
		for _, listener := range listeners {
			all = append(all, served{listener: listener, handler: s.handler})
		}
	}
	c.welcome(a, cfg.PublicURL, rpURL)
	return serveAll(a, all, 0, p.Run)
}

// config returns the demo's configuration and what removes its data afterwards.
func (c *demoCmd) config(a *app) (idp.Config, func(), error) {
	folder, cleanUp := c.Data, func() {}
	if folder == "" {
		var err error
		if folder, err = os.MkdirTemp("", "idp-demo-"); err != nil {
			return idp.Config{}, cleanUp, err
		}
		cleanUp = func() { os.RemoveAll(folder) }
	}
	cfg := idp.Defaults()
	cfg.Log, cfg.PublicURL = a.log, "http://localhost:"+strconv.Itoa(c.Port)
	cfg.DatabaseURL, cfg.KeysetFile = "sqlite:"+filepath.Join(folder, "idp.db"), filepath.Join(folder, "keyset.json")
	if url := a.flags["IDP_DATABASE_URL"]; url != "" {
		cfg.DatabaseURL = url
	}
	return cfg, cleanUp, nil
}

// refuseOthers fails when p has people who are not the demo's: among them nobody may have a published password.
func refuseOthers(ctx context.Context, p *idp.IdP) error {
	others, err := p.Accounts.Count(ctx)
	if err != nil {
		return err
	}
	for _, person := range people {
		found, err := p.Accounts.ByUsername(ctx, person.Username)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
		if err == nil && found.Email == person.Email {
			others--
		}
	}
	if others > 0 {
		return errors.New("--database-url: people in this database are not the demo's, whose passwords everybody knows: " +
			"name an empty database, or none")
	}
	return nil
}

// seed makes the people and the app that are missing; it may run again on kept data.
func seed(ctx context.Context, p *idp.IdP, rpURL, secret string) error {
	for _, person := range people {
		if _, err := p.Accounts.Create(ctx, person); err != nil && !errors.Is(err, account.ErrTaken) {
			return fmt.Errorf("user %s: %w", person.Username, err)
		}
	}
	app := &oauth.Client{
		ID: "focus-hq", Name: "Focus HQ", RedirectURIs: []string{rpURL + "/callback"}, PostLogoutRedirectURIs: []string{rpURL + "/"},
		BackchannelLogoutURI: rpURL + "/backchannel-logout",
		GrantTypes:           []string{"authorization_code", "refresh_token"}, Scopes: []string{"openid", "profile", "email", "mfa", "offline_access"},
		Consent: "skip",
	}
	_, err := p.OAuth.Clients().Create(ctx, app, secret)
	if !errors.Is(err, oauth.ErrTaken) {
		return err
	}
	if err := p.OAuth.Clients().Update(ctx, app); err != nil {
		return err
	}
	_, err = p.OAuth.Clients().RotateSecret(ctx, app.ID, secret, 0)
	return err
}

// loopback listens on both loopback addresses, since "localhost" is either; without IPv6 on the first alone.
func loopback(port int) ([]net.Listener, error) {
	hosts := []string{"127.0.0.1"}
	if probe, err := net.Listen("tcp", "[::1]:0"); err == nil {
		probe.Close()
		hosts = append(hosts, "::1")
	}
	var all []net.Listener
	for _, host := range hosts {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, err
		}
		all = append(all, listener)
	}
	return all, nil
}

func letters(mailbox *mail.Memory) []focushq.Mail {
	var out []focushq.Mail
	for _, m := range mailbox.Sent() {
		out = append(out, focushq.Mail{ID: m.ID, To: m.To, Subject: m.Subject, Text: m.Text, At: m.At})
	}
	return out
}

func (c *demoCmd) welcome(a *app, issuer, rpURL string) {
	for _, person := range people {
		fmt.Fprintf(a.out, "user: %s  password: %s\n", person.Username, person.Password)
	}
	fmt.Fprintf(a.out, "provider: %s\nmail: %s/mail\nopen: %s\n", issuer, rpURL, rpURL)
}
