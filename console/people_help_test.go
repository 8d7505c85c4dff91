package console_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
)

// site is a provider with an administrator in its console.
type site struct {
	*idptest.Server
	t    *testing.T
	root *idptest.Person
}

func newSite(t *testing.T) *site {
	p := idptest.Start(t)
	return &site{p, t, p.Staff("root", account.Administrator)}
}

// newcomer makes somebody without a password.
func (s *site) newcomer(name string, groups ...string) *account.Account {
	s.t.Helper()
	a, err := s.Accounts.Create(s.t.Context(), account.NewAccount{Username: name, Name: strings.ToUpper(name[:1]) + name[1:], Groups: groups})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *site) groups(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := s.Accounts.CreateGroup(s.t.Context(), account.Group{Name: name}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// read returns the account as it is now, nil when there is none.
func (s *site) read(subject string) *account.Account {
	s.t.Helper()
	a, err := s.Accounts.BySubject(s.t.Context(), subject)
	if err != nil {
		return nil
	}
	return a
}

// rows returns how many audit rows there are of an action, by somebody and about somebody.
func (s *site) rows(action, actor, subject string) int {
	s.t.Helper()
	found, err := s.Audit.List(s.t.Context(), audit.Filter{Action: action, Actor: actor, Subject: subject, Limit: 500})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(found)
}

// letters sends what waits and returns the subjects of the letters to somebody.
func (s *site) letters(to string) (subjects []string) {
	s.t.Helper()
	s.Notify(s.t.Context())
	s.Deliver(s.t.Context())
	for _, m := range s.Mail.Sent() {
		if m.To == to {
			subjects = append(subjects, m.Subject)
		}
	}
	return subjects
}

// post sends a form of somebody's, with the token of a page of theirs.
func post(who *idptest.Person, path string, pairs ...string) *idptest.Page {
	values := url.Values{"form_token": {token(who)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return who.Browser.Post(path, values)
}

func token(who *idptest.Person) string {
	return who.Browser.Get("/admin").Attr("input[name=form_token]", "value")
}

// upload sends a file to the import, after these fields.
func upload(who *idptest.Person, name, content string, pairs ...string) *idptest.Page {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i+1 < len(pairs); i += 2 {
		_ = form.WriteField(pairs[i], pairs[i+1])
	}
	part, _ := form.CreateFormFile("file", name)
	_, _ = part.Write([]byte(content))
	_ = form.Close()
	r, _ := http.NewRequest("POST", who.Request().URL.String()+"/admin/people/import", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return who.Browser.Do(r)
}

func says(t *testing.T, page *idptest.Page, status int, words ...string) {
	t.Helper()
	if page.Status != status {
		t.Errorf("%s: status %d, not %d: %s", page.URL, page.Status, status, page.Text("main"))
	}
	for _, each := range words {
		if !strings.Contains(page.Text("main"), each) {
			t.Errorf("%s does not say %q: %s", page.URL, each, page.Text("main"))
		}
	}
}

func contains(list []string, part string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
}

// shown is all text of the elements that match.
func shown(page *idptest.Page, selector string) string {
	return strings.Join(page.All(selector), " | ")
}
