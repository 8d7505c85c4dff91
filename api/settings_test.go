package api_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
)

// jsonNames returns the names of the members of a struct.
func jsonNames(v any) []string {
	var out []string
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}

func TestPolicyIsLockedAndPreviewed(t *testing.T) {
	f := start(t)
	f.AddUser("alice")
	f.want(f.call("POST", "/groups", object{"name": "staff"}), 201)
	now := f.want(f.call("GET", "/policy", nil), 200)
	want := object{"mfa_required": "everybody", "mfa_required_groups": []string{"staff"}, "mfa_grace": 3600}
	reach := f.want(f.call("POST", "/policy/preview", want), 200)
	if reach.get(t, "asked") != 1.0 {
		t.Errorf("%s", reach.body)
	}
	f.refused(f.call("PUT", "/policy", want), 428, "precondition-required")
	set := f.want(f.call("PUT", "/policy", want, "If-Match", now.header.Get("ETag")), 200)
	if set.get(t, "mfa_grace") != 3600.0 || set.header.Get("ETag") == now.header.Get("ETag") {
		t.Errorf("%s", set.body)
	}
	f.refused(f.call("PUT", "/policy", want, "If-Match", now.header.Get("ETag")), 412, "stale")
	want["mfa_required_groups"] = []string{"nobody"}
	f.refused(f.call("PUT", "/policy", want, "If-Match", set.header.Get("ETag")), 422, "invalid")
}

func TestBrandingAndLogo(t *testing.T) {
	f := start(t)
	now := f.want(f.call("GET", "/branding", nil), 200)
	look := object{"name": "Acme", "color": "#1f4fbf", "links": []object{{"label": "Imprint", "url": "https://acme.example/"}}}
	set := f.want(f.call("PUT", "/branding", look, "If-Match", now.header.Get("ETag")), 200)
	f.refused(f.call("PUT", "/branding", look, "If-Match", now.header.Get("ETag")), 412, "stale")
	bad := f.refused(f.call("PUT", "/branding", object{"color": "blue"}, "If-Match", set.header.Get("ETag")), 422, "invalid")
	if !strings.Contains(bad.body, `"#/color"`) {
		t.Errorf("%s", bad.body)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 64, 32))); err != nil {
		t.Fatal(err)
	}
	with := f.want(f.call("PUT", "/branding/logo", picture.String(), "Content-Type", "image/png", "If-Match", set.header.Get("ETag")), 200)
	if with.get(t, "logo.width") != 64.0 || with.get(t, "name") != "Acme" {
		t.Errorf("%s", with.body)
	}
	if logo := f.as("", "GET", with.get(t, "logo.url").(string), nil); logo.status != 200 || logo.header.Get("Content-Type") != "image/png" {
		t.Errorf("%d %v", logo.status, logo.header)
	}
	f.refused(f.call("PUT", "/branding/logo", "<svg/>", "Content-Type", "image/png", "If-Match", with.header.Get("ETag")), 422, "invalid")
	f.refused(f.call("PUT", "/branding/logo", strings.Repeat("x", 70_000), "Content-Type", "image/png", "If-Match", with.header.Get("ETag")), 413, "too-large")
	without := f.want(f.call("DELETE", "/branding/logo", nil, "If-Match", with.header.Get("ETag")), 200)
	if without.get(t, "logo") != nil || without.get(t, "name") != "Acme" {
		t.Errorf("%s", without.body)
	}
}

func TestKeys(t *testing.T) {
	f := start(t)
	before := f.want(f.call("GET", "/keys", nil), 200)
	f.want(f.call("POST", "/keys/rotate", nil), 200)
	f.refused(f.call("POST", "/keys/rotate", nil), 409, "conflict")
	var keys struct{ Items []struct{ KID, State string } }
	before.into(t, &keys)
	f.refused(f.call("POST", "/keys/"+keys.Items[0].KID+"/retire", object{"reason": " "}), 422, "invalid")
	f.want(f.call("POST", "/keys/"+keys.Items[0].KID+"/retire", object{"reason": "it leaked"}), 200)
	f.refused(f.call("POST", "/keys/"+keys.Items[0].KID+"/retire", object{"reason": "again"}), 404, "not-found")
}

func TestMailIsTriedByPeople(t *testing.T) {
	f := start(t)
	f.refused(f.call("POST", "/mail/test", nil), 409, "conflict")
	root := f.somebody(f.app(), "root", account.Administrator)
	tried := f.want(f.as(root.token(), "POST", "/mail/test", nil), 200)
	if tried.get(t, "ok") != true {
		t.Errorf("%s", tried.body)
	}
	g := start(t, func(c *idp.Config) { c.Mail = nil })
	boss := g.somebody(g.app(), "root", account.Administrator)
	g.refused(g.as(boss.token(), "POST", "/mail/test", nil), 409, "conflict")
}

