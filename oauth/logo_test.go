package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// dot begins like a PNG.
var dot = "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00", 60)

func TestLogosAreOurCopies(t *testing.T) {
	both(t, func(w *world) {
		const uri = "https://app.example/logo.png"
		token, remote := w.openRegistration(map[string]string{uri: dot})
		got := w.registers(token, asked(fields{"logo_uri": uri}))
		clients := w.server.Clients()
		c, err := clients.Get(w.Context(), text(got["client_id"]))
		if err != nil {
			w.Fatal(err)
		}
		path, err := clients.LogoURL(w.Context(), c)
		if err != nil || !strings.HasPrefix(path, "/oauth2/logo/"+c.ID+"?v=") {
			w.Fatalf("%q %v", path, err)
		}
		a := w.get(path)
		if a.status != 200 || a.body != dot || a.header.Get("Content-Type") != "image/png" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			w.Errorf("%d %v", a.status, a.header)
		}
		r, _ := http.NewRequest(http.MethodGet, issuer+path, nil)
		r.Header.Set("If-None-Match", a.header.Get("ETag"))
		if again := w.do(w.browser, r); again.status != http.StatusNotModified {
			w.Errorf("known already: %d", again.status)
		}
		old, _, _ := strings.Cut(path, "?")
		if a := w.get(old + "?v=other"); !strings.Contains(a.header.Get("Cache-Control"), "no-cache") {
			w.Errorf("another version: %v", a.header)
		}

		// Fetched once, unless the address changes.
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}
		if err := clients.FetchLogos(w.Context()); err != nil || remote.calls[uri] != 1 {
			w.Errorf("%d calls, %v", remote.calls[uri], err)
		}
		c.LogoURI = "https://app.example/none.png"
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}
		if path, err := clients.LogoURL(w.Context(), c); path != "" || err != nil {
			w.Errorf("the old logo stays: %q %v", path, err)
		}
		for range 20 { // once an hour, ten times
			for range 3 {
				if err := clients.FetchLogos(w.Context()); err != nil {
					w.Fatal(err)
				}
			}
			w.clock.Add(time.Hour)
		}
		if remote.calls[c.LogoURI] != 10 {
			w.Errorf("%d tries", remote.calls[c.LogoURI])
		}
		if a := w.get(old); a.status != 404 {
			w.Errorf("the old logo: %d", a.status)
		}
		c.LogoURI = ""
		if err := clients.Update(w.Context(), c); err != nil {
			w.Fatal(err)
		}
		for _, id := range []string{c.ID, "nobody", "%00", "%ff"} {
			if a := w.get("/oauth2/logo/" + id); a.status != 404 {
				w.Errorf("%s: %d", id, a.status)
			}
		}
	})
}

func TestSec_CO02_OnlyPicturesBecomeLogos(t *testing.T) {
	w := newWorld(t)
	pictures := map[string]string{
		"image/png": dot, "image/gif": "GIF89a" + dot, "image/jpeg": "\xff\xd8\xff" + dot, "image/webp": "RIFF\x00\x00\x00\x00WEBPVP" + dot,
	}
	pages := map[string]string{
		"svg": `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "xml": `<?xml version="1.0"?><svg/>`,
		"html": "<html><script>alert(1)</script>", "text": "hello", "empty": "", "bmp": "BM" + dot, "long": dot + strings.Repeat("x", 128<<10),
	}
	remote := map[string]string{}
	for name, body := range pages {
		remote["https://app.example/"+name] = body
	}
	for kind, body := range pictures {
		remote["https://app.example/"+kind] = body
	}
	w.openRegistration(remote)
	clients := w.server.Clients()
	for uri := range remote {
		name := strings.TrimPrefix(uri, "https://app.example/")
		id := strings.ReplaceAll(name, "/", "-")
		w.client(&oauth.Client{ID: id, LogoURI: uri})
	}
	for range 2 { // ten at a time
		if err := clients.FetchLogos(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for name := range pages {
		if a := w.get("/oauth2/logo/" + name); a.status != 404 {
			t.Errorf("%s is a logo: %v", name, a.header)
		}
	}
	for kind := range pictures {
		if a := w.get("/oauth2/logo/" + strings.ReplaceAll(kind, "/", "-")); a.status != 200 || a.header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %v", kind, a.status, a.header)
		}
	}
}
