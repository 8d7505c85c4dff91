package mfahttp

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A browser comes back by GET to a path that takes forms, when the host has interrupted the form for a fresh proof or for
// another form token. Each such path leads to a page.
func TestEveryFormsPathCanBeOpened(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withApp()
	h := newHandler(b.config)
	walked := 0
	for _, routes := range []routes{h.challengeRoutes(), h.settingsRoutes()} {
		for pattern := range routes {
			path, form := strings.CutPrefix(pattern, "POST ")
			if !form {
				continue
			}
			walked++
			for _, query := range []string{"", "?request=r1"} {
				got := b.get(path + query)
				for hops := 0; got.StatusCode == http.StatusSeeOther && hops < 3; hops++ {
					if strings.HasPrefix(got.Header.Get("Location"), "/resume") {
						break
					}
					got = b.get(got.Header.Get("Location"))
				}
				// A step of an enrolment that was never begun says so (404), on the page to begin one.
				if b.page == "" && got.StatusCode != http.StatusSeeOther {
					t.Errorf("GET %s%s ends with %d and no page", path, query, got.StatusCode)
				}
			}
		}
	}
	if walked < 14 {
		t.Errorf("%d paths", walked)
	}

	for path, want := range map[string]string{
		pathRename: pathSettings, pathRenameKey: pathSettings, pathRemove: pathSettings, pathRemoveKey: pathSettings,
		pathOff: pathSettings, pathForget: pathSettings, pathPostpone: pathStart, pathGoOn: pathSettings,
	} {
		b.leads(b.get(path+"?client_id=focus-hq"), want+"?client_id=focus-hq")
		b.get(pathSettings)
		if page := b.data.(*SettingsPage); page.Notice != "notice.again" {
			t.Errorf("%s: notice %q", path, page.Notice)
		}
	}
	b.get(b.leads(b.get(pathGoOn+"?request=r1"), pathNewCodes+"?request=r1"))
	b.shows(http.StatusOK, PageRemind)
	if notice := b.data.(*RemindPage).Notice; notice != "notice.again" {
		t.Errorf("reminder: %q", notice)
	}
	b.user = bob
	b.get(b.leads(b.get(pathPostpone+"?request=r1"), pathStart+"?request=r1"))
	b.shows(http.StatusOK, PageStart)
	if notice := b.data.(*StartPage).Notice; notice != "notice.again" {
		t.Errorf("start: %q", notice)
	}
}

func TestUnknownPathsAreTheHosts(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	for _, own := range []bool{false, true} {
		want := http.StatusNotFound
		if own {
			want = http.StatusTeapot
			b.config.NotFound = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(want) }
		}
		for _, path := range []string{"/account/mfa/", "/account/mfa/nothing", "/account/mfa/enrol/", "/mfa/", "/mfa/nothing"} {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				if got := b.send(httptest.NewRequest(method, path, nil)); got.StatusCode != want {
					t.Errorf("%s %s: %d", method, path, got.StatusCode)
				}
			}
		}
	}
	got := b.send(httptest.NewRequest("PUT", pathRename, nil))
	if got.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(got.Header.Get("Allow"), "POST") {
		t.Errorf("PUT: %d, Allow %q", got.StatusCode, got.Header.Get("Allow"))
	}
}
