package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// fixture is a provider with a program that may do everything.
type fixture struct {
	*idptest.Server
	*testing.T
	token string
}

func start(t *testing.T, edit ...func(*idp.Config)) *fixture {
	t.Helper()
	s := idptest.Start(t, edit...)
	return &fixture{s, t, s.Machine("robot", everything()...).Token("")}
}

// engines runs fn on both engines.
func engines(t *testing.T, fn func(*fixture)) {
	t.Run("sqlite", func(t *testing.T) { fn(start(t)) })
	t.Run("postgres", func(t *testing.T) {
		url := dbxtest.PostgresURL(t)
		fn(start(t, func(c *idp.Config) { c.DatabaseURL = url }))
	})
}

func everything() []string {
	var out []string
	for _, p := range admin.Permissions() {
		out = append(out, string(p))
	}
	return out
}

// answer is one that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// into reads the body.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// problem returns the name of the problem that the answer is, "" for none.
func (a answer) problem() string {
	var p struct{ Type string }
	if a.header.Get("Content-Type") != "application/problem+json" || json.Unmarshal([]byte(a.body), &p) != nil {
		return ""
	}
	return strings.TrimPrefix(p.Type, "urn:focushq:idp:problem:")
}

// get returns a member of the body, by names with dots between them.
func (a answer) get(t *testing.T, path string) any {
	t.Helper()
	var v any
	a.into(t, &v)
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// call sends a request with the fixture's token, a body if it is not nil (a text as it is, all else as JSON), and headers in pairs.
func (f *fixture) call(method, path string, body any, headers ...string) answer {
	f.T.Helper()
	return f.as(f.token, method, path, body, headers...)
}

func (f *fixture) as(token, method, path string, body any, headers ...string) answer {
	f.T.Helper()
	a, err := f.try(token, method, path, body, headers...)
	if err != nil {
		f.T.Fatal(err)
	}
	return a
}

// try is as for goroutines.
func (f *fixture) try(token, method, path string, body any, headers ...string) (answer, error) {
	var reader io.Reader
	if text, ok := body.(string); ok {
		reader = strings.NewReader(text)
	} else if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "http") {
		path = f.Issuer + "/api/v1" + path
	}
	r, err := http.NewRequest(method, path, reader)
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if reader != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := f.HTTP.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// want fails the test unless the answer has that status.
func (f *fixture) want(a answer, status int) answer {
	f.T.Helper()
	if a.status != status {
		f.T.Fatalf("%d instead of %d: %s", a.status, status, a.body)
	}
	return a
}

// refused fails the test unless the answer is that problem.
func (f *fixture) refused(a answer, status int, problem string) answer {
	f.T.Helper()
	if a.status != status || a.problem() != problem {
		f.T.Errorf("%d %s instead of %d %s: %s", a.status, a.problem(), status, problem, a.body)
	}
	if a.problem() != "" && a.get(f.T, "request_id") != a.header.Get("X-Request-Id") {
		f.T.Errorf("no request id: %s", a.body)
	}
	return a
}

type object map[string]any

// staff makes somebody with a role.
func staff(role account.Role) func(*account.NewAccount) {
	return func(n *account.NewAccount) { n.Role = role }
}
