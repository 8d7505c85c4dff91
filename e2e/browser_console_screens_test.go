package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/console"
)

// consoleSamples says where a page of the console can be looked at when its pattern alone doesn't: with the names of what
// [seed] has made. {subject} and {client} in a pattern need no row.
var consoleSamples = map[string]string{
	"GET /admin/people":                         "/admin/people?text=okafor",
	"GET /admin/people/bulk":                    "/admin/people/bulk?s={subject}&do=disable",
	"GET /admin/people/{subject}/end-session":   "/admin/people/{subject}/end-sessions",
	"GET /admin/people/{subject}/forget-device": "/admin/people/{subject}/forget-devices",
	"GET /admin/people/{subject}/disconnect":    "/admin/people/{subject}/end-sessions",
	"GET /admin/audit":                          "/admin/audit?person=root",
	"GET /admin/new-client":                     "/admin/new-client?template=web",
	"GET /admin/clients/{client}/preview":       "/admin/clients/{client}/preview?person=alice&situation=code",
	"GET /admin/groups/one":                     "/admin/groups/one?name=board",
	"GET /admin/groups/delete":                  "/admin/groups/delete?name=board",
}

// consoleFiles are routes that answer with a file or belong to a page: there is nothing to look at.
var consoleFiles = map[string]bool{"GET /admin/people/import/template": true}

// TestConsoleScreens looks at every page of the console in an installation that has been in use for three months, and with
// -screens takes its picture, wide and narrow, light and dark. The list is the console's own: a route that this test does not know how to look at fails, and
// so does a page that is not there, that is wider than its window, or about which Chromium complains. Of routes that show the
// same page one picture is kept.
func TestConsoleScreens(t *testing.T) {
	folder, port := *screens, 8080 // as a reader will see it
	if folder == "" {
		port = demoPorts(t, 1)[0]
	} else if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s := seed(t, t.TempDir(), fmt.Sprint("http://localhost:", port))
	serveStart(t, s.folder, port)
	s.mistakes()
	c := chromeStart(t)
	b := c.window()
	b.open(s.provider + "/admin")
	b.fill("#username", "root", "#password", seedPassword)
	b.follow("#login-submit")
	b.fill("#code", s.phone.next(t))
	b.follow("#mfa-submit")
	b.at(s.provider + "/admin")
	// The visitor's own sign-in is in the trail, with all that there is to explain.
	b.open(s.provider + "/admin/audit?action=oauth.authorized")
	var entry string
	b.ask(`document.querySelector("main a[href^='/admin/audit/']").getAttribute("href").split("/").pop()`, &entry)
	s.ids["entry"] = entry
	size, seen := 0, map[string]bool{}
	for _, route := range console.Routes() {
		method, _, _ := strings.Cut(route.Pattern, " ")
		if method != http.MethodGet || consoleFiles[route.Pattern] {
			continue
		}
		b.open(s.provider + s.sample(route.Pattern))
		if b.status != http.StatusOK {
			t.Errorf("%s: %d; does it need a row in consoleSamples?", route.Pattern, b.status)
			continue
		}
		var page string
		b.ask(`document.body.dataset.page || ""`, &page)
		if page == "" {
			t.Errorf("%s is no page of the console", route.Pattern)
			continue
		}
		name := "console-" + strings.ReplaceAll(strings.TrimPrefix(page, "admin_"), "_", "-")
		if seen[name] {
			continue
		}
		seen[name] = true
		size += s.look(b, folder, name)
	}
	// What only a form leads to.
	b.open(s.provider + "/admin/first")
	b.fill("#name", "Calendar", "#redirect_uri", "https://calendar.example/callback")
	b.follow("#first-create")
	size += s.look(b, folder, "console-first-made")
	b.onlyTalksTo(s.provider)
	b.open(s.provider + "/admin/people/nobody")
	size += s.look(b, folder, "console-message")
	if *screens != "" && size > 5<<20 {
		t.Errorf("the pictures have %d bytes, which is too much for a repository", size)
	}
}

// look takes the page's pictures, where they are wanted.
func (s *seeded) look(b *chromeTab, folder, name string) (size int) {
	s.t.Helper()
	if *screens != "" {
		return s.picture(b, folder, name)
	}
	s.fits(b, name)
	return 0
}

// fits fails the test when the page that b shows is wider than a phone.
func (s *seeded) fits(b *chromeTab, name string) {
	s.t.Helper()
	b.look(390, 844, "dark")
	var width int
	if b.ask(`document.documentElement.scrollWidth`, &width); width != 390 {
		s.t.Errorf("%s is %d pixels wide on a phone: it scrolls sideways", name, width)
	}
	b.look(1280, 900, "light")
}

// picture takes four pictures of the page that b shows and returns how many bytes they have.
func (s *seeded) picture(b *chromeTab, folder, name string) (size int) {
	s.t.Helper()
	for _, window := range []struct {
		name          string
		width, height int64
	}{{"wide", 1280, 900}, {"narrow", 390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			b.look(window.width, window.height, scheme)
			file := fmt.Sprintf("%s-%s-%s.png", name, window.name, scheme)
			var height int64 // of the whole page, so that what sticks to the window's foot is at the page's
			b.ask(`document.documentElement.scrollHeight`, &height)
			b.look(window.width, max(window.height, height), scheme)
			picture := b.picture()
			screensCheck(s.t, file, picture, int(window.width))
			picture = screensSmall(s.t, picture)
			size += len(picture)
			s.must(os.WriteFile(filepath.Join(folder, file), picture, 0o644))
		}
	}
	b.look(1280, 900, "light")
	return size
}

// sample returns an address of a page that pattern names.
func (s *seeded) sample(pattern string) string {
	s.t.Helper()
	path, ok := consoleSamples[pattern]
	if !ok {
		_, path, _ = strings.Cut(pattern, " ")
	}
	path = strings.NewReplacer("{subject}", s.subjects["alice"], "{client}", "focus-hq", "{$}", "", "{kid}", s.ids["kid"], "{id}", s.ids["entry"]).Replace(path)
	if strings.Contains(path, "{") {
		s.t.Errorf("%s needs a row in consoleSamples", pattern)
	}
	return path
}

// mistakes are some of apps, which the front page tells of.
func (s *seeded) mistakes() {
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, values := range []url.Values{
		{"client_id": {"wiki"}, "redirect_uri": {"https://wiki.example/callback"}, "response_type": {"code"}, "scope": {"openid"}},
		{"client_id": {"focus-hq"}, "redirect_uri": {"https://focus.example/callback"}, "response_type": {"code"}, "scope": {"openid calendar"}, "state": {"abcdefgh1234"}},
	} {
		response, err := client.Get(s.provider + "/oauth2/authorize?" + values.Encode())
		s.must(err)
		response.Body.Close()
	}
}
