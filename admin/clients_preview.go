package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/oauth"
)

// Situation is a way to have signed in.
type Situation struct {
	ID         string
	Methods    []mfa.Method // that are really used
	Passkey    bool         // alone: there is no password
	Remembered bool         // the device stands for the second factor
}

// Situations returns the ways to sign in that tokens tell apart. Passkeys are those bound to their device: a synced one has swk
// in place of hwk.
func Situations() []Situation {
	return []Situation{
		{ID: "password", Methods: []mfa.Method{mfa.Password}},
		{ID: "remembered_device", Methods: []mfa.Method{mfa.Password}, Remembered: true},
		{ID: "code", Methods: []mfa.Method{mfa.Password, mfa.TOTP}},
		{ID: "recovery_code", Methods: []mfa.Method{mfa.Password, mfa.RecoveryCode}},
		{ID: "password_passkey", Methods: []mfa.Method{mfa.Password, mfa.Passkey}},
		{ID: "passkey", Methods: []mfa.Method{mfa.Passkey, mfa.Verified}, Passkey: true},
	}
}

// PreviewQuery asks what somebody would get.
type PreviewQuery struct {
	Client    string
	Subject   string   // "": what the client gets for itself
	Scopes    []string // nil: all that the client may ask for
	Situation string   // id of one of [Situations]; "": code
}

// The reasons of [TokenPreview.Refused].
const (
	RefusedClientDisabled = "client_disabled"
	RefusedPersonDisabled = "person_disabled"
	RefusedGroups         = "groups"      // the client is for other groups
	RefusedScopes         = "scopes"      // none of the scopes is for this client, or this person
	RefusedGrantTypes     = "grant_types" // nobody signs in with this client, or it has nothing for itself
)

// TokenPreview is what somebody would get, and meet on the way to it.
type TokenPreview struct {
	Tokens  *oauth.Preview `json:"tokens,omitempty"`  // nil where Refused says person_disabled, scopes or grant_types
	Lives   *Lives         `json:"lives,omitempty"`   // of the tokens
	Refused []string       `json:"refused,omitempty"` // why they would get nothing all the same; empty: they would get it
	// Steps are what the person would meet from the first page on, by the names of package login: password or passkey,
	// second_factor, new_password, enroll, enroll_later (which may be postponed), consent, remind, refuse.
	Steps []string `json:"steps,omitempty"`
	// Unreachable says that a sign-in with these Steps does not end in that situation: the client or the policy demands more,
	// or the person has no such factor.
	Unreachable bool     `json:"unreachable,omitempty"`
	AMR         []string `json:"amr,omitempty"`
	ACR         string   `json:"acr,omitempty"`
}

// Lives are how long what a preview shows is good, in seconds; 0: there is none.
type Lives struct {
	Code             int64 `json:"code,omitempty"`
	AccessToken      int64 `json:"access_token"`
	IDToken          int64 `json:"id_token,omitempty"`
	RefreshTokenIdle int64 `json:"refresh_token_idle,omitempty"` // since its last use
	RefreshTokenLife int64 `json:"refresh_token_life,omitempty"` // since the sign-in
}

// PreviewTokens returns what q asks for; nothing is stored, and there is no token in it that could be used. Errors are
// [oauth.ErrNotFound], [account.ErrNotFound] and an [*oauth.InvalidError] of situation. [ReadClients], and [ReadPeople] where it
// is about a person.
func (d *Desk) PreviewTokens(ctx context.Context, q PreviewQuery) (*TokenPreview, error) {
	if err := d.read(ctx, ReadClients, "preview tokens"); err != nil {
		return nil, err
	}
	client, err := d.OAuth.Clients().Get(ctx, q.Client)
	if err != nil {
		return nil, err
	}
	p := &TokenPreview{}
	if client.Disabled {
		p.Refused = append(p.Refused, RefusedClientDisabled)
	}
	if q.Subject == "" {
		return p, d.foresee(ctx, p, client, q, nil)
	}
	situations := Situations()
	at := slices.IndexFunc(situations, func(s Situation) bool { return s.ID == q.Situation || q.Situation == "" && s.ID == "code" })
	if at < 0 {
		return nil, &oauth.InvalidError{Field: "situation", Reason: "there is no such situation"}
	}
	return p, d.foreseePerson(ctx, p, client, q, situations[at])
}

// foreseePerson fills p with what a person gets, and meets.
func (d *Desk) foreseePerson(ctx context.Context, p *TokenPreview, client *oauth.Client, q PreviewQuery, in Situation) error {
	who, err := d.account(ctx, q.Subject)
	if err != nil {
		return err
	}
	if who.Disabled { // about whom nothing is told
		p.Refused = append(p.Refused, RefusedPersonDisabled)
		return nil
	}
	p.AMR = mfa.AMR(in.Methods...)
	p.ACR = mfa.ACR(p.AMR)
	if q.Scopes == nil {
		q.Scopes = client.Scopes
	}
	given := slices.DeleteFunc(slices.Clone(q.Scopes), func(scope string) bool { return d.Withheld != nil && d.Withheld(who, scope) })
	if d.Steps != nil {
		// What the client may not ask for is no part of a request.
		asked := slices.DeleteFunc(slices.Clone(q.Scopes), func(scope string) bool { return !slices.Contains(client.Scopes, scope) })
		if p.Steps, err = d.Steps(ctx, client, q.Subject, asked, in.Passkey, in.Remembered); err != nil {
			return err
		}
		p.judge(in)
	}
	all := q.Scopes
	q.Scopes = given
	if err := d.foresee(ctx, p, client, q, &oauth.Situation{AMR: p.AMR, ACR: p.ACR}); err != nil || p.Tokens == nil {
		return err
	}
	p.Tokens.Ignored = slices.DeleteFunc(slices.Clone(all), func(scope string) bool { return slices.Contains(p.Tokens.Granted, scope) })
	return nil
}

// judge says what the steps mean for a situation.
func (p *TokenPreview) judge(in Situation) {
	has := func(step string) bool { return slices.Contains(p.Steps, step) }
	if has("refuse") {
		p.Refused = append(p.Refused, RefusedGroups)
	}
	switch {
	case in.Passkey:
	case mfa.ACR(mfa.AMR(in.Methods...)) == "aal2": // somebody without a factor may give one by enrolling
		p.Unreachable = !has("second_factor") && !has("enroll") && !has("enroll_later")
	default:
		p.Unreachable = has("second_factor") || has("enroll")
	}
}

// foresee fills p with the tokens. How nil: the client has them for itself.
func (d *Desk) foresee(ctx context.Context, p *TokenPreview, client *oauth.Client, q PreviewQuery, how *oauth.Situation) error {
	if how == nil {
		how = &oauth.Situation{}
	}
	tokens, err := d.OAuth.Preview(ctx, client.ID, q.Subject, q.Scopes, *how)
	var invalid *oauth.InvalidError
	if errors.As(err, &invalid) && (invalid.Field == RefusedScopes || invalid.Field == RefusedGrantTypes) {
		p.Refused = append(p.Refused, invalid.Field)
		return nil
	}
	if err != nil {
		return err
	}
	p.Tokens = &tokens
	seconds := func(life time.Duration) int64 { return int64(life / time.Second) }
	p.Lives = &Lives{
		Code: seconds(tokens.CodeLife), AccessToken: seconds(tokens.AccessTokenLife), IDToken: seconds(tokens.IDTokenLife),
		RefreshTokenIdle: seconds(tokens.RefreshTokenIdle), RefreshTokenLife: seconds(tokens.RefreshTokenLife),
	}
	return nil
}
