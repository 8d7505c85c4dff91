package templates

import (
	"fmt"
	"html/template"
	"strings"
	"testing"
	"time"

	"github.com/skip2/go-qrcode"
)

// The data of every page in its states. The structs stand for those of the packages that render the pages.
type (
	mistake struct {
		ID, Field string
		Args      map[string]any
	}
	loginData struct {
		Query, Client, Username, Account, Forgot, Other string
		ClientHost, Logo, PolicyURI, TermsURI           string
		Expected, Notice                                string
		Fixed, Own, Cancel, Dynamic, Device             bool
		Passkey                                         *passkeyData
		Problem                                         *mistake
	}
	passkeyData struct{ OptionsURL, Script string }
	personData  struct{ Account, AnotherURL string }
	mfaData     struct {
		personData
		Own, Insists, SignedIn                             bool
		AppName, AppURL                                    string
		Query, Entry, Client, RecoveryURL, KeyURL, PairURL string
		RememberDays                                       int
		Cancel                                             bool
		Wait                                               time.Duration
		Problem                                            *mistake
	}
	keyData struct {
		Abandon bool
		personData
		Query, OptionsURL, Script, Client, Notice, CodeURL, RecoveryURL string
		RememberDays                                                    int
		Cancel                                                          bool
		Wait                                                            time.Duration
		Problem                                                         *mistake
	}
	pairData struct {
		personData
		Query, Entry, Client, Code1, Code2, BackURL, RecoveryURL string
		RememberDays, Remaining                                  int
		Cancel                                                   bool
		Wait                                                     time.Duration
		Problem                                                  *mistake
	}
	addKeyData struct {
		personData
		Query, OptionsURL, Script, Name, Client, BackURL string
		First, Forced, Cancel                            bool
		Problem                                          *mistake
	}
	recoveryData struct {
		personData
		Own                            bool
		Query, BackURL, KeyURL, Client string
		CodesLeft                      int
		Cancel                         bool
		Problem                        *mistake
	}
	scopeData struct {
		Name              string
		Required, Checked bool
	}
	consentData struct {
		Query, Client, ClientHost, Account string
		Logo, PolicyURI, TermsURI          string
		Dynamic                            bool
		Life                               time.Duration
		Device                             bool
		Scopes                             []scopeData
		Problem                            *mistake
	}
	authenticatorData struct {
		ID, Name            string
		AddedAt, LastUsedAt time.Time
		Offset              time.Duration
		Provisional         bool
	}
	credentialData struct {
		ID, Name            string
		AddedAt, LastUsedAt time.Time
		Synced              bool
	}
	deviceData struct {
		ID, Browser, System                string
		FirstUsedAt, LastUsedAt, ExpiresAt time.Time
		This                               bool
	}
	settingsData struct {
		Enrolled                 bool
		Sealed, RecoverySealed   bool
		KeySealed                bool
		DevicesForgotten         bool
		RenameID, NewName        string
		Authenticators           []authenticatorData
		Passkeys                 []credentialData
		AddKeyURL                string
		CodesLeft, RememberDays  int
		Devices                  []deviceData
		BackName, BackURL, Query string
		Notice                   string
		Forced, Demanded         bool
		Overdue                  bool
		Postpone, DueBy          time.Time
		Problem                  *mistake
	}
	startData struct {
		personData
		Query, Client, BackName, BackURL, KeyURL, ReturnURL string
		Notice                                              string
		Forced, Cancel, Enrolled                            bool
		Postpone, Overdue                                   time.Time
		Problem                                             *mistake
	}
	scanData struct {
		LeaveURL                                             string
		AnotherURL                                           string
		Query, Key, KeyRaw, Account, Issuer, Algorithm, Next string
		QR                                                   template.HTML
		URI                                                  template.URL
		Digits, Period                                       int
		ExpiresAt                                            time.Time
		Second                                               bool
	}
	codesData struct {
		personData
		Query, Entry, Code1, Code2, ScanURL string
		LeaveURL                            string
		Second                              bool
		Remaining                           int
		Problem                             *mistake
	}
	sheetData struct {
		Address, LeaveURL, GoOn                          string
		CodesLeft                                        int
		AnotherURL                                       string
		Query, Set, Product, Account, Date, DownloadName string
		Codes                                            []string
		DownloadURI                                      template.URL
		Reloaded, Replacement, First, Steps              bool
		Notice                                           string
		Problem                                          *mistake
	}
	doneData struct {
		Query                            string
		Second, DevicesForgotten         bool
		Provisional                      bool
		Name, BackName, BackURL, NextURL string
		Offset                           time.Duration
	}
	remindData struct {
		personData
		CodesLeft             int
		UsedCode, NoApp       bool
		MakeURL, GoOn, AddURL string
	}
	accountData struct {
		Username, Name, Email string
		CodesLeft             int
		FewCodes, Console     bool
	}
	setupData struct {
		Query, Username, Email, Name, Token string
		MinPassword                         int
		Problem                             *mistake
	}
	messageData struct {
		Title, Text, Link, Label string
		Alert                    bool
	}
	errorData struct {
		Code, Description, Parameter, RequestID string
		Status                                  int
	}
	passwordData struct {
		Action, Query, Username, Token string
		Current, First, Forced, Cancel bool
		MinPassword                    int
		Problem                        *mistake
	}
	resetData struct {
		Query, Username string
		Mailing         bool
		Problem         *mistake
	}
	sessionData struct {
		ID, Browser, System, Address string
		CreatedAt, SeenAt            time.Time
		This                         bool
	}
	sentenceData struct {
		ID   string
		Args map[string]any
	}
	activityRowData struct {
		At                                      time.Time
		What                                    sentenceData
		Name, By, App, Browser, System, Address string
	}
	activityData struct {
		Rows            []activityRowData
		Next            string
		Later, Enrolled bool
	}
	sessionsData struct {
		Sessions []sessionData
		Notice   string
	}
	appData struct {
		ID, Name string
		Scopes   []string
		At       time.Time
		Own      bool
	}
	appsData struct {
		Apps   []appData
		Notice string
	}
	deviceCodeData struct {
		UserCode string
		Problem  *mistake
	}
	logoutData    struct{ Client, Query, Stay string }
	signedOutData struct {
		Target, Home string
		Frames       []string
	}
)

