package idp

import (
	"strings"
	"testing"
)

// What a page about an error shows is found in the log, also where a package wrote it that knows nothing of requests.
func TestRefusalsAreLoggedWithTheRequestsID(t *testing.T) {
	p, log := start(t)
	w := ask(p.Handler(), "POST", "/oauth2/token", "grant_type=authorization_code&code=x&client_id=nobody",
		"Content-Type", "application/x-www-form-urlencoded")
	var line string
	for text := range strings.Lines(log.String()) {
		if strings.Contains(text, "oauth: request refused") {
			line = text
		}
	}
	id := w.Header().Get("X-Request-Id")
	if w.Code != 401 || id == "" || !strings.Contains(line, id) || !strings.Contains(line, "there is no such client") {
		t.Errorf("%d %q, logged as %q", w.Code, id, line)
	}
}
