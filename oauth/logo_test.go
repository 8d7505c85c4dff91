package oauth_test

import (
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// dot is a PNG of one pixel.
var dot = picture(1, 1, png.Encode)

// picture returns a picture of that size, encoded.
func picture(width, height int, encode func(io.Writer, image.Image) error) string {
	var out strings.Builder
	if err := encode(&out, image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})); err != nil {
		panic(err)
	}
	return out.String()
}

func asGIF(w io.Writer, m image.Image) error  { return gif.Encode(w, m, nil) }
func asJPEG(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }

// webP returns the beginning of a WebP with that chunk.
func webP(chunk string) string {
	return "RIFF\x40\x00\x00\x00WEBP" + chunk + strings.Repeat("\x00", 20)
}

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
		"image/png": picture(1024, 1024, png.Encode), "image/gif": picture(1024, 2, asGIF), "image/jpeg": picture(2, 1024, asJPEG),
		"image/webp":          webP("VP8X\x0a\x00\x00\x00\x10\x00\x00\x00\xff\x03\x00\xff\x03\x00"), // 1024 by 1024
		"image/webp;lossless": webP("VP8L\x00\x00\x00\x00\x2f\xff\xc3\xff\x00"),
		"image/webp;lossy":    webP("VP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x00\x04\x00\x04"),
	}
	pages := map[string]string{
		"svg": `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "xml": `<?xml version="1.0"?><svg/>`,
		"html": "<html><script>alert(1)</script>", "text": "hello", "empty": "", "bmp": "BM" + dot, "long": dot + strings.Repeat("x", 128<<10),
		"no-png": "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00", 60), "no-gif": "GIF89a", "no-jpeg": "\xff\xd8\xff" + dot, "no-webp": webP("VP"),
		// Few bytes that are a large picture.
		"wide-png": picture(1025, 1, png.Encode), "high-png": picture(1, 30_000, png.Encode), "wide-gif": picture(1025, 1, asGIF),
		"wide-jpeg": picture(1025, 1, asJPEG), "wide-webp": webP("VP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x00\x04\x00\x00\x00\x00"),
		"high-webp": webP("VP8L\x00\x00\x00\x00\x2f\x00\xc0\xff\x0f"), "lossy-webp": webP("VP8 \x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x01\x04\x01\x00"),
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
		id := logoID(name)
		w.client(&oauth.Client{ID: id, LogoURI: uri})
	}
	for range 4 { // ten at a time
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
		want, _, _ := strings.Cut(kind, ";")
		if a := w.get("/oauth2/logo/" + logoID(kind)); a.status != 200 || a.header.Get("Content-Type") != want {
			t.Errorf("%s: %d %v", kind, a.status, a.header)
		}
	}
}

func logoID(name string) string { return strings.NewReplacer("/", "-", ";", "-").Replace(name) }

// TestALogoThatCannotBeHad: administrators learn why, and whoever writes the client anew begins the tries anew.
func TestALogoThatCannotBeHad(t *testing.T) {
	w := newWorld(t)
	_, remote := w.openRegistration(map[string]string{"https://app.example/text": "hello"})
	clients := w.server.Clients()
	for id, want := range map[string]string{"text": "no PNG", "none": "nothing is there"} {
		c := &oauth.Client{ID: id, LogoURI: "https://app.example/" + id + "?key=hidden"}
		if id == "text" {
			c.LogoURI = "https://app.example/text"
		}
		w.client(c)
		if problem, err := clients.LogoProblem(t.Context(), c); problem != "" || err != nil {
			t.Errorf("%s, not tried yet: %q %v", id, problem, err)
		}
		if err := clients.FetchLogos(t.Context()); err != nil {
			t.Fatal(err)
		}
		problem, err := clients.LogoProblem(t.Context(), c)
		if err != nil || !strings.Contains(problem, want) || strings.Contains(problem, "hidden") || !strings.Contains(w.log.String(), want) {
			t.Errorf("%s: %q %v", id, problem, err)
		}
	}
	if strings.Contains(w.log.String(), "hidden") {
		t.Error("the log holds the address")
	}
	remote.mu.Lock()
	remote.pages["https://app.example/none?key=hidden"] = dot
	remote.mu.Unlock()
	c, err := clients.Get(t.Context(), "none")
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := clients.FetchLogos(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path, err := clients.LogoURL(t.Context(), c); path == "" || err != nil {
		t.Errorf("no logo an hour before the next try would be: %q %v", path, err)
	}
	if problem, err := clients.LogoProblem(t.Context(), c); problem != "" || err != nil {
		t.Errorf("fetched: %q %v", problem, err)
	}
}
