package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

func TestSec_AD02_PathAndBodyAgree(t *testing.T) {
	f := start(t)
	alice, bob := f.AddUser("alice").Subject, f.AddUser("bob").Subject
	f.want(f.call("POST", "/groups", object{"name": "one"}), 201)
	a := f.refused(f.call("PATCH", "/people/"+alice, object{"id": bob, "name": "Mallory"}, "If-Match", `"1"`), 400, "id-mismatch")
	if !strings.Contains(a.body, `"#/id"`) {
		t.Errorf("%s", a.body)
	}
	f.want(f.call("PATCH", "/people/"+alice, object{"id": alice, "name": "Alice"}, "If-Match", `"1"`), 200)
	tag := f.call("GET", "/groups/one", nil).header.Get("ETag")
	f.refused(f.call("PATCH", "/groups/one", object{"name": "two", "description": "x"}, "If-Match", tag), 400, "id-mismatch")
	made := f.want(f.call("POST", "/clients", object{"id": "app", "redirect_uris": []string{"https://app.example/"}}), 201)
	f.refused(f.call("PUT", "/clients/app", object{"id": "other"}, "If-Match", made.header.Get("ETag")), 400, "id-mismatch")

	// Things of others are not there.
	f.refused(f.call("DELETE", "/people/"+alice+"/sessions/"+bob, nil), 404, "not-found")
	f.refused(f.call("DELETE", "/people/"+bob+"/devices/x", nil), 404, "not-found")
	for _, id := range []string{"nobody", alice + "x", "..%2F" + alice, "%00", strings.Repeat("a", 128)} {
		f.refused(f.call("GET", "/people/"+id, nil), 404, "not-found")
	}
	f.refused(f.call("GET", "/people/"+strings.Repeat("a", 129), nil), 400, "invalid-parameter")
}

func TestSec_AD05_UnknownMembersAreRefused(t *testing.T) {
	f := start(t)
	alice := f.AddUser("alice")
	before := f.call("GET", "/people/"+alice.Subject, nil).body
	made := f.want(f.call("POST", "/clients", object{"id": "app", "redirect_uris": []string{"https://app.example/"}}), 201)
	policy := f.call("GET", "/policy", nil)
	count := 0
	for _, extra := range []string{"role", "id", "sealed", "admin", "subject", "password", "version", "disabled", "Groups", "GROUPS", "secret", "secret_hash", "dynamic", "reserved"} {
		for _, r := range []struct {
			method, path, tag string
			body              object
			has               string // members that are its own
		}{
			{"POST", "/people", "", object{"username": "new" + extra}, "role groups email_verified"},
			{"PATCH", "/people/" + alice.Subject, `"1"`, object{"name": "x"}, "id groups email_verified"},
			{"POST", "/people/" + alice.Subject + "/role", "", object{"role": "auditor"}, "role"},
			{"POST", "/people/" + alice.Subject + "/reset-mfa", "", object{"reason": "x"}, ""},
			{"POST", "/people/" + alice.Subject + "/disable", "", object{}, ""},
			{"POST", "/people/bulk", "", object{"action": "disable", "people": []string{alice.Subject}}, ""},
			{"POST", "/groups", "", object{"name": "g" + extra}, ""},
			{"POST", "/clients", "", object{"redirect_uris": []string{"https://app.example/"}}, "id disabled groups"},
			{"PUT", "/clients/app", made.header.Get("ETag"), object{"redirect_uris": []string{"https://app.example/"}}, "id disabled groups"},
			{"PUT", "/policy", policy.header.Get("ETag"), object{"mfa_required": "groups", "mfa_required_groups": []string{}, "mfa_grace": 0}, ""},
		} {
			if strings.Contains(" "+r.has+" ", " "+extra+" ") {
				continue
			}
			r.body[extra] = "x"
			a := f.refused(f.call(r.method, r.path, r.body, "If-Match", r.tag), 422, "invalid")
			if !strings.Contains(a.body, `"pointer":"#/`+extra+`","code":"unknown"`) {
				t.Errorf("%s %s with %s: %s", r.method, r.path, extra, a.body)
			}
			count++
		}
	}
	if after := f.call("GET", "/people/"+alice.Subject, nil).body; after != before {
		t.Errorf("changed to %s", after)
	}
	if after := f.call("GET", "/policy", nil).body; after != policy.body {
		t.Errorf("changed to %s", after)
	}
	t.Log(count, "requests")
	f.refused(f.call("GET", "/people?admin=true", nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/people?text=a&text=b", nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/people/"+alice.Subject+"?fields=password", nil), 400, "invalid-parameter")
}

