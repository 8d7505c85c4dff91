package mfahttp

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/mfa"
)

// options asks for options as the page's script does, and returns the ceremony.
func (b *browser) options(path, challenge string) string {
	b.t.Helper()
	got := b.post(path)
	var answer struct {
		Ceremony string
		Options  struct{ Challenge string }
	}
	if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
		b.t.Fatalf("%s: status %d: %v", path, got.StatusCode, err)
	}
	if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" ||
		got.Header.Get("Cache-Control") != "no-store" || answer.Ceremony == "" || answer.Options.Challenge != challenge {
		b.t.Fatalf("%s: %d %v %+v", path, got.StatusCode, got.Header, answer)
	}
	return answer.Ceremony
}

// withKey gives the user a passkey and returns its id.
func (b *browser) withKey() string {
	b.t.Helper()
	ceremony := b.options(pathAddOptions, "create")
	b.leads(b.post(pathAddKey, "ceremony", ceremony, "response", "made", "name", "Laptop"), "/account/mfa")
	keys := b.keys.have[b.user.Subject]
	return keys[len(keys)-1].ID
}

func (b *browser) showsKey(response string) *http.Response {
	b.t.Helper()
	return b.post("/mfa?way=passkey", "ceremony", b.options(pathVerifyOptions, "get"), "response", response)
}

// Whoever has a passkey and nothing else is asked for it, and gets recovery codes after they have used it once.
func TestAPasskeyAlone(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.get(pathAddKey + "?request=r1")
	b.shows(http.StatusOK, PageAddKey)
	want := &AddKeyPage{Person: asAlice, Query: "request=r1", OptionsURL: pathAddOptions + "?request=r1", Script: PasskeyScript(), First: true,
		Forced: true, Client: "Focus HQ", Cancel: true, BackURL: pathStart + "?request=r1"}
	if diff := cmp.Diff(want, b.data); diff != "" {
		t.Error(diff)
	}
	b.leads(b.post(pathAddKey+"?request=r1", "cancel", "1"), "/cancelled")
	ceremony := b.options(pathAddOptions, "create")
	b.leads(b.post(pathAddKey, "ceremony", ceremony, "response", "made", "name", "Laptop"), pathNewCodes+"?make=1")
	if len(b.proved)+len(b.passed) != 0 {
		t.Error("a registration was taken for a proof")
	}

	b.get("/mfa?request=r1")
	b.shows(http.StatusOK, PageKey)
	page := &KeyPage{Asking: Asking{Person: asAlice, Query: "request=r1&way=passkey", Client: "Focus HQ", RememberDays: 30, Cancel: true},
		OptionsURL: "/mfa/passkey?request=r1", Script: PasskeyScript(), Notice: "notice.key_try", Abandon: true}
	if diff := cmp.Diff(page, b.data); diff != "" {
		t.Error(diff)
	}
	b.get("/mfa?way=pair") // there is no app
	b.shows(http.StatusOK, PageKey)
	if notice := b.data.(*KeyPage).Notice; notice != "" {
		t.Errorf("the notice is repeated: %q", notice)
	}
	b.leads(b.showsKey(b.keys.have[alice.Subject][0].ID), "/resume")
	if want := [][]string{{"pwd", "hwk", "mfa"}}; !cmp.Equal(b.passed, want) {
		t.Errorf("passed %v, want %v", b.passed, want)
	}

	b.get(pathNewCodes + "?make=1")
	b.shows(http.StatusOK, PageRecoveryCodes)
	codes := b.data.(*RecoveryCodesPage)
	if !codes.First || !codes.Replacement || len(codes.Codes) != 10 {
		t.Errorf("the first codes: %+v", codes)
	}
	b.leads(b.post(pathNewCodes+"?make=1", "set", codes.Set, "saved", "1"), pathSettings)
	b.get(pathSettings)
	settings := b.data.(*SettingsPage)
	if settings.Notice != "notice.key_on" || !settings.Enrolled || settings.CodesLeft != 10 || len(settings.Passkeys) != 1 ||
		len(settings.Authenticators) != 0 || settings.AddKeyURL != pathAddKey {
		t.Errorf("settings: %+v", settings)
	}
	b.get("/mfa?way=recovery")
	b.shows(http.StatusOK, PageRecovery)
	if page := b.data.(*RecoveryPage); page.BackURL != "" || page.KeyURL != "/mfa?way=passkey" {
		t.Errorf("ways back: %+v", page)
	}
	b.leads(b.post("/mfa?way=recovery", "recovery_code", codes.Codes[0]), "/resume")
	b.get(pathNewCodes + "?make=1")
	if b.data.(*RecoveryCodesPage).First {
		t.Error("first codes for the second time")
	}
}

