package idp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

// Change is one difference between what is and what is desired.
type Change struct {
	Action string   `json:"action"` // create, update, delete
	What   string   `json:"what"`   // "user alice"
	Fields []string `json:"fields,omitempty"`
	Reach  *Reach   `json:"reach,omitempty"` // of another policy: whom it asks for a second factor
}

// errDryRun undoes a rehearsal.
var errDryRun = errors.New("dry run")

// Apply makes the installation as d says, all of it or nothing, and returns what that changed. A dry run returns the
// same and changes nothing. With prune, people and clients that d doesn't name are removed, and groups that it neither
// names nor mentions.
func (p *IdP) Apply(ctx context.Context, d *Desired, getenv func(string) string, prune, dryRun bool) ([]Change, error) {
	a := &applying{IdP: p, d: d, dryRun: dryRun, secrets: map[string]string{}, passwords: map[string]account.Hashed{}}
	// What takes time comes before the transaction: while that is open nobody else can write on SQLite.
	if err := a.readSecrets(getenv); err != nil {
		return nil, err
	}
	if err := a.hashPasswords(ctx, getenv); err != nil {
		return nil, err
	}
	if d.Policy != nil { // whose reach is counted by what lists know
		if err := p.settleFactors(ctx); err != nil {
			return nil, err
		}
	}
	err := p.db.InTx(ctx, func(ctx context.Context) error {
		a.changes = nil // of a try that met another transaction
		steps := []func(context.Context) error{a.groups, a.users, a.clients, a.policy}
		if prune {
			steps = append(steps, a.pruneClients, a.pruneUsers, a.pruneGroups)
		}
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	return a.changes, nil
}

// applying is one run of Apply.
type applying struct {
	*IdP
	d         *Desired
	dryRun    bool
	secrets   map[string]string         // of clients, by id
	passwords map[string]account.Hashed // of people who get one, by user name; empty ones in a dry run
	changes   []Change
}

func (a *applying) note(action, what string, fields ...string) {
	a.changes = append(a.changes, Change{Action: action, What: what, Fields: fields})
}

func (a *applying) groups(ctx context.Context) error {
	before, err := a.Accounts.ListGroups(ctx)
	if err != nil {
		return err
	}
	all, changed := before, false
	for _, want := range a.d.Groups {
		at := slices.IndexFunc(before, func(g account.Group) bool { return g.Name == want.Name })
		switch {
		case at < 0:
			all, changed = append(all, account.Group{Name: want.Name, Description: want.Description}), true
			a.note("create", "group "+want.Name)
		case before[at].Description != want.Description:
			all[at].Description, changed = want.Description, true
			a.note("update", "group "+want.Name, "description")
		}
	}
	if !changed {
		return nil
	}
	return a.Accounts.SetGroups(ctx, all)
}

// readSecrets fetches the secrets of clients.
func (a *applying) readSecrets(getenv func(string) string) (err error) {
	for _, want := range a.d.Clients {
		if a.secrets[want.ID], err = want.Secret.Value(getenv); err != nil {
			return fmt.Errorf("client %s: secret: %w", want.ID, err)
		}
	}
	return nil
}

func (a *applying) clients(ctx context.Context) error {
	for _, want := range a.d.Clients {
		if err := a.client(ctx, want); err != nil {
			return fmt.Errorf("client %s: %w", want.ID, a.Explain(err))
		}
	}
	return nil
}

func (a *applying) client(ctx context.Context, want DesiredClient) error {
	secret := a.secrets[want.ID]
	client, err := want.client(secret)
	if err != nil {
		return err
	}
	if err := a.known(ctx, "groups", want.Groups); err != nil {
		return err
	}
	was, err := a.OAuth.Clients().Get(ctx, want.ID)
	if errors.Is(err, oauth.ErrNotFound) {
		a.note("create", "client "+want.ID)
		_, err := a.OAuth.Clients().Create(ctx, client, secret)
		return err
	}
	if err != nil {
		return err
	}
	// What the file has no word for stays as it was set elsewhere.
	client.Disabled, client.Dynamic, client.ApplicationType = was.Disabled, was.Dynamic, was.ApplicationType
	client.DefaultMaxAge, client.RequireAuthTime, client.DefaultACR = was.DefaultMaxAge, was.RequireAuthTime, was.DefaultACR
	client.SectorURI, client.SoftwareID, client.SoftwareVersion = was.SectorURI, was.SoftwareID, was.SoftwareVersion
	client.Version = was.Version // what somebody else changes meanwhile is not undone
	is := client.WithDefaults()
	fields := differing(pairs(members(was), members(is)))
	if len(fields) > 0 {
		if err := a.OAuth.Clients().Update(ctx, is); err != nil {
			return err
		}
	}
	if secret != "" && !a.OAuth.Clients().SecretIs(was, secret) {
		fields = append(fields, "secret")
		if _, err := a.OAuth.Clients().RotateSecret(ctx, want.ID, secret, 0); err != nil {
			return err
		}
	}
	if len(fields) > 0 {
		a.note("update", "client "+want.ID, fields...)
	}
	return nil
}

// known refuses a group that does not exist, and says where it stands: nobody could use the client that names it, and
// nothing would say why.
func (a *applying) known(ctx context.Context, key string, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	all, err := a.Accounts.ListGroups(ctx)
	if err != nil {
		return err
	}
	for _, name := range groups {
		if !slices.ContainsFunc(all, func(g account.Group) bool { return g.Name == name }) {
			return fmt.Errorf("%s: there is no group %s", key, name)
		}
	}
	return nil
}

func (a *applying) policy(ctx context.Context) error {
	if a.d.Policy == nil {
		return nil
	}
	if err := a.known(ctx, "policy: mfa_required_groups", a.d.Policy.MFARequiredGroups); err != nil {
		return err
	}
	was, err := a.Accounts.Policy(ctx)
	if err != nil {
		return err
	}
	want := account.Policy{
		MFARequired:       cmp.Or(a.d.Policy.MFARequired, account.MFAGroups),
		MFARequiredGroups: a.d.Policy.MFARequiredGroups, MFAGrace: time.Duration(a.d.Policy.MFAGrace),
		SessionIdle: time.Duration(a.d.Policy.SessionIdle), SessionOverall: time.Duration(a.d.Policy.SessionOverall), Version: was.Version,
	}
	factors := differing(map[string][2]any{
		"mfa_required":        {was.MFARequired, want.MFARequired},
		"mfa_required_groups": {sorted(was.MFARequiredGroups), sorted(want.MFARequiredGroups)}, "mfa_grace": {was.MFAGrace, want.MFAGrace},
	})
	fields := append(factors, differing(map[string][2]any{
		"session_idle": {was.SessionIdle, want.SessionIdle}, "session_overall": {was.SessionOverall, want.SessionOverall},
	})...)
	if len(fields) == 0 {
		return nil
	}
	change := Change{Action: "update", What: "policy", Fields: fields}
	if len(factors) > 0 {
		reach, err := a.Accounts.PolicyReach(ctx, want)
		if err != nil {
			return a.Explain(err)
		}
		change.Reach = &reach
	}
	a.changes = append(a.changes, change)
	return a.Explain(a.Accounts.SetPolicy(ctx, want))
}

func (a *applying) pruneClients(ctx context.Context) error {
	all, err := a.OAuth.Clients().List(ctx)
	if err != nil {
		return err
	}
	for _, client := range all {
		if a.OAuth.Clients().Reserved(client.ID) || slices.ContainsFunc(a.d.Clients, func(c DesiredClient) bool { return c.ID == client.ID }) {
			continue
		}
		a.note("delete", "client "+client.ID)
		if err := a.Actions().DeleteClient(ctx, client.ID); err != nil {
			return err
		}
	}
	return nil
}

func (a *applying) pruneGroups(ctx context.Context) error {
	all, err := a.Accounts.ListGroups(ctx)
	if err != nil {
		return err
	}
	policy, err := a.Accounts.Policy(ctx)
	if err != nil {
		return err
	}
	wanted := append(a.d.mentions(), policy.MFARequiredGroups...)
	for _, g := range a.d.Groups {
		wanted = append(wanted, g.Name)
	}
	var kept []account.Group
	for _, g := range all {
		if slices.Contains(wanted, g.Name) {
			kept = append(kept, g)
			continue
		}
		a.note("delete", "group "+g.Name)
	}
	if len(kept) == len(all) {
		return nil
	}
	return a.Accounts.SetGroups(ctx, kept)
}

// differing returns the names of the pairs whose halves differ, in alphabetical order.
func differing(pairs map[string][2]any) []string {
	var names []string
	for name, pair := range pairs {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func pairs(was, is map[string]any) map[string][2]any {
	out := map[string][2]any{}
	for name, value := range was {
		out[name] = [2]any{value, is[name]}
	}
	for name, value := range is {
		out[name] = [2]any{was[name], value}
	}
	return out
}

func members(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	out := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&out) != nil {
		return nil
	}
	return out
}

// plain returns a profile as it looks after a trip through JSON, so that a number is a number wherever it came from.
func plain(profile map[string]any) map[string]any {
	if len(profile) == 0 {
		return map[string]any{}
	}
	return members(profile)
}

func sorted(names []string) []string {
	return slices.Compact(append([]string{}, slices.Sorted(slices.Values(names))...))
}