func TestBodiesThatNobodyShouldSend(t *testing.T) {
	f := start(t)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for name, tt := range map[string]struct {
		body, media string
		status      int
		problem     string
	}{
		"twice":           {`{"name":"a","name":"b"}`, "application/json", 400, "malformed"},
		"twice by case":   {`{"name":"a","Name":"b"}`, "application/json", 400, "malformed"},
		"deep":            {deep, "application/json", 400, "malformed"},
		"deep array":      {strings.Repeat("[", 10_000), "application/json", 400, "malformed"},
		"a zero":          {`{"name":"a\u0000"}`, "application/json", 400, "malformed"},
		"cut":             {`{"name":`, "application/json", 400, "malformed"},
		"two values":      {`{"name":"a"} {"name":"b"}`, "application/json", 400, "malformed"},
		"empty":           {"", "application/json", 400, "malformed"},
		"a list":          {`[]`, "application/json", 422, "invalid"},
		"null":            {`null`, "application/json", 422, "invalid"},
		"a number":        {`{"name":7}`, "application/json", 422, "invalid"},
		"too long":        {`{"name":"` + strings.Repeat("a", 65) + `"}`, "application/json", 422, "invalid"},
		"large":           {`{"name":"` + strings.Repeat("a", 70_000) + `"}`, "application/json", 413, "too-large"},
		"a form":          {`name=a`, "application/x-www-form-urlencoded", 415, "unsupported-media-type"},
		"text":            {`{"name":"a"}`, "text/plain", 415, "unsupported-media-type"},
		"no type":         {`{"name":"a"}`, "", 415, "unsupported-media-type"},
		"xml":             {`<a/>`, "application/xml", 415, "unsupported-media-type"},
		"characters":      {`{"name":"a b"}`, "application/json", 422, "invalid"},
		"a missing name":  {`{"description":"x"}`, "application/json", 422, "invalid"},
		"invalid unicode": {"{\"name\":\"a\xff\"}", "application/json", 422, "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			g := *f
			g.T = t
			g.refused(g.call("POST", "/groups", tt.body, "Content-Type", tt.media), tt.status, tt.problem)
		})
	}
	if groups := f.call("GET", "/groups", nil); !strings.Contains(groups.body, `"items":[]`) {
		t.Errorf("%s", groups.body)
	}
	// What is sent wrongly may be a secret: it does not come back.
	a := f.call("POST", "/groups", `{"name": {"password": "tulip gravel monday"}}`)
	if a.status != 422 || strings.Contains(a.body, "tulip") {
		t.Errorf("%s", a.body)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	f := start(t)
	f.refused(f.call("GET", "/nothing", nil), 404, "not-found")
	f.refused(f.call("GET", "", nil), 404, "not-found")
	a := f.refused(f.call("DELETE", "/groups", nil), 405, "method-not-allowed")
	if allow := a.header.Get("Allow"); allow != "GET, HEAD, POST, OPTIONS" {
		t.Error(allow)
	}
	a = f.want(f.as("", "OPTIONS", "/groups", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"), 204)
	if a.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.header)
	}
	if a := f.want(f.call("HEAD", "/people", nil), 200); a.body != "" {
		t.Errorf("%s", a.body)
	}
	f.refused(f.call("TRACE", "/people", nil), 405, "method-not-allowed")
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json"} {
		if got := f.call("GET", "/people", nil).header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// injections are what scanners send.
var injections = []string{
	`'`, `"`, `' OR '1'='1`, `1; DROP TABLE accounts--`, `') UNION SELECT password FROM accounts--`, `%' AND 1=1--`, `\`, `$1`, `:a`, `{{7*7}}`,
	`1 AND (SELECT COUNT(*) FROM pg_sleep(5))`, "a\x00b", `username, (SELECT 1)`, `-1`, `99999999999999999999`, strings.Repeat("'", 3000),
}

func TestSec_AD08_SQLInEveryParameter(t *testing.T) { engines(t, injectEverywhere) }

func injectEverywhere(f *fixture) {
	t := f.T
	f.AddUser("alice")
	var document struct {
		Paths map[string]map[string]struct {
			ID         string `json:"operationId"`
			Parameters []struct{ Name, In string }
		}
	}
	f.want(f.call("GET", "/openapi.json", nil), 200).into(t, &document)
	tried := 0
	for path, methods := range document.Paths {
		op, ok := methods["get"]
		if !ok || op.ID == "exportAudit" {
			continue
		}
		for _, p := range op.Parameters {
			for _, text := range injections {
				target := path
				if p.In == "path" {
					target = strings.ReplaceAll(target, "{"+p.Name+"}", url.PathEscape(text))
				} else if p.In == "query" {
					target += "?" + p.Name + "=" + url.QueryEscape(text)
				} else {
					continue
				}
				target = parameter.ReplaceAllString(target, "alice")
				if tried%500 == 499 {
					f.Clock.Add(time.Minute) // so many calls a minute
				}
				a := f.call("GET", target, nil)
				if a.status >= 500 || strings.Contains(a.body, "SQL") || strings.Contains(a.body, "syntax") || strings.Contains(a.body, "$argon2") {
					t.Errorf("%s: %d %s", target, a.status, a.body)
				}
				if a.status >= 400 && a.problem() == "" {
					t.Errorf("%s: %d is no problem: %s", target, a.status, a.body)
				}
				tried++
			}
		}
	}
	for _, path := range []string{"/groups/x/members", "/people/bulk"} { // of bodies
		f.refused(f.call("POST", path, `{"id": "a\u0000b"}`), 400, "malformed")
	}
	t.Log(tried, "requests")
	f.refused(f.call("GET", "/people?sort="+url.QueryEscape("username, (SELECT 1)"), nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/people?limit=1000", nil), 400, "invalid-parameter")
	f.refused(f.call("GET", "/people?group="+url.QueryEscape("a' OR 1"), nil), 400, "invalid-parameter")
}

func TestSec_AD08_ForgedCursorsAreRefused(t *testing.T) {
	f := start(t)
	for i := range 5 {
		f.AddUser(fmt.Sprintf("p%d", i))
		c := &oauth.Client{ID: fmt.Sprintf("c%d", i), RedirectURIs: []string{"https://app.example/"}}
		if _, err := f.OAuth.Clients().Create(t.Context(), c, ""); err != nil {
			t.Fatal(err)
		}
	}
	for path, other := range map[string]string{"/people": "&descending=true", "/clients": "&text=c", "/audit": "&action=account.created"} {
		page := f.want(f.call("GET", path+"?limit=2", nil), 200)
		cursor, _ := page.get(t, "next").(string)
		if cursor == "" {
			t.Fatalf("%s: %s", path, page.body)
		}
		f.want(f.call("GET", path+"?limit=3&cursor="+url.QueryEscape(cursor), nil), 200)
		// Each bit counts, and the cursor belongs to its list.
		flipped := []byte(cursor)
		flipped[len(flipped)/2] ^= 1
		for _, forged := range []string{string(flipped), cursor + "A", cursor[1:], "x", "1", strings.Repeat("A", 64), strings.Repeat("A", 3000)} {
			f.refused(f.call("GET", path+"?limit=2&cursor="+url.QueryEscape(forged), nil), 400, "invalid-parameter")
		}
		f.refused(f.call("GET", path+"?limit=2&cursor="+url.QueryEscape(cursor)+other, nil), 400, "invalid-parameter")
	}
}