func TestAPasskeyBesideAnApp(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone, _ := b.enrolled()
	b.get("/mfa?way=passkey")
	b.shows(http.StatusOK, PageChallenge)
	if page := b.data.(*ChallengePage); page.KeyURL != "" {
		t.Errorf("a way without a passkey: %+v", page)
	}
	b.leads(b.post(pathVerifyOptions), pathChallenge)

	b.get(pathAddKey)
	if page := b.data.(*AddKeyPage); page.First || page.Forced || page.Cancel || page.BackURL != pathSettings {
		t.Errorf("a further factor: %+v", page)
	}
	ceremony := b.options(pathAddOptions, "create")
	b.leads(b.post(pathAddKey, "ceremony", ceremony, "response", "made"), pathSettings)
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.key_added" {
		t.Errorf("notice %q", page.Notice)
	}
	key := b.keys.have[alice.Subject][0].ID

	b.get("/mfa")
	b.shows(http.StatusOK, PageChallenge)
	if page := b.data.(*ChallengePage); page.KeyURL != "/mfa?way=passkey" {
		t.Errorf("%+v", page)
	}
	b.get("/mfa?way=passkey")
	b.shows(http.StatusOK, PageKey)
	if page := b.data.(*KeyPage); page.CodeURL != "/mfa" || page.Notice != "" {
		t.Errorf("%+v", page)
	}
	b.get("/mfa?way=recovery")
	if page := b.data.(*RecoveryPage); page.BackURL != "/mfa" || page.KeyURL != "/mfa?way=passkey" {
		t.Errorf("%+v", page)
	}
	b.leads(b.showsKey(key), "/resume")
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")
	if want := [][]string{{"pwd", "hwk", "mfa"}, {"pwd", "otp", "mfa"}}; !cmp.Equal(b.passed, want) {
		t.Errorf("passed %v, want %v", b.passed, want)
	}
}

// Each wrong answer has its sentence; none passes.
func TestPasskeysThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	key := b.withKey()
	removed := b.withKey()
	b.leads(b.post(pathRemoveKey, "id", removed), pathSettings)
	b.user = bob
	bobs := b.withKey()
	begun := b.options(pathVerifyOptions, "get")
	b.user = alice

	spent := b.options(pathVerifyOptions, "get")
	b.leads(b.post("/mfa", "ceremony", spent, "response", key), "/resume")
	for _, row := range []struct{ ceremony, response, want string }{
		{spent, key, "key.ceremony"}, // twice
		{begun, key, "key.ceremony"}, // another person's
		{"", key, "key.ceremony"},
		{b.options(pathAddOptions, "create"), key, "key.ceremony"}, // of another purpose
		{b.options(pathVerifyOptions, "get"), "", "key.malformed"},
		{b.options(pathVerifyOptions, "get"), "<script>", "key.malformed"},
		{b.options(pathVerifyOptions, "get"), strings.Repeat("x", formLimit), "key.malformed"}, // too large to be read
		{b.options(pathVerifyOptions, "get"), bobs, "key.refused"},
		{b.options(pathVerifyOptions, "get"), removed, "key.refused"},
		{b.options(pathVerifyOptions, "get"), "copy of " + key, "key.cloned"},
	} {
		b.post("/mfa?way=passkey", "ceremony", row.ceremony, "response", row.response, "remember", "1")
		b.shows(http.StatusUnprocessableEntity, PageKey)
		if b.problem() != row.want {
			t.Errorf("%.30q: %q, want %q", row.response, b.problem(), row.want)
		}
	}
	if page := b.data.(*KeyPage); page.Problem.Args["Left"] != 2 {
		t.Errorf("three were counted: %+v", page.Problem)
	}
	if len(b.passed) != 1 || remembered(b) != "" {
		t.Errorf("passed %v, remembered %q", b.passed, remembered(b))
	}

	ceremony := b.options(pathVerifyOptions, "get")
	b.keys.err = errStore
	if b.post("/mfa", "ceremony", ceremony, "response", key); !errors.Is(b.failed, errStore) {
		t.Errorf("a store that fails: %v", b.failed)
	}
	if b.get(pathSettings); !errors.Is(b.failed, errStore) {
		t.Errorf("a store that fails: %v", b.failed)
	}
	b.keys.err = nil
	if err := b.mfa.Disable(t.Context(), alice.Subject); err != nil {
		t.Fatal(err)
	}
	b.leads(b.post("/mfa?request=r1", "ceremony", ceremony, "response", key), "/resume?id=r1")
	if len(b.passed) != 1 {
		t.Error("passed after it was turned off")
	}
}

