package templates

import (
	"slices"
	"time"
)

// consoleSamples are those of the console's pages. Each topic's are in its own file.
func consoleSamples() []sample {
	return slices.Concat(frontSamples(), peopleSamples(), groupSamples(), clientSamples(), settingSamples(), trailSamples())
}

func frontSamples() []sample {
	return []sample{
		{"console front", "admin_front", frontSample()},
		{"console front fresh", "admin_front", struct {
			frontData
			Fresh []freshData
		}{frontData{Version: "1.4.0"}, []freshData{
			{"admin.fresh.you", "admin.fresh.you_text", "", "", true},
			{"admin.fresh.app", "admin.fresh.app_text", "/admin/first", "admin.fresh.app_do", false},
			{"admin.fresh.mail", "admin.fresh.mail_text", "/admin/mail", "admin.fresh.mail_do", false},
		}}},
		{"console front, all is well", "admin_front", struct {
			frontData
			Fresh []freshData
		}{frontData{Stats: frontSample().Stats[:1], All: true}, nil}},
		{"console front, nothing for the help desk", "admin_front", struct {
			frontData
			Fresh []freshData
		}{frontData{Stats: frontSample().Stats[:1]}, nil}},
		{"console first", "admin_first", firstData{Kind: "web", Kinds: firstKinds}},
		{"console first wrong", "admin_first", firstData{"native", "Focus <HQ>", "app", firstKinds,
			&mistake{"problem.admin.first_uri_form", "redirect_uri", map[string]any{"Other": "it has no scheme"}}}},
		{"console first made", "admin_first_made", firstMade("rP9-secret<")},
		{"console first made, public", "admin_first_made", firstMade("")},
		{"console first try", "admin_first_try", tryData{Client: clientNames{"focus-hq", "Focus HQ"}, AppURL: "http://localhost:3000"}},
		{"console first tried", "admin_first_try", tryData{clientNames{"focus-hq", "Focus HQ"}, "",
			[]signInData{{"root", noon, "pwd otp mfa", "aal2"}, {"al<ice", noon, "pwd", "aal1"}},
			[]troubleData{{"a wrong client secret came", noon, false}, {"the redirect_uri is not registered", noon, true}}}},
		{"console message", "admin_message", messageData{"admin.forbidden.title", "admin.forbidden.text", "/admin", "admin.forbidden.link", true}},
		{"console kept", "admin_kept", struct {
			Action string
			Fields []struct{ Name, Value string }
			Lost   bool
		}{"/admin/people/p1/reset-mfa", []struct{ Name, Value string }{{"reason", "lost <phone>"}}, true}},
	}
}

// What the front page gets.
type (
	freshData struct {
		Title, Text, URL, Label string
		Done                    bool
	}
	todoData struct {
		Level, Text string
		Args        map[string]any
		Why         string
		URL, Label  string
	}
	statData struct {
		Value, Label string
		Count        int
		URL, Level   string
	}
	factData struct {
		Name, Text string
		Args       map[string]any
	}
	rowData struct {
		Day         time.Time
		Share       string
		Part, Whole int
	}
	lineData struct {
		Line, Area          string
		Width, Height, Half int
		First, Last         time.Time
		Rows                []rowData
	}
	dayData struct {
		Day                         time.Time
		Refused, WrongCodes, Failed int
	}
	columnData struct{ X, Y, Width, Height string }
	failedData struct {
		Columns                        []columnData
		Width, Height, Half, Most, Sum int
		First, Last                    time.Time
		Days                           []dayData
	}
	clientNames  struct{ ID, Name string }
	appErrorData struct {
		Client clientNames
		Words  string
		Last   time.Time
	}
	frontData struct {
		Fresh    []freshData
		Todo     []todoData
		All      bool
		Stats    []statData
		Adoption *lineData
		Failed   *failedData
		Apps     []appErrorData
		Facts    []factData
		Version  string
	}
)

func frontSample() frontData {
	return frontData{
		Todo: []todoData{
			{"bad", "admin.todo.trail", map[string]any{"Count": 1, "Problem": "seq 7, row 18d7: the row was altered"}, "admin.todo.trail_why", "/admin/audit", "admin.todo.trail_do"},
			{"bad", "admin.todo.letters", map[string]any{"Count": 3, "Error": "535 <denied>", "Age": 3 * time.Hour}, "admin.todo.letters_why", "/admin/mail", "admin.todo.letters_do"},
			{"warn", "admin.todo.codes", map[string]any{"Count": 1}, "admin.todo.codes_why", "/admin/people?mfa=few", "admin.todo.people_do"},
			{"info", "admin.todo.key_waits", map[string]any{"Count": 1, "Alg": "RS256", "At": noon}, "", "/admin/keys", "admin.todo.keys_do"},
		},
		Stats: []statData{
			{"12\u202f040", "admin.stat.people", 12040, "/admin/people", ""}, {"67 %", "admin.stat.adoption", 8000, "#adoption", ""},
			{"1", "admin.stat.few", 1, "/admin/people?mfa=few", "warn"},
		},
		Adoption: &lineData{"M0 90L900 60", "M0 90L900 60L900 180L0 180Z", 900, 180, 90, noon.AddDate(0, 0, -1), noon,
			[]rowData{{noon, "67 %", 8000, 12040}, {noon.AddDate(0, 0, -1), "50 %", 6000, 12000}}},
		Failed: &failedData{[]columnData{{"4.5", "0", "21", "180"}}, 900, 180, 90, 12, 12, noon.AddDate(0, 0, -29), noon,
			[]dayData{{noon, 9, 3, 12}}},
		Apps:    []appErrorData{{clientNames{"focus-hq", "Focus <HQ>"}, `the redirect_uri is not registered: "https://x/<script>" came`, noon}},
		Facts:   []factData{{"admin.fact.key", "admin.fact.key_since", map[string]any{"Alg": "RS256", "Age": 40 * 24 * time.Hour}}},
		Version: "1.4.0",
	}
}

// What the pages of a first app get.
type (
	kindData  struct{ ID, Title, Text string }
	firstData struct {
		Kind, Name, RedirectURI string
		Kinds                   []kindData
		Problem                 *mistake
	}
	codeData struct{ Name, Text, Note string }
	urlData  struct{ Name, URL string }
	madeData struct {
		Client                clientNames
		Secret, Proof, Issuer string
		Samples               []codeData
		Endpoints             []urlData
		TryURL                string
	}
	signInData struct {
		Who      string
		At       time.Time
		AMR, ACR string
	}
	troubleData struct {
		Text    string
		At      time.Time
		Settled bool
	}
	tryData struct {
		Client   clientNames
		AppURL   string
		SignIns  []signInData
		Problems []troubleData
	}
)

var firstKinds = []kindData{{"web", "admin.first.web", "admin.first.web_text"}, {"native", "admin.first.native", "admin.first.native_text"}}

func firstMade(secret string) madeData {
	const issuer = "https://id.example.com"
	return madeData{clientNames{"focus-hq", "Focus HQ"}, secret, "admin.made.no_secret", issuer,
		[]codeData{{"Go", "config := oauth2.Config{\n\tClientID: \"focus-hq\",\n}\n", ""}, {"Django", "OIDC_RP_CLIENT_ID = \"focus-hq\"\n", "Needs <mozilla>."}},
		[]urlData{{"discovery", issuer + "/.well-known/openid-configuration"}, {"token_endpoint", issuer + "/oauth2/token"}}, "/admin/first/focus-hq"}
}
