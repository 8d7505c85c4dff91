package console

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/focushq/idp/oauth"
)

// says is what a field of a client says, as a page writes it: a sentence of the catalogue, or lines of text; none stand for
// nothing.
type says struct {
	ID    string
	Count int64 // of the sentence
	Usual bool  // nobody chose it: the length of time is the one that there is anyway
	Lines []string
}

// saysLife writes a length of time in the largest unit in which it is a whole number.
func saysLife(d time.Duration) says {
	for _, unit := range []struct {
		id string
		of time.Duration
	}{{"duration.days", 24 * time.Hour}, {"duration.hours", time.Hour}, {"duration.minutes", time.Minute}} {
		if d >= unit.of && d%unit.of == 0 {
			return says{ID: unit.id, Count: int64(d / unit.of)}
		}
	}
	return says{ID: "duration.seconds", Count: int64(d / time.Second)}
}

// life is one of the lengths of time of a client's tokens, as a page shows it.
type life struct {
	Name string // of its input
	Says says
}

// livesOf are how long the tokens of client last, by its own settings or without them.
func livesOf(client *oauth.Client) []life {
	usual := oauth.DefaultLives()
	var all []life
	for i, one := range lives(client) {
		words := saysLife(time.Duration(*one.at) * time.Second)
		if *one.at == 0 {
			words = saysLife([]time.Duration{usual.AccessToken, usual.IDToken, usual.RefreshTokenIdle, usual.RefreshTokenLife}[i])
			words.Usual = true
		}
		all = append(all, life{one.name, words})
	}
	return all
}

// differences returns what is says now where somebody typed anything else, by the names of inputs; a box of several is
// the name of its input, a slash and its value.
func differences(is, typed *oauth.Client) map[string]says {
	is, typed = is.WithDefaults(), typed.WithDefaults()
	now := map[string]says{}
	text := func(name, typed, is string) {
		switch {
		case typed == is:
		case is == "":
			now[name] = says{}
		default:
			now[name] = says{Lines: []string{is}}
		}
	}
	for name, pair := range texts(is, typed) {
		text(name, pair[1], pair[0])
	}
	for name, pair := range map[string][2][]string{
		"redirect_uris":             {is.RedirectURIs, typed.RedirectURIs},
		"post_logout_redirect_uris": {is.PostLogoutRedirectURIs, typed.PostLogoutRedirectURIs},
		"resources":                 {is.Resources, typed.Resources},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			now[name] = says{Lines: pair[0]}
		}
	}
	for name, pair := range map[string][2]string{
		"mfa": {is.MFA, typed.MFA}, "consent": {is.Consent, typed.Consent}, "access_token": {is.AccessToken, typed.AccessToken},
	} {
		if pair[0] != pair[1] {
			now[name] = says{ID: "admin.client." + name + "." + pair[0]}
		}
	}
	boxes(now, is, typed)
	then := livesOf(typed)
	for i, one := range livesOf(is) {
		if one.Says.ID != then[i].Says.ID || one.Says.Count != then[i].Says.Count || one.Says.Usual != then[i].Says.Usual {
			now[one.Name] = one.Says
		}
	}
	text("jwks", keysText(typed), keysText(is))
	return now
}

// texts are the fields of one line, as they are and as they were typed.
func texts(is, typed *oauth.Client) map[string][2]string {
	return map[string][2]string{
		"name": {is.Name, typed.Name}, "auth_method": {is.AuthMethod, typed.AuthMethod}, "jwks_uri": {is.JWKSURI, typed.JWKSURI},
		"scopes": {words(is.Scopes), words(typed.Scopes)}, "id_token_alg": {is.IDTokenAlg, typed.IDTokenAlg},
		"backchannel_logout_uri":  {is.BackchannelLogoutURI, typed.BackchannelLogoutURI},
		"frontchannel_logout_uri": {is.FrontchannelLogoutURI, typed.FrontchannelLogoutURI},
		"client_uri":              {is.ClientURI, typed.ClientURI}, "logo_uri": {is.LogoURI, typed.LogoURI}, "policy_uri": {is.PolicyURI, typed.PolicyURI},
		"tos_uri": {is.TermsURI, typed.TermsURI},
	}
}

// boxes adds to now what is ticked otherwise.
func boxes(now map[string]says, is, typed *oauth.Client) {
	box := func(name string, is, typed bool) {
		switch {
		case is && !typed:
			now[name] = says{ID: "admin.client.now.on"}
		case typed && !is:
			now[name] = says{ID: "admin.client.now.off"}
		}
	}
	box("require_pkce", is.RequirePKCE, typed.RequirePKCE)
	box("require_pushed_authorization_requests", is.RequirePAR, typed.RequirePAR)
	box("dpop_bound_access_tokens", is.DPoPBound, typed.DPoPBound)
	box("introspect", is.Introspect, typed.Introspect)
	for name, pair := range map[string][2][]string{"grant_types": {is.GrantTypes, typed.GrantTypes}, "groups": {is.Groups, typed.Groups}} {
		for _, one := range slices.Concat(pair[0], pair[1]) {
			box(name+"/"+one, slices.Contains(pair[0], one), slices.Contains(pair[1], one))
		}
	}
}

// keysText writes the keys of client as the form has them, "" for none.
func keysText(client *oauth.Client) string {
	if client.JWKS == nil {
		return ""
	}
	text, err := json.MarshalIndent(client.JWKS, "", "  ")
	if err != nil {
		return "" // keys that were read can be written
	}
	return string(text)
}