func TestPasskeysAreCountedAndSealed(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone, codes := b.enrolled()
	key := b.withKey()
	open := b.options(pathVerifyOptions, "get")
	for range 5 {
		b.showsKey("key-of-nobody")
		b.shows(http.StatusUnprocessableEntity, PageKey)
	}
	got := b.post("/mfa", "ceremony", open, "response", key)
	b.shows(http.StatusTooManyRequests, PageKey)
	page := b.data.(*KeyPage)
	if b.problem() != "throttled" || page.Wait == 0 || got.Header.Get("Retry-After") == "" {
		t.Errorf("in the pause: %+v", page)
	}
	b.get("/mfa?way=passkey")
	b.shows(http.StatusOK, PageKey)
	if page := b.data.(*KeyPage); b.problem() != "throttled" || page.Wait == 0 {
		t.Errorf("the page in the pause: %+v", page)
	}
	b.noOptions(b.post(pathVerifyOptions), http.StatusTooManyRequests, "problem.throttled", page.Wait)

	b.pass(time.Hour)
	for range 55 {
		b.showsKey("key-of-nobody")
		b.pass(time.Hour)
	}
	b.get("/mfa?way=passkey")
	b.shows(http.StatusOK, PageKey)
	if b.problem() != "key.sealed" {
		t.Errorf("sealed: %q", b.problem())
	}
	b.noOptions(b.post(pathVerifyOptions), http.StatusUnprocessableEntity, "problem.key.sealed", 0)
	_, late, err := b.keys.BeginVerify(t.Context(), alice.Subject) // begun before
	if err != nil {
		t.Fatal(err)
	}
	b.post("/mfa", "ceremony", late, "response", key)
	b.shows(http.StatusForbidden, PageKey)
	if b.problem() != "key.sealed" {
		t.Errorf("sealed: %q", b.problem())
	}
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); !page.KeySealed || page.Sealed {
		t.Errorf("settings: %+v", page)
	}
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume") // has a count of its own
	b.leads(b.post("/mfa?way=recovery", "recovery_code", codes[0]), "/resume")
	b.leads(b.showsKey(key), "/resume")
}

// noOptions fails the test unless got says why there are none.
func (b *browser) noOptions(got *http.Response, status int, problem string, wait time.Duration) {
	b.t.Helper()
	var answer struct {
		Problem, Words string
		Wait           int
	}
	if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
		b.t.Fatal(err)
	}
	if wait > 0 && answer.Words != plainDuration(wait) || wait == 0 && answer.Words != "" {
		b.t.Errorf("%v in words: %q", wait, answer.Words)
	}
	if got.StatusCode != status || answer.Problem != problem || answer.Wait != int(wait/time.Second) ||
		(got.Header.Get("Retry-After") != "") != (wait > 0) {
		b.t.Errorf("%d %+v, Retry-After %s", got.StatusCode, answer, got.Header.Get("Retry-After"))
	}
}

// The box is honoured after a passkey as after a code.
func TestAPasskeyRemembersTheDevice(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	key := b.withKey()
	b.leads(b.showsKey(key), "/resume")
	if remembered(b) != "" {
		t.Error("remembered without being asked to")
	}
	b.leads(b.post("/mfa", "ceremony", b.options(pathVerifyOptions, "get"), "response", key, "remember", "1"), "/resume")
	if remembered(b) == "" {
		t.Error("not remembered")
	}
	strict := newWorld(t).browser()
	strict.waiting.NoBox = true
	key = strict.withKey()
	strict.get("/mfa")
	if days := strict.data.(*KeyPage).RememberDays; days != 0 {
		t.Errorf("a box for %d days", days)
	}
	strict.leads(strict.post("/mfa", "ceremony", strict.options(pathVerifyOptions, "get"), "response", key, "remember", "1"), "/resume")
	if remembered(strict) != "" {
		t.Error("remembered against the host's will")
	}
}

