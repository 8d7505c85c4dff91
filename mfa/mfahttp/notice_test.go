package mfahttp

import (
	"net/http"
	"testing"
)

// What was done is said to whoever did it, and not to the next person at that browser.
func TestNewsAreTheirs(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.enrolled()
	said := func() string {
		t.Helper()
		b.get("/account/mfa")
		b.shows(http.StatusOK, PageSettings)
		return b.data.(*SettingsPage).Notice
	}
	b.leads(b.post("/account/mfa/off"), "/account/mfa")
	b.user = bob
	if got := said(); got != "" {
		t.Errorf("bob reads alice's news: %s", got)
	}
	b.user = alice
	if got := said(); got != "notice.off" {
		t.Errorf("alice reads %q", got)
	}
	if got := said(); got != "" {
		t.Errorf("and again: %s", got)
	}
}
