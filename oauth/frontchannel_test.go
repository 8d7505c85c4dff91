package oauth_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

func TestLogoutFrames(t *testing.T) {
	both(t, func(w *world) {
		w.told(0)
		w.client(&oauth.Client{ID: "front", FrontchannelLogoutURI: "https://app.example/front?a=b%20c"})
		w.in("sid-1", "one", "front", "web")
		frames, err := w.server.LogoutFrames(w.Context(), "sid-1")
		want := "https://app.example/front?a=b%20c&iss=" + url.QueryEscape(issuer) + "&sid=sid-1"
		if err != nil || !slices.Equal(frames, []string{want}) {
			w.Errorf("%q %v", frames, err)
		}
		w.end("sid-1")
		if frames, err = w.server.LogoutFrames(w.Context(), "sid-1"); err != nil || frames != nil {
			w.Errorf("%q %v", frames, err)
		}
		if w.notify(time.Minute); w.rows() != 0 {
			w.Errorf("%d rows", w.rows())
		}
	})
}