func TestAddingAPasskeyWantsAFreshProof(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	key := b.withKey()
	ceremony := b.options(pathAddOptions, "create")
	b.stale = true
	b.leads(b.get(pathAddKey), "/login?to=")
	b.leads(b.post(pathAddOptions), "/login?to=")
	b.leads(b.post(pathRemoveKey, "id", key), "/login?to=")
	b.leads(b.get(pathAddOptions+"?request=r1"), pathAddKey+"?request=r1") // where the fresh sign-in leads back to
	b.leads(b.get(pathRemoveKey), pathSettings)
	if n := len(b.keys.have[alice.Subject]); n != 1 {
		t.Errorf("%d passkeys", n)
	}
	// What was begun behind a proof is ended: the device has made the passkey.
	b.leads(b.post(pathAddKey, "ceremony", ceremony, "response", "made"), pathNewCodes)
	if n := len(b.keys.have[alice.Subject]); n != 2 {
		t.Errorf("%d passkeys", n)
	}
	b.user = User{}
	for _, path := range []string{pathVerifyOptions, pathAddOptions, pathAddKey, pathRenameKey, pathRemoveKey} {
		b.leads(b.post(path, "id", key, "name", "Mine"), "/login")
	}
}

func TestNewPasskeysThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	spent := b.options(pathAddOptions, "create")
	b.leads(b.post(pathAddKey, "ceremony", spent, "response", "made"), pathNewCodes)
	b.user = bob
	bobs := b.options(pathAddOptions, "create")
	b.user = alice
	other := alice
	other.Session = "another browser"
	b.user = other
	elsewhere := b.options(pathAddOptions, "create")
	b.user = alice
	long := strings.Repeat("n", 65)
	for _, row := range []struct{ ceremony, response, name, want string }{
		{spent, "made", "Laptop", "key.ceremony"},
		{bobs, "made", "Laptop", "key.ceremony"},
		{elsewhere, "made", "Laptop", "key.ceremony"},
		{b.options(pathAddOptions, "create"), "", "Laptop", "key.malformed"},
		{b.options(pathAddOptions, "create"), "bad", "Laptop", "key.refused"},
		{b.options(pathAddOptions, "create"), "taken", "Laptop", "key.taken"},
		{b.options(pathAddOptions, "create"), "made", long, "settings.name name"},
	} {
		b.post(pathAddKey, "ceremony", row.ceremony, "response", row.response, "name", row.name)
		b.shows(http.StatusUnprocessableEntity, PageAddKey)
		if page := b.data.(*AddKeyPage); b.problem() != row.want || page.Name != row.name {
			t.Errorf("%s: %q, want %q; %+v", row.response, b.problem(), row.want, page)
		}
	}
	b.post(pathAddKey, "response", strings.Repeat("x", formLimit))
	if b.problem() != "key.malformed" {
		t.Errorf("too large to be read: %q", b.problem())
	}

	late := b.options(pathAddOptions, "create")
	for len(b.keys.have[alice.Subject]) < mfa.MaxCredentials {
		b.withKey()
	}
	b.post(pathAddKey, "ceremony", late, "response", "made")
	b.shows(http.StatusUnprocessableEntity, PageAddKey)
	if page := b.data.(*AddKeyPage); b.problem() != "key.too_many" || page.Problem.Args["Max"] != 10 {
		t.Errorf("one more: %+v", page.Problem)
	}
	b.noOptions(b.post(pathAddOptions), http.StatusUnprocessableEntity, "problem.key.too_many", 0)
	b.get(pathAddKey)
	b.shows(http.StatusUnprocessableEntity, PageAddKey)
	if b.problem() != "key.too_many" {
		t.Errorf("the page beforehand: %q", b.problem())
	}
}

