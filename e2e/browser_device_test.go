package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/focushq/idp/idptest"
)

// A device is connected in Chromium, on a screen of any size: nothing scrolls sideways, nothing foreign is asked for.
// With -screens the pictures are kept.
func TestDeviceInChromium(t *testing.T) {
	s := secOpen(t)
	s.person("alice")
	d := s.device("tv")
	b := chromeStart(t).window()
	folder := *screens
	if folder == "" {
		folder = t.TempDir()
	}
	visit := func(name string) {
		t.Helper()
		for window, width := range map[string]int64{"wide": 1280, "narrow": 390} {
			for _, scheme := range []string{"light", "dark"} {
				b.look(width, 900, scheme)
				file, picture := fmt.Sprintf("device-%s-%s-%s.png", name, window, scheme), b.picture()
				screensCheck(t, file, picture, int(width))
				if err := os.WriteFile(filepath.Join(folder, file), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.look(1280, 900, "light")
	}
	b.open(s.Issuer + "/device")
	b.fill("#user_code", "WRONG")
	b.follow("#device-submit")
	visit("1-unknown")
	b.open(d.link)
	visit("2-code")
	b.follow("#device-submit")
	b.fill("#username", "alice", "#password", idptest.Password)
	b.follow("#login-submit")
	visit("3-consent")
	b.follow("#consent-allow")
	visit("4-connected")
	if d.given()["sub"] == nil {
		t.Error("the device got nothing")
	}
	d.ask()
	b.open(d.link)
	b.follow("#device-submit")
	b.follow("#consent-deny")
	visit("5-refused")
	b.onlyTalksTo(s.Issuer)
}
