package templates

import "time"

type clientFacts struct {
	ID, Name, AuthMethod, JWKSURI, Consent, MFA, AccessToken, IDTokenAlg                                                 string
	RedirectURIs, PostLogoutRedirectURIs, Scopes, GrantTypes, Groups, Resources                                          []string
	BackchannelLogoutURI, FrontchannelLogoutURI, ClientURI, LogoURI, PolicyURI, TermsURI                                 string
	AccessTokenLife, IDTokenLife, RefreshTokenIdle, RefreshTokenLife                                                     int
	RequirePKCE, RequirePAR, DPoPBound, Introspect, Disabled, Dynamic, Reserved, Public, Machine, Former, HasSecret, May bool
	CreatedAt, UpdatedAt                                                                                                 time.Time
	URL                                                                                                                  string
}

func clientSamples() []sample {
	type problem struct {
		Words, Network string
		Times          int
		Last           time.Time
		Settled        bool
	}
	type page struct {
		Text        string
		Clients     []clientFacts
		First, Next string
		Unknown     []problem
		May         bool
		Problem     *mistake
	}
	type secret struct {
		Former       bool
		Since, Until time.Time
	}
	type says struct {
		ID    string
		Count int64
		Usual bool
		Lines []string
	}
	type life struct {
		Name string
		Says says
	}
	last := []life{{"access_token_life", says{ID: "duration.minutes", Count: 20}}, {"id_token_life", says{ID: "duration.hours", Count: 1, Usual: true}}}
	type text struct{ Name, Note, Text string }
	type endpoint struct{ Name, URL string }
	type one struct {
		clientFacts
		Problems  []problem
		Secrets   []secret
		Samples   []text
		Endpoints []endpoint
		Issuer    string
		Lives     []life
	}
	type kind struct{ ID, Name, Summary string }
	type pick = struct {
		Name    string
		Checked bool
	}
	type form struct {
		clientFacts
		New                                                   bool
		Action, BackURL                                       string
		Kinds                                                 []kind
		Version                                               int
		Redirects, Logouts, ScopeText, ResourceText, JWKSText string
		GrantChoices, GroupChoice                             []pick
		Lives                                                 []lengthField
		Now                                                   map[string]says
		NowVersion                                            int64
		Problem                                               *mistake
	}
	type deed struct {
		Deed, Action, BackURL, Name, ID, Confirm string
		Version                                  int
		Danger, AskID                            bool
		Overlap                                  *lengthField
		Problem                                  *mistake
	}
	type shown struct {
		Name, ID, Secret, BackURL string
		Until                     time.Time
	}
	type lives struct{ AccessToken, IDToken, RefreshTokenLife int }
	type preview struct {
		Refused, Steps, AMR []string
		ACR                 string
		Unreachable         bool
		Lives               *lives
	}
	type claims struct{ What, Text string }
	type tokens struct {
		ID, Name, URL, Person, Scopes, Situation string
		Situations                               []string
		Preview                                  *preview
		Lives                                    []life
		Claims                                   []claims
		Problem                                  *mistake
	}
	app := clientFacts{ID: "focus-hq", Name: typedIn, AuthMethod: "client_secret_basic", Consent: "ask", MFA: "required", AccessToken: "jwt", IDTokenAlg: "RS256",
		RedirectURIs: []string{"https://focus.example/callback"}, Scopes: []string{"openid"}, GrantTypes: []string{"authorization_code"}, Groups: []string{"staff", typedIn},
		CreatedAt: noon, UpdatedAt: noon, URL: "/admin/clients/focus-hq", HasSecret: true, Former: true, May: true, RequirePKCE: true, AccessTokenLife: 600}
	own := clientFacts{ID: "idp-console", Name: "Console", MFA: "always", Consent: "skip", AccessToken: "jwt", Reserved: true, Public: true, Disabled: true, Dynamic: true, Machine: true}
	wrong := []problem{{typedIn, "192.0.2.0", 3, noon, false}, {"settled", "2001:db8::/64", 1, noon, true}}
	edit := form{clientFacts: app, Action: "/admin/clients/focus-hq/edit", BackURL: app.URL, Version: 2, Redirects: typedIn, GrantChoices: []pick{{"authorization_code", true}},
		GroupChoice: []pick{{typedIn, true}}, Lives: []lengthField{{"access_token_life", "10", "minutes"}}}
	bad := edit
	bad.New, bad.Problem = true, &mistake{"problem.admin.client", "redirect_uris", map[string]any{"Name": "redirect_uris", "Other": "not absolute"}}
	stale := edit
	stale.Problem, stale.NowVersion = &mistake{"problem.admin.client_stale", "", nil}, 3
	stale.Now = map[string]says{"name": {Lines: []string{typedIn}}, "redirect_uris": {Lines: []string{typedIn, "https://b"}}, "mfa": {ID: "admin.client.mfa.always"},
		"logo_uri": {}, "require_pkce": {ID: "admin.client.now.off"}, "grant_types/authorization_code": {ID: "admin.client.now.off"}, "access_token_life": last[1].Says}
	return []sample{
		{"console client form stale", "admin_client_form", stale},
		{"console clients", "admin_clients", page{Text: typedIn, Clients: []clientFacts{app, own}, First: "/admin/clients", Next: "/admin/clients?cursor=c", Unknown: wrong, May: true}},
		{"console clients none", "admin_clients", page{Text: "x", Problem: &mistake{"problem.admin.clients", "", nil}}}, {"console clients empty", "admin_clients", page{May: true}},
		{"console client", "admin_client", one{app, wrong, []secret{{Since: noon}, {true, noon, noon}}, []text{{"Go", typedIn, "code"}}, []endpoint{{"token_endpoint", "https://x"}}, "https://id.example", last}},
		{"console client own", "admin_client", one{clientFacts: own}},
		{"console client kinds", "admin_client_form", form{New: true, BackURL: "/admin/clients", Kinds: []kind{{"web", "Web app", "Server"}}}},
		{"console client form", "admin_client_form", edit}, {"console client form wrong", "admin_client_form", bad},
		{"console client deed", "admin_client_deed", deed{Deed: "rotate_secret", Action: "/admin/clients/x/rotate-secret", BackURL: app.URL, Name: typedIn, ID: "x", Overlap: &lengthField{"overlap", "1", "days"}}},
		{"console client delete", "admin_client_deed", deed{Deed: "delete", Action: "/admin/clients/x/delete", BackURL: app.URL, Name: typedIn, ID: "x", Danger: true, AskID: true,
			Problem: &mistake{"problem.admin.confirm_client", "confirm", nil}}},
		{"console client secret", "admin_client_secret", shown{typedIn, "x", "s3cret", app.URL, noon}}, {"console client secret over", "admin_client_secret", shown{"x", "x", "s", app.URL, time.Time{}}},
		{"console tokens", "admin_client_preview", tokens{"x", typedIn, app.URL, typedIn, "openid", "code", []string{"password", "code"},
			&preview{[]string{"groups"}, []string{"password", "second_factor"}, []string{"pwd", "otp", "mfa"}, "aal2", true, &lives{600, 3600, 0}}, last, []claims{{"id_token", typedIn}}, nil}},
		{"console tokens nobody", "admin_client_preview", tokens{Name: "x", URL: app.URL, Problem: &mistake{"problem.admin.no_such_name", "person", nil}}},
	}
}