func TestPasskeysInTheSettings(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	key := b.withKey()
	b.user = bob
	for _, path := range []string{pathRenameKey, pathRemoveKey} {
		b.post(path, "id", key, "name", "Mine")
		b.shows(http.StatusNotFound, PageSettings)
		if b.problem() != "settings.not_found" {
			t.Errorf("%s: %q", path, b.problem())
		}
	}
	b.user = alice
	b.leads(b.post(pathRenameKey, "id", key, "name", "Old laptop"), pathSettings)
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.renamed" || page.Passkeys[0].Name != "Old laptop" {
		t.Errorf("renamed: %+v", page)
	}
	b.post(pathRenameKey, "id", key, "name", "")
	b.shows(http.StatusUnprocessableEntity, PageSettings)
	if id := b.data.(*SettingsPage).RenameID; id != key {
		t.Errorf("the name of %q", id)
	}
	b.leads(b.post(pathRemoveKey, "id", key), pathSettings)
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.Notice != "notice.off" || page.Enrolled || len(page.Passkeys) != 0 ||
		page.AddKeyURL != pathAddKey {
		t.Errorf("removed: %+v", page)
	}
	b.get(pathStart)
	if page := b.data.(*StartPage); page.KeyURL != pathAddKey {
		t.Errorf("start: %+v", page)
	}
}

func TestAHostWithoutPasskeys(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	key := b.withKey()
	b.config.Passkeys = nil
	for _, target := range []string{pathVerifyOptions, pathAddKey, pathAddOptions, pathRenameKey, pathRemoveKey, PasskeyScript()} {
		if got := b.post(target, "id", key, "name", "Mine"); got.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %d", target, got.StatusCode)
		}
		if got := b.get(target); got.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %d", target, got.StatusCode)
		}
	}
	b.get("/mfa?way=passkey")
	b.shows(http.StatusOK, PageChallenge)
	if page := b.data.(*ChallengePage); page.KeyURL != "" {
		t.Errorf("%+v", page)
	}
	b.post("/mfa?way=passkey", "ceremony", "c", "response", key)
	b.shows(http.StatusUnprocessableEntity, PageChallenge)
	b.get("/mfa?way=recovery")
	if page := b.data.(*RecoveryPage); page.KeyURL != "" || page.BackURL != "/mfa" {
		t.Errorf("%+v", page)
	}
	b.get(pathSettings)
	if page := b.data.(*SettingsPage); page.AddKeyURL != "" || page.Passkeys != nil {
		t.Errorf("%+v", page)
	}
	b.get(pathStart)
	if page := b.data.(*StartPage); page.KeyURL != "" {
		t.Errorf("%+v", page)
	}
	b.leads(b.post("/mfa", "code", phone.Code(0)), "/resume")

	b.config.Passkeys, b.user = b.keys, bob
	b.withKey()
	b.config.Passkeys = nil
	b.get("/mfa") // what they have is asked for nowhere: there is only the way out
	b.shows(http.StatusOK, PageRecovery)
	if page := b.data.(*RecoveryPage); page.KeyURL != "" || page.BackURL != "" {
		t.Errorf("%+v", page)
	}
}

func TestThePasskeyScript(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.user = User{} // the page of the sign-in has it too
	got := b.get(PasskeyScript())
	body, err := io.ReadAll(got.Body)
	if err != nil || string(body) != passkeyScript || got.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		got.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%d %v %v", got.StatusCode, got.Header, err)
	}
	// A page of another version, from a replica that is not updated yet, has a script too; no cache keeps it as that one's.
	got = b.get("/mfa/passkey-0123456789abcdef.js")
	body, err = io.ReadAll(got.Body)
	if err != nil || string(body) != passkeyScript || got.Header.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("another version: %d %v %v", got.StatusCode, got.Header, err)
	}
	for _, name := range []string{"passkey-.js", "passkey-0123456789abcde.js", "passkey-0123456789ABCDEF.js", "passkey-0123456789abcdef.mjs", "a", "passkey-0123456789abcdef.js/"} {
		if got := b.get("/mfa/" + name); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	for _, used := range []string{"eval(", "innerHTML", "http:", "https:"} {
		if strings.Contains(passkeyScript, used) {
			t.Errorf("the script holds %q", used)
		}
	}
	if !slices.Contains(strings.Split(PasskeyScript(), "/"), "mfa") {
		t.Error(PasskeyScript())
	}
}