type sample struct {
	name, page string
	data       any
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const sampleKey = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

const sampleURI = "otpauth://totp/Focus%20HQ:alice@example.com?secret=" + sampleKey +
	"&issuer=Focus%20HQ&algorithm=SHA1&digits=6&period=30"

func samples(t *testing.T) []sample {
	const query = "request=r%2F1&to=%2Faccount"
	entry := "Focus HQ: alice@example.com"
	wrong := func(id, field string, args map[string]any) *mistake { return &mistake{id, field, args} }
	settings := settingsData{Enrolled: true, Query: "client_id=focus-hq", BackName: "Focus HQ",
		BackURL: "https://focus.example/profile", CodesLeft: 8, RememberDays: 30, Notice: "notice.renamed",
		Authenticators: []authenticatorData{
			{"a1", "Authenticator app", noon.AddDate(0, -2, 0), noon.Add(-3 * time.Hour), -6 * time.Minute, false},
			{"a2", "Tablet at home", noon.AddDate(0, 0, -1), time.Time{}, -time.Minute, true}},
		Devices: []deviceData{
			{"d1", "Firefox", "Windows", noon.AddDate(0, 0, -5), noon, noon.AddDate(0, 0, 25), true},
			{"d2", "Safari", "iPhone", noon.AddDate(0, 0, -9), noon.AddDate(0, 0, -2), noon.AddDate(0, 0, 21), false}}}
	few := settings
	few.CodesLeft, few.Devices, few.Authenticators, few.Forced, few.Notice = 2, nil, few.Authenticators[1:], true, ""
	few.Demanded = true
	few.Sealed, few.Problem = true, wrong("problem.settings.name", "name", nil)
	few.RenameID, few.NewName = "a2", strings.Repeat("long ", 60)
	const addKey, script = "/account/mfa/passkeys/add?client_id=focus-hq", "/mfa/passkey-0123456789ab.js"
	settings.AddKeyURL = addKey
	settings.Passkeys = []credentialData{
		{"k1", "Passkey", noon.AddDate(0, -1, 0), noon.Add(-26 * time.Hour), true},
		{"k2", "Security key on my key ring", noon.AddDate(0, 0, -4), time.Time{}, false}}
	keyOnly := settings
	keyOnly.Authenticators, keyOnly.Passkeys, keyOnly.Notice, keyOnly.KeySealed = nil, settings.Passkeys[:1], "notice.key_removed", true
	keyOnly.DevicesForgotten = true
	scan := scanData{LeaveURL: "/account/mfa/enrol/start?request=r1", Query: query, Key: spaced(sampleKey), KeyRaw: sampleKey, Account: "alice@example.com",
		Issuer: "Focus HQ", Algorithm: "SHA1", Next: "/account/mfa/enrol/codes?enrolment=e1&request=r%2F1",
		QR: qr(t, sampleURI), URI: sampleURI, Digits: 6, Period: 30, ExpiresAt: noon.Add(30 * time.Minute)}
	further := scan
	further.Second, further.LeaveURL = true, "/account/mfa"
	codes := codesData{Query: "enrolment=e1", Entry: entry, ScanURL: "/account/mfa/enrol/scan?enrolment=e1", Remaining: 17}
	stated := codes
	stated.personData, stated.LeaveURL = personData{"carol@example.com", "/login?other=1&request=r1"}, "/account/mfa/enrol/start?request=r1"
	swapped := codes
	swapped.Code1, swapped.Code2 = "123456", "654321"
	swapped.Problem = wrong("problem.enrol.clock", "code1", map[string]any{"Offset": -61 * time.Minute})
	sheet := sheetData{LeaveURL: "/account/mfa/enrol/start?request=r1", Address: "https://id.example.com", Query: query, Set: "s1", Product: "Focus HQ", Account: "alice", Date: "24 November 2026",
		DownloadName: "focus-hq-recovery-codes.txt", DownloadURI: "data:text/plain;charset=utf-8,AB3D"}
	for i := range 10 {
		sheet.Codes = append(sheet.Codes, fmt.Sprintf("AB3D-7KMP-Q2RS-9WX%d", i))
	}
	again := sheet
	again.Reloaded, again.Replacement, again.Problem = true, true, wrong("problem.enrol.unsaved", "saved", nil)
	first := sheet
	first.Steps, first.First, first.Replacement, first.LeaveURL, first.GoOn = true, true, true, "", "/account/mfa/codes/later?request=r1"
	more := first
	more.Steps, more.Notice = false, "notice.key_added"
	again.CodesLeft, again.LeaveURL = 2, "/account/mfa"
	none := again
	none.CodesLeft, none.Problem, none.Reloaded = 0, nil, true
	kept := none
	kept.CodesLeft, kept.LeaveURL, kept.GoOn, kept.Reloaded = 3, "", first.GoOn, false
	key := keyData{personData: personData{"carol@example.com", "/login?other=1"}, Query: query, OptionsURL: "/mfa/passkey", Script: script, Client: "Focus HQ", RememberDays: 30, CodeURL: "/mfa",
		RecoveryURL: "/mfa?way=recovery", Cancel: true}
	tried := keyData{Abandon: true, OptionsURL: "/mfa/passkey", Script: script, Notice: "notice.key_try"}
	refused := keyData{OptionsURL: "/mfa/passkey", Script: script, RememberDays: 30, RecoveryURL: "/mfa?way=recovery",
		Problem: wrong("problem.key.refused", "", map[string]any{"Left": 2})}
	pair := pairData{personData: personData{"carol@example.com", "/login?other=1"}, Query: "way=pair&" + query, Entry: entry, Client: "Focus HQ", RememberDays: 30, Remaining: 12, BackURL: "/mfa",
		RecoveryURL: "/mfa?way=recovery", Cancel: true}
	unpaired := pair
	unpaired.Code1, unpaired.Code2, unpaired.Problem = "123456", "123456", wrong("problem.pair.same", "code2", nil)
	passkey := &passkeyData{"/login/passkey/options", script}
	throttled := mfaData{Entry: entry, Wait: 15 * time.Minute, RecoveryURL: "/mfa?way=recovery"}
	const goOn = "/account/mfa/codes/later?request=r1"
	carol := personData{"carol@example.com", "/login?other=1&request=r1"}
	scopes := []scopeData{{"openid", true, true}, {"profile", false, true}, {"email", false, true}, {"acme.read", false, false}}
	return append([]sample{
		{"login", "login", loginData{Query: query, Client: "Focus HQ", Cancel: true, Forgot: "/reset"}},
		{"login told", "login", loginData{Query: query, Client: "Notes", ClientHost: "app.example", Logo: "/oauth2/logo/notes?v=1", Dynamic: true,
			PolicyURI: "https://app.example/privacy", TermsURI: "https://app.example/terms", Cancel: true}},
		{"login expected", "login", loginData{Query: query, Client: "Focus HQ", Username: "alice", Expected: "alice", Cancel: true}},
		{"login device", "login", loginData{Query: query, Client: "Living-room TV", Device: true, Cancel: true}},
		{"login wrong", "login", loginData{Query: query, Username: "alice", Problem: wrong("problem.credentials", "password", map[string]any{"Left": 2})}},
		{"login passkey", "login", loginData{Query: query, Client: "Focus HQ", Cancel: true, Forgot: "/reset", Passkey: passkey}},
		{"login passkey again", "login", loginData{Query: query, Fixed: true, Account: "alice", Other: "/login?other=1", Passkey: passkey,
			Problem: wrong("problem.passkey.other", "", nil)}},
		{"login again", "login", loginData{Query: query, Fixed: true, Account: "alice", Other: "/login?other=1"}},
		{"login again for the settings", "login", loginData{Query: query, Own: true, Fixed: true, Account: "alice", Other: "/login?other=1",
			Problem: wrong("problem.credentials_again", "password", nil)}},
		{"login after a reset", "login", loginData{Query: "other=1", Notice: "notice.password_reset", Forgot: "/reset"}},
		{"reset", "reset", resetData{Query: query, Mailing: true}},
		{"reset wrong", "reset", resetData{Mailing: true, Problem: wrong("problem.username.empty", "username", nil)}},
		{"reset without mail", "reset", resetData{Query: query}},
		{"mfa of the settings", "mfa", mfaData{personData: carol, Own: true, SignedIn: true, AppName: "Focus HQ", AppURL: "https://focus.example/profile", Entry: entry, RecoveryURL: "/mfa?way=recovery"}},
		{"mfa every time", "mfa", mfaData{personData: carol, Insists: true, Entry: entry, Client: "Focus HQ", RecoveryURL: "/mfa?way=recovery", Cancel: true}},
		{"mfa every time, device", "mfa", mfaData{Insists: true, Entry: entry, RecoveryURL: "/mfa?way=recovery", Cancel: true}},
		{"mfa", "mfa", mfaData{personData: carol, Query: query, Entry: entry, Client: "Focus HQ", RememberDays: 30, RecoveryURL: "/mfa?way=recovery", Cancel: true}},
		{"mfa wrong", "mfa", mfaData{Entry: entry, RememberDays: 1, RecoveryURL: "/mfa?way=recovery",
			Problem: wrong("problem.code.clock", "code", map[string]any{"Offset": -6 * time.Minute, "Left": 1})}},
		{"mfa throttled", "mfa", throttled},
		{"mfa ways", "mfa", mfaData{Entry: entry, RememberDays: 30, RecoveryURL: "/mfa?way=recovery", KeyURL: "/mfa?way=passkey",
			PairURL: "/mfa?way=pair", Problem: wrong("problem.code.wrong", "code", nil)}},
		{"pair", "mfa_pair", pair},
		{"pair wrong", "mfa_pair", unpaired},
		{"key", "mfa_key", key},
		{"key tried first", "mfa_key", tried},
		{"key refused", "mfa_key", refused},
		{"key throttled", "mfa_key", keyData{Script: script, CodeURL: "/mfa", RecoveryURL: "/mfa?way=recovery", Wait: time.Minute}},
		{"add key", "mfa_add_key", addKeyData{Query: query, OptionsURL: "/account/mfa/passkeys/options", Script: script, BackURL: "/account/mfa"}},
		{"add key first", "mfa_add_key", addKeyData{personData: carol, Query: query, Script: script, First: true, Forced: true, Client: "Focus HQ", Cancel: true,
			BackURL: "/account/mfa/enrol/start"}},
		{"add key wrong", "mfa_add_key", addKeyData{Script: script, Name: strings.Repeat("long ", 20), BackURL: "/account/mfa",
			Problem: wrong("problem.settings.name", "name", nil)}},
		{"recovery passkey", "recovery", recoveryData{KeyURL: "/mfa?way=passkey", CodesLeft: 10}},
		{"recovery", "recovery", recoveryData{personData: carol, Query: query, BackURL: "/mfa", CodesLeft: 3, Cancel: true}},
		{"recovery none", "recovery", recoveryData{BackURL: "/mfa", Client: "Focus HQ", Cancel: true}},
		{"recovery wrong", "recovery", recoveryData{BackURL: "/mfa", CodesLeft: 5, Problem: wrong("problem.recovery.wrong", "recovery_code", nil)}},
		{"consent", "consent", consentData{Query: query, Client: "Focus HQ", ClientHost: "focus.example", Account: "alice", Scopes: scopes}},
		{"consent device", "consent", consentData{Query: query, Client: "Television", Account: "alice", Device: true, Scopes: scopes}},
		{"consent told", "consent", consentData{Query: query, Client: "Notes", ClientHost: "app.example", Account: "alice", Scopes: scopes,
			Logo: "/oauth2/logo/notes?v=1", TermsURI: "https://app.example/terms", Dynamic: true, Life: 90 * 24 * time.Hour}},
		{"start", "mfa_start", startData{Query: query, BackName: "Focus HQ", BackURL: "https://focus.example/"}},
		{"start or passkey", "mfa_start", startData{Notice: "notice.key_abandoned", KeyURL: addKey, Forced: true}},
		{"start further", "mfa_start", startData{Enrolled: true, Problem: wrong("problem.enrol.too_many", "", map[string]any{"Max": 5})}},
		{"start overdue", "mfa_start", startData{personData: carol, Forced: true, Overdue: noon}},
		{"start after a recovery code", "mfa_start", startData{personData: carol, Enrolled: true, Cancel: true, ReturnURL: "/account/mfa/codes?request=r1"}},
		{"start forced", "mfa_start", startData{personData: carol, Query: query, Client: "Focus HQ", Forced: true, Cancel: true, Postpone: noon}},
		{"scan", "mfa_scan", scan},
		{"scan further", "mfa_scan", further},
		{"codes", "mfa_codes", codes},
		{"codes forced", "mfa_codes", stated},
		{"codes wrong", "mfa_codes", swapped},
		{"sheet", "mfa_recovery", sheet},
		{"sheet again", "mfa_recovery", again},
		{"sheet of a passkey", "mfa_recovery", first},
		{"sheet of another passkey", "mfa_recovery", more},
		{"sheet after none", "mfa_recovery", none},
		{"sheet after the reminder", "mfa_recovery", kept},
		{"done", "mfa_done", doneData{Name: "Authenticator app", Offset: 6 * time.Minute, BackName: "Focus HQ", BackURL: "https://focus.example/"}},
		{"done in sign-in", "mfa_done", doneData{Name: "Tablet", NextURL: "/oauth2/authorize?resume=r1"}},
		{"done further", "mfa_done", doneData{Name: "Tablet", Query: "client_id=focus-hq", Second: true, DevicesForgotten: true, Offset: -time.Minute, Provisional: true}},
		{"remind", "mfa_remind", remindData{CodesLeft: 3, MakeURL: "/account/mfa/codes", GoOn: goOn}},
		{"remind of the last", "mfa_remind", remindData{MakeURL: "/account/mfa/codes", GoOn: goOn}},
		{"remind every year", "mfa_remind", remindData{CodesLeft: 8, MakeURL: "/account/mfa/codes", GoOn: goOn}},
		{"remind after a code", "mfa_remind", remindData{carol, 7, true, false, "/account/mfa/codes", goOn, "/account/mfa/enrol/start?more=1"}},
		{"remind after the last code", "mfa_remind", remindData{carol, 0, true, false, "/account/mfa/codes", goOn, "/account/mfa/enrol/start?more=1"}},
		{"remind after a code, passkey", "mfa_remind", remindData{carol, 7, true, true, "/account/mfa/codes", goOn, "/account/mfa/enrol/start?more=1"}},
		{"settings", "mfa_settings", settings},
		{"settings passkey only", "mfa_settings", keyOnly},
		{"settings off, passkeys", "mfa_settings", settingsData{AddKeyURL: addKey}},
		{"settings few", "mfa_settings", few},
		{"settings off", "mfa_settings", settingsData{Query: "client_id=focus-hq", Notice: "off"}},
		{"settings off, demanded", "mfa_settings", settingsData{Demanded: true}},
		{"settings off, overdue", "mfa_settings", settingsData{Demanded: true, Overdue: true, Notice: "notice.off"}},
		{"settings off, demanded later", "mfa_settings", settingsData{Demanded: true, DueBy: noon.AddDate(0, 0, 14)}},
		{"account", "account", accountData{Username: "alice", Name: "Alice Example", Email: "alice@example.com"}},
		{"account-few", "account", accountData{Username: "alice", Name: "Alice Example", Email: "alice@example.com", CodesLeft: 2, FewCodes: true}},
		{"account of staff", "account", accountData{Username: "alice", Name: "Alice Example", Email: "alice@example.com", Console: true}},
		{"setup", "setup", setupData{Query: "token=t1", Token: "t1", MinPassword: 15, Problem: wrong("problem.password.too_short", "password", map[string]any{"Min": 8})}},
		{"password", "password", passwordData{Action: "/account/password", Username: "alice", Current: true, MinPassword: 8, Problem: wrong("problem.password.wrong", "current", nil)}},
		{"password none yet", "password", passwordData{Action: "/account/password", Username: "alice", MinPassword: 15, First: true}},
		{"password new", "password", passwordData{Action: "/reset/password", Username: "alice", MinPassword: 15, Token: "t1"}},
		{"password first", "password", passwordData{Action: "/invite", Username: "alice", MinPassword: 15, Token: "t1", First: true}},
		{"password forced", "password", passwordData{Action: "/account/password", Query: query, Username: "alice", Current: true, MinPassword: 15, Forced: true, Cancel: true}},
		{"password forced, no app", "password", passwordData{Action: "/account/password", Username: "alice", Current: true, MinPassword: 15, Forced: true}},
		{"activity", "activity", activityData{[]activityRowData{
			{noon, sentenceData{ID: "trail.sign_in.password"}, "", "activity.by.you", "Focus HQ", "Firefox", "Windows", "192.0.2.7"},
			{noon, sentenceData{ID: "trail.mfa.code_refused"}, "", "activity.by.password", "", "Firefox", "Windows", "192.0.2.9"},
			{noon, sentenceData{ID: "trail.mfa.reset"}, "", "activity.by.administrator", "", "", "", ""},
			{noon, sentenceData{ID: "trail.mfa.authenticator_added"}, "Phone", "activity.by.you", "", "", "", ""},
			{noon, sentenceData{ID: "trail.other", Args: map[string]any{"Action": "x.y"}}, "", "activity.by.nobody", "", "curl", "", "2001:db8::1"},
		}, "from=abc", true, true}},
		{"activity, nothing", "activity", activityData{}},
		{"sessions", "sessions", sessionsData{[]sessionData{{"s1", "Firefox", "Windows", "192.0.2.7", noon, noon, true},
			{"s2", "Safari", "iPhone", "2001:db8::7", noon.AddDate(0, 0, -3), noon.AddDate(0, 0, -1), false},
			{"s3", "python-requests", "", "192.0.2.7", noon, noon, false}}, "notice.session_ended"}},
		{"apps", "apps", appsData{Apps: []appData{{"focus-hq", "Focus HQ", []string{"profile", "email", "acme.read"}, noon, false},
			{"intranet", "Intranet", nil, noon, true}}}},
		{"apps none", "apps", appsData{Notice: "notice.app_revoked"}},
		{"device", "device", deviceCodeData{}},
		{"device wrong", "device", deviceCodeData{UserCode: "BCDF", Problem: wrong("problem.device.unknown", "user_code", nil)}},
		{"message", "message", messageData{"request.gone.title", "request.gone.text", "/account", "request.gone.link", true}},
		{"reset sent", "message", messageData{Title: "reset.sent.title", Text: "reset.sent.text", Link: "/login", Label: "reset.back"}},
		{"reset gone", "message", messageData{"reset.gone.title", "reset.gone.text", "/reset", "reset.gone.link", true}},
		{"device connected", "message", messageData{Title: "device_code.connected.title", Text: "device_code.connected.text"}},
		{"device refused", "message", messageData{Title: "device_code.refused.title", Text: "device_code.refused.text"}},
		{"device over", "message", messageData{"device_code.over.title", "device_code.over.text", "/device", "device_code.over.link", true}},
		{"error", "error", errorData{"invalid_request", "The redirect_uri is not registered.", "redirect_uri", "01J9X", 400}},
		{"error ours", "error", errorData{RequestID: "01J9X", Status: 500}},
		{"error flood", "error", errorData{"temporarily_unavailable", "Too many.", "", "01J9X", 429}},
		{"error missing", "error", errorData{Status: 404}},
		{"logout", "logout", logoutData{"Focus HQ", "proven=x", "https://focus.example/"}},
		{"signed out", "signed_out", signedOutData{Home: "https://focus.example/"}},
		{"signed out onward", "signed_out", signedOutData{Target: "https://focus.example/bye?state=a%22b", Frames: []string{"https://rp.example/fc?sid=1", "https://rp.example;sandbox/"}}},
	}, consoleSamples()...)
}

func find(t *testing.T, name string) sample {
	t.Helper()
	for _, s := range samples(t) {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no sample %q", name)
	return sample{}
}

func spaced(key string) string {
	var groups []string
	for ; len(key) > 4; key = key[4:] {
		groups = append(groups, key[:4])
	}
	return strings.Join(append(groups, key), " ")
}

func qr(t *testing.T, text string) template.HTML {
	t.Helper()
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		t.Fatal(err)
	}
	code.DisableBorder = true
	modules := code.Bitmap()
	n := len(modules)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" id="qr-image" role="img" aria-label="QR code for Focus HQ" viewBox="-4 -4 %d %d" shape-rendering="crispEdges"><rect x="-4" y="-4" width="%d" height="%d" fill="#fff"/><path d="`, n+8, n+8, n+8, n+8)
	for y, row := range modules {
		for x, dark := range row {
			if dark {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	return template.HTML(b.String() + `" fill="#000"/></svg>`)
}
