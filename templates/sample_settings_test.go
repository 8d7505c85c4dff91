package templates

import (
	"strings"
	"time"
)

type lengthField struct{ Name, Number, Unit string }

type policyFormData struct {
	Required string
	Groups   []struct {
		Name    string
		Checked bool
	}
	Grace, Idle, Overall lengthField
	Version              int64
	May                  bool
	Problem              *mistake
	IdleNow, OverallNow  time.Duration
	Changes              []policyDiff
}

type policyDiff struct {
	What, Was          string
	WasD               time.Duration
	Length, Everything bool
	WasZ               bool
}

type signingKey struct {
	KID, Alg, State            string
	CreatedAt, ActiveAt, Until time.Time
}

type signingKeys struct {
	Keys       []signingKey
	May, Waits bool
	Key        signingKey
	Reason     string
	Problem    *mistake
}

type brandLink struct{ Label, URL string }

type brandingData struct {
	Name, Color, Help, HelpURL, Greeting string
	LogoURL                              string
	Version                              int64
	Links                                [3]brandLink
	Now                                  *brandingData
	May                                  bool
	Problem                              *mistake
}

type mailTrialData struct {
	Server, TLS, Advice, Detail string
	OK                          bool
	Took                        time.Duration
	Lines                       []struct{ From, Text string }
}

type mailingData struct {
	Mailing, May bool
	Address      string
	Trial        *mailTrialData
	Problem      *mistake
}

func settingSamples() []sample {
	type group = struct {
		Name    string
		Checked bool
	}
	policy := policyFormData{Required: "groups", Groups: []group{{"board", false}, {typedIn, true}}, Grace: lengthField{"grace", "14", "days"},
		Idle: lengthField{"idle", "", "days"}, Overall: lengthField{"overall", "8", "hours"}, Version: 3, May: true, IdleNow: 24 * time.Hour, OverallNow: 8 * time.Hour}
	read := policy
	read.May, read.Required, read.Groups = false, "everybody", nil
	wrong := policy
	wrong.Grace.Number, wrong.Problem = "some", &mistake{"problem.admin.length", "grace", nil}
	type change struct {
		What, Was, Is                 string
		WasD, IsD                     time.Duration
		Length, WasZ, IsZ, Everything bool
	}
	type reach struct {
		Asked, Enrolled, Because int
		Hit                      []string
		Unsettled                bool
	}
	type list struct {
		URL, Group string
		Role       bool
	}
	type preview struct {
		Changes []change
		Reach   reach
		Lists   []list
		Fields  []struct{ Name, Value string }
	}
	keys := signingKeys{May: true, Key: signingKey{"k-2", "RS256", "signing", noon, noon, time.Time{}}, Keys: []signingKey{
		{"k-2", "RS256", "signing", noon, noon, time.Time{}}, {strings.Repeat("longkey", 9), "ES256", "waiting", noon, noon.Add(time.Minute), time.Time{}},
		{"k-1", "RS256", "published", noon.AddDate(0, -3, 0), noon.AddDate(0, -3, 0), noon.AddDate(0, 0, 2)}, {"k-0", "EdDSA", "revoked", noon, noon, noon}}}
	waits := keys
	waits.Waits, waits.Problem = true, &mistake{"problem.admin.key_waits", "", nil}
	reason := keys
	reason.Problem = &mistake{"problem.admin.reason", "reason", nil}
	brand := brandingData{Name: "Acme", Color: "#0a7d5a", Help: "the help desk", HelpURL: "mailto:help@acme.example", Greeting: typedIn, LogoURL: "/static/brand/abc.png",
		Version: 2, Links: [3]brandLink{{"Privacy", "https://acme.example/privacy"}}, May: true}
	stale := brand
	stale.Now, stale.Problem = &brandingData{Name: "Other", Color: "#000000"}, &mistake{"problem.admin.stale", "", nil}
	bad := brand
	bad.Problem = &mistake{"problem.brand.logo.svg", "logo", nil}
	failed := mailingData{Mailing: true, May: true, Address: "root@example.com", Trial: &mailTrialData{Server: "mail.example.com:587", Advice: "The server refused user or password.",
		Detail: "535 no", Took: time.Second, Lines: []struct{ From, Text string }{{"server", "220 mail.example.com"}, {"client", "AUTH PLAIN …"}, {"note", "TLS 1.3"}}}}
	sent := failed
	sent.Trial = &mailTrialData{OK: true, Server: "mail.example.com:587", TLS: "TLS 1.3", Took: time.Second}
	return []sample{
		{"console policy", "admin_policy", policy}, {"console policy read", "admin_policy", read}, {"console policy wrong", "admin_policy", wrong},
		{"console policy stale", "admin_policy", policyFormData{May: true, Grace: policy.Grace, Idle: policy.Idle, Overall: policy.Overall, Problem: &mistake{"problem.admin.policy_stale", "", nil},
			Changes: []policyDiff{{What: "groups", Was: typedIn}, {What: "idle", Length: true, WasZ: true}, {What: "required", Was: "everybody", Everything: true}}}},
		{"console policy preview", "admin_policy_preview", preview{
			Changes: []change{{What: "required", Was: "groups", Is: "everybody", Everything: true}, {What: "groups", Was: typedIn, Is: ""},
				{What: "grace", Length: true, WasD: 24 * time.Hour}, {What: "idle", Length: true, WasZ: true, IsD: time.Hour}},
			Reach: reach{120, 80, 40, []string{"alice", typedIn}, true}, Lists: []list{{"/admin/people?group=staff&mfa=none", typedIn, false}, {"/admin/people?mfa=none&role=any", "", true}, {"/admin/people?mfa=none", "", false}},
			Fields: []struct{ Name, Value string }{{"groups", typedIn}}}},
		{"console policy same", "admin_policy_preview", preview{}},
		{"console keys", "admin_keys", keys}, {"console keys wait", "admin_keys", waits},
		{"console keys rotate", "admin_keys_rotate", keys}, {"console keys retire", "admin_keys_retire", reason},
		{"console branding", "admin_branding", brand}, {"console branding stale", "admin_branding", stale}, {"console branding wrong", "admin_branding", bad},
		{"console branding read", "admin_branding", brandingData{}},
		{"console mail", "admin_mail", failed}, {"console mail sent", "admin_mail", sent}, {"console mail off", "admin_mail", mailingData{May: true}},
		{"console mail nowhere", "admin_mail", mailingData{Mailing: true, May: true}},
	}
}
