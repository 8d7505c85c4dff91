package admin

import (
	"context"
	"slices"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

// ClientView is what there is to know about a client: no secret is part of it.
type ClientView struct {
	*oauth.Client
	Version     int64              `json:"version"`
	CreatedAt   time.Time          `json:"created_at"`
	UpdatedAt   time.Time          `json:"updated_at"`
	Reserved    bool               `json:"reserved"`               // the provider's own: it can be looked at, and not changed
	Secrets     []oauth.LiveSecret `json:"secrets"`                // that are good now: none, one, or two during a rotation
	LogoProblem string             `json:"logo_problem,omitempty"` // why there is no copy of the logo
}

// ClientView returns what there is to know about a client.
func (a *Actions) ClientView(ctx context.Context, client *oauth.Client) (*ClientView, error) {
	clients := a.OAuth.Clients()
	view := &ClientView{
		Client: client, Version: client.Version, CreatedAt: client.CreatedAt.UTC(), UpdatedAt: client.UpdatedAt.UTC(),
		Reserved: clients.Reserved(client.ID), Secrets: append([]oauth.LiveSecret{}, clients.Secrets(client)...),
	}
	for i, secret := range view.Secrets {
		view.Secrets[i].Since, view.Secrets[i].Until = secret.Since.UTC(), secret.Until.UTC()
	}
	var err error
	view.LogoProblem, err = clients.LogoProblem(ctx, client)
	return view, err
}

// CheckClient reports whether client may be registered as it is, with the defaults of its empty fields: by the rules of package
// oauth, and every group must exist, as nobody could use the client else. The refusal is an [*oauth.InvalidError].
func (a *Actions) CheckClient(ctx context.Context, client *oauth.Client) error {
	if err := client.Validate(); err != nil {
		return err
	}
	if len(client.Groups) == 0 {
		return nil
	}
	all, err := a.Accounts.ListGroups(ctx)
	if err != nil {
		return err
	}
	for _, name := range client.Groups {
		if !slices.ContainsFunc(all, func(g account.Group) bool { return g.Name == name }) {
			return &oauth.InvalidError{Field: "groups", Reason: "there is no such group"}
		}
	}
	return nil
}

// Clients returns a page of clients; errors as [oauth.Clients.Page] has them. [ReadClients].
func (d *Desk) Clients(ctx context.Context, q oauth.ClientQuery) (oauth.ClientPage, error) {
	if err := d.read(ctx, ReadClients, "list clients"); err != nil {
		return oauth.ClientPage{}, err
	}
	return d.OAuth.Clients().Page(ctx, q)
}

// Client returns what there is to know about a client, or [oauth.ErrNotFound]. [ReadClients].
func (d *Desk) Client(ctx context.Context, id string) (*ClientView, error) {
	if err := d.read(ctx, ReadClients, "read a client"); err != nil {
		return nil, err
	}
	client, err := d.OAuth.Clients().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.ClientView(ctx, client)
}

// CreateClient registers client and returns it with its secret, the only time that this is shown; "" for one without. Empty
// fields get what the template says (see [ClientTemplates]; "" for none), and then the defaults of package oauth. Errors are an
// [*oauth.InvalidError] (field template where there is none of that id), [oauth.ErrTaken] and [oauth.ErrReserved].
// [WriteClients].
func (d *Desk) CreateClient(ctx context.Context, template string, client *oauth.Client) (made *ClientView, secret string, err error) {
	if template != "" {
		t, ok := ClientTemplateOf(template)
		if !ok {
			return nil, "", &oauth.InvalidError{Field: "template", Reason: "there is no such template"}
		}
		client = t.Fill(client)
	}
	client = client.WithDefaults() // the id that it gets is needed below
	client.Dynamic = false
	err = d.do(ctx, WriteClients, "create a client", func(ctx context.Context, d *Desk) error {
		if err := d.mayMake(client); err != nil {
			return err
		}
		if err := d.CheckClient(ctx, client); err != nil {
			return err
		}
		if secret, err = d.OAuth.Clients().Create(ctx, client, ""); err != nil {
			return err
		}
		made, err = d.clientNow(ctx, client.ID)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return made, secret, nil
}

func (d *Desk) clientNow(ctx context.Context, id string) (*ClientView, error) {
	client, err := d.OAuth.Clients().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.ClientView(ctx, client)
}

// UpdateClient replaces all but the id and the secret of client.ID, where client.Version is the one that there is: anything else
// is [oauth.ErrStale]. Whether it registered itself stays as it was. A client that needs a secret by this and has none gets one,
// which is returned, the only time that it is shown. Further errors are [oauth.ErrNotFound], [oauth.ErrReserved] and an
// [*oauth.InvalidError]. [WriteClients].
func (d *Desk) UpdateClient(ctx context.Context, client *oauth.Client) (updated *ClientView, secret string, err error) {
	wanted := *client
	err = d.do(ctx, WriteClients, "change a client", func(ctx context.Context, d *Desk) error {
		clients := d.OAuth.Clients()
		was, err := d.seen(ctx, client.ID, client.Version)
		if err != nil {
			return err
		}
		if err := d.mayMake(&wanted); err != nil {
			return err
		}
		wanted.Dynamic = was.Dynamic
		if err := d.CheckClient(ctx, &wanted); err != nil {
			return err
		}
		try := wanted // the transaction may be tried again
		if err := clients.Update(ctx, &try); err != nil {
			return err
		}
		secret = ""
		now, err := clients.Get(ctx, client.ID)
		if err != nil {
			return err
		}
		if now.HasSecret() && len(clients.Secrets(now)) == 0 {
			if secret, err = clients.Rotate(ctx, now.ID, oauth.Rotation{}); err != nil {
				return err
			}
		}
		updated, err = d.clientNow(ctx, client.ID)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return updated, secret, nil
}

// seen returns the client id if it is in the state of version, which must be a real one, and the actor may handle it.
func (d *Desk) seen(ctx context.Context, id string, version int64) (*oauth.Client, error) {
	client, err := d.OAuth.Clients().Get(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case d.OAuth.Clients().Reserved(id):
		return nil, oauth.ErrReserved
	case version != client.Version:
		return nil, oauth.ErrStale
	}
	return client, d.mayHandle(client)
}

// SetClientDisabled switches a client off, or on again, in the state of version; errors as [Desk.UpdateClient] has them. While
// it is off nothing that it was given works, and nobody signs in with it. [WriteClients].
func (d *Desk) SetClientDisabled(ctx context.Context, id string, version int64, disabled bool) error {
	return d.do(ctx, WriteClients, "disable or enable a client", func(ctx context.Context, d *Desk) error {
		was, err := d.seen(ctx, id, version)
		if err != nil || was.Disabled == disabled {
			return err
		}
		client := *was
		client.Disabled = disabled
		return d.OAuth.Clients().Update(ctx, &client)
	})
}

// RotateClientSecret gives a client in the state of version another secret and returns it, the only time that it is shown. The
// secret before stays good for overlap, at most 30 days. [oauth.ErrTwoSecrets] says that a former one is good still, which must
// be ended first ([Desk.EndFormerSecret]): it may be the one in use. Without an overlap all secrets before end at once, whatever
// there is: for one that somebody else has. Further errors as [oauth.Clients.Rotate] has them. [WriteClients].
func (d *Desk) RotateClientSecret(ctx context.Context, id string, version int64, overlap time.Duration) (secret string, err error) {
	err = d.do(ctx, WriteClients, "rotate a client's secret", func(ctx context.Context, d *Desk) error {
		if _, err := d.seen(ctx, id, version); err != nil {
			return err
		}
		secret, err = d.OAuth.Clients().Rotate(ctx, id, oauth.Rotation{Version: version, Overlap: overlap, KeepFormer: true})
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// EndFormerSecret ends the secret before the last rotation of a client in the state of version at once; errors as
// [oauth.Clients.EndFormerSecret] has them. [WriteClients].
func (d *Desk) EndFormerSecret(ctx context.Context, id string, version int64) error {
	return d.do(ctx, WriteClients, "end a client's former secret", func(ctx context.Context, d *Desk) error {
		if _, err := d.seen(ctx, id, version); err != nil {
			return err
		}
		return d.OAuth.Clients().EndFormerSecret(ctx, id, version)
	})
}

// DeleteClient removes a client in the state of version with everything that was granted to it, and what people decided about
// it; errors are [oauth.ErrNotFound], [oauth.ErrStale] and [oauth.ErrReserved]. [WriteClients].
func (d *Desk) DeleteClient(ctx context.Context, id string, version int64) error {
	return d.do(ctx, WriteClients, "delete a client", func(ctx context.Context, d *Desk) error {
		if _, err := d.seen(ctx, id, version); err != nil {
			return err
		}
		return d.Actions.DeleteClient(ctx, id)
	})
}

// ClientProblems returns what went wrong lately in the name of a client; see [oauth.Clients.Problems]. [ReadClients].
func (d *Desk) ClientProblems(ctx context.Context, id string) ([]oauth.ClientProblem, error) {
	if err := d.read(ctx, ReadClients, "read a client's problems"); err != nil {
		return nil, err
	}
	return d.OAuth.Clients().Problems(ctx, id)
}

// UnknownClients returns the ids that came lately and that no client has; see [oauth.Clients.UnknownClients]. [ReadClients].
func (d *Desk) UnknownClients(ctx context.Context) ([]oauth.ClientProblem, error) {
	if err := d.read(ctx, ReadClients, "read unknown client ids"); err != nil {
		return nil, err
	}
	return d.OAuth.Clients().UnknownClients(ctx)
}

// NewRegistrationToken makes a token with which that many apps may register themselves within life (RFC 7591), the only time
// that it is shown; errors as [oauth.Clients.NewRegistrationToken] has them. [WriteClients].
func (d *Desk) NewRegistrationToken(ctx context.Context, life time.Duration, uses int) (token string, err error) {
	err = d.do(ctx, WriteClients, "make a registration token", func(ctx context.Context, d *Desk) error {
		token, err = d.OAuth.Clients().NewRegistrationToken(ctx, life, uses)
		return err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// ClientSamples returns how common libraries and programs are set up for a client; see [Samples]. [ReadClients].
func (d *Desk) ClientSamples(ctx context.Context, id string) ([]Sample, error) {
	if err := d.read(ctx, ReadClients, "read a client"); err != nil {
		return nil, err
	}
	client, err := d.OAuth.Clients().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return Samples(client, EndpointsOf(d.OAuth.Issuer())), nil
}
