package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

// Desired returns the installation as a file of `idp apply` would say it: applied here again, that changes nothing. Secrets
// are not in it, neither passwords nor those of clients, nor are clients that registered themselves. It reads everybody
// into memory.
func (p *IdP) Desired(ctx context.Context) (*Desired, error) {
	d := &Desired{}
	groups, err := p.Accounts.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		d.Groups = append(d.Groups, DesiredGroup{Name: g.Name, Description: g.Description})
	}
	for after := ""; ; {
		page, err := p.Accounts.List(ctx, after, 500)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Username
		for _, a := range page {
			d.Users = append(d.Users, desiredUser(a))
		}
	}
	clients, err := p.OAuth.Clients().List(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		if c.Dynamic {
			continue
		}
		want, err := desiredClient(c)
		if err != nil {
			return nil, err
		}
		d.Clients = append(d.Clients, want)
	}
	policy, err := p.Accounts.Policy(ctx)
	if err != nil {
		return nil, err
	}
	d.Policy = &DesiredPolicy{
		MFARequired: policy.MFARequired, MFARequiredGroups: policy.MFARequiredGroups, MFAGrace: Duration(policy.MFAGrace),
		SessionIdle: Duration(policy.SessionIdle), SessionOverall: Duration(policy.SessionOverall),
	}
	return d, nil
}

func desiredUser(a *account.Account) DesiredUser {
	return DesiredUser{
		Username: a.Username, Email: a.Email, EmailVerified: a.EmailVerified, Name: a.Name, Groups: a.Groups, Role: string(a.Role()),
		Profile: a.Profile,
	}
}

// desiredClient is the other way round than [DesiredClient.client].
func desiredClient(c *oauth.Client) (want DesiredClient, err error) {
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		return want, fmt.Errorf("client %s: %w", c.ID, err)
	}
	for life, is := range map[*Duration]oauth.Seconds{
		&want.AccessTokenLife: c.AccessTokenLife, &want.IDTokenLife: c.IDTokenLife,
		&want.RefreshTokenIdle: c.RefreshTokenIdle, &want.RefreshTokenLife: c.RefreshTokenLife,
	} {
		*life = Duration(time.Duration(is) * time.Second)
	}
	return want, nil
}

// WriteYAML writes d as the file of `idp apply`, without what is empty.
func (d *Desired) WriteYAML(to io.Writer) error {
	var node yaml.Node
	if err := node.Encode(d); err != nil {
		return fmt.Errorf("idp: %w", err)
	}
	withoutEmpty(&node)
	encoder := yaml.NewEncoder(to)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return fmt.Errorf("idp: %w", err)
	}
	return encoder.Close()
}

// withoutEmpty drops the members that say nothing: left out they mean the same. In a profile and in keys nothing is ours.
func withoutEmpty(node *yaml.Node) {
	if node.Kind != yaml.MappingNode {
		for _, inner := range node.Content {
			withoutEmpty(inner)
		}
		return
	}
	var kept []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value != "profile" && key.Value != "jwks" {
			withoutEmpty(value)
		}
		empty := len(value.Content) == 0
		if value.Kind == yaml.ScalarNode { // a person may be called "false"
			empty = value.Value == "" || value.Tag == "!!null" || value.Tag == "!!bool" && value.Value == "false"
		}
		if !empty {
			kept = append(kept, key, value)
		}
	}
	node.Content = kept
}

// MarshalYAML implements [yaml.Marshaler]: as it is read, and none as null.
func (d Duration) MarshalYAML() (any, error) {
	if d == 0 {
		return nil, nil
	}
	return time.Duration(d).String(), nil
}