func TestTheTrailByTheAPI(t *testing.T) {
	f := start(t)
	root := f.somebody(f.app(), "root", account.Administrator)
	token := root.token()
	alice := f.AddUser("alice")
	f.want(f.as(token, "POST", "/people/"+alice.Subject+"/disable", nil), 204)
	page := f.want(f.call("GET", "/audit?limit=1&action=account.disabled&subject="+alice.Subject, nil), 200)
	var found struct {
		Items []struct{ ID, Actor, Client, Subject string }
	}
	page.into(t, &found)
	if len(found.Items) != 1 || found.Items[0].Actor != root.Subject || found.Items[0].Client != "tool" {
		t.Fatalf("%s", page.body)
	}
	one := f.want(f.call("GET", "/audit/"+found.Items[0].ID, nil), 200)
	if one.get(t, "action") != "account.disabled" || one.get(t, "address") != "127.0.0.1" {
		t.Errorf("%s", one.body)
	}
	f.refused(f.call("GET", "/audit/"+found.Items[0].ID+"/explanation", nil), 404, "not-found")
	f.want(f.call("GET", "/audit?action=oauth.authorized&limit=1", nil), 200).into(t, &found)
	explained := f.want(f.call("GET", "/audit/"+found.Items[0].ID+"/explanation", nil), 200)
	if text, _ := explained.get(t, "outcome.text").(string); text == "" {
		t.Errorf("%s", explained.body)
	}
	lines := f.want(f.call("GET", "/audit/export?subject="+alice.Subject, nil), 200)
	for line := range strings.Lines(lines.body) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q", line)
		}
	}
	if lines.header.Get("Content-Type") != "application/x-ndjson" || strings.Count(lines.body, "\n") < 2 {
		t.Errorf("%v %s", lines.header, lines.body)
	}
	done, ok := f.Audit.TurnToVerify() // somebody else, by whichever way
	if !ok {
		t.Fatal("a verification goes on")
	}
	if wait := f.refused(f.call("GET", "/audit/verification", nil), 503, "busy").header.Get("Retry-After"); wait != "30" {
		t.Errorf("Retry-After: %q", wait)
	}
	done()
	if whole := f.want(f.call("GET", "/audit/verification", nil), 200); whole.get(t, "ok") != true {
		t.Errorf("%s", whole.body)
	}
	f.refused(f.call("GET", "/audit?group=none", nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/audit/export?group=none", nil), 400, "invalid-parameter")
	now := time.Now().UTC()
	f.refused(f.call("GET", "/audit?since="+url.QueryEscape(now.Format(time.RFC3339))+"&until="+url.QueryEscape(now.Add(-time.Hour).Format(time.RFC3339)), nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/audit?since=yesterday", nil), 400, "invalid-parameter")
}

func TestFilesOfPeople(t *testing.T) {
	f := start(t)
	f.want(f.call("POST", "/groups", object{"name": "staff"}), 201)
	file := "username,email,name,groups\nalice,alice@example.com,Alice,staff\nbob,,=1+1,\nbad name,,,\nboss,,,nobody\n"
	preview := f.want(f.call("POST", "/people/import?preview=true", file, "Content-Type", "text/csv"), 200)
	if preview.get(t, "created") != 2.0 || preview.get(t, "refused") != 2.0 || preview.get(t, "preview") != true {
		t.Errorf("%s", preview.body)
	}
	if page := f.call("GET", "/people", nil); !strings.Contains(page.body, `"items":[]`) {
		t.Errorf("a preview does something: %s", page.body)
	}
	done := f.want(f.call("POST", "/people/import", file, "Content-Type", "text/csv; charset=utf-8"), 200)
	if done.get(t, "created") != 2.0 || !strings.Contains(done.body, `"pointer":"#/groups","code":"unknown"`) {
		t.Errorf("%s", done.body)
	}
	if again := f.want(f.call("POST", "/people/import", file, "Content-Type", "text/csv"), 200); again.get(t, "unchanged") != 2.0 {
		t.Errorf("%s", again.body)
	}
	lines := f.want(f.call("POST", "/people/import", `{"username":"carol","email_verified":true,"email":"c@example.com"}`, "Content-Type", "application/x-ndjson"), 200)
	if lines.get(t, "created") != 1.0 {
		t.Errorf("%s", lines.body)
	}
	f.refused(f.call("POST", "/people/import", "username,role\nx,administrator\n", "Content-Type", "text/csv"), 422, "invalid")
	f.refused(f.call("POST", "/people/import", strings.Repeat("username\n", 700_000), "Content-Type", "text/csv"), 413, "too-large")
	f.refused(f.call("POST", "/people/import", strings.Repeat("x", 11_000_000), "Content-Type", "text/csv"), 413, "too-large")

	csv := f.want(f.call("GET", "/people/export?sort=username", nil), 200)
	if csv.header.Get("Content-Disposition") != `attachment; filename="people.csv"` || !strings.Contains(csv.body, "'=1+1") || strings.Count(csv.body, "\r\n") != 4 {
		t.Errorf("%v %q", csv.header, csv.body)
	}
	some := f.want(f.call("GET", "/people/export?format=jsonl&columns=username,groups&group=staff", nil), 200)
	if some.body != `{"username":"alice","groups":["staff"]}`+"\n" {
		t.Errorf("%q", some.body)
	}
	f.refused(f.call("GET", "/people/export?columns=password", nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/people/export?format=xml", nil), 400, "invalid-parameter")
}

func TestFigures(t *testing.T) {
	f := start(t)
	f.AddUser("alice")
	a := f.want(f.call("GET", "/figures?days=7", nil), 200)
	if a.get(t, "now.people") != 1.0 {
		t.Errorf("%s", a.body)
	}
}
