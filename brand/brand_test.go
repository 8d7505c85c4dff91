package brand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func each(t *testing.T, fn func(t *testing.T, s *Store)) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		fn(t, &Store{DB: db, Now: func() time.Time { return time.Unix(1_790_000_000, 0) }})
	}, "brand")
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func reason(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("not an InvalidError: %v", err)
	}
	return invalid.Field + "/" + invalid.Reason
}

func picture(t *testing.T, width, height int, encode func(io.Writer, image.Image) error) []byte {
	t.Helper()
	var out bytes.Buffer
	check(t, encode(&out, image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.White, color.Black})))
	return out.Bytes()
}

func asJPEG(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }
func asGIF(w io.Writer, m image.Image) error  { return gif.Encode(w, m, nil) }

func TestSetAndGet(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		var told []map[string]string
		s.Observe = func(_ context.Context, e Event) error { told = append(told, e.Detail); return nil }
		first, err := s.Get(ctx)
		check(t, err)
		if diff := cmp.Diff(Brand{Version: 1, Links: []Link{}}, first); diff != "" {
			t.Errorf("at first: -want +got\n%s", diff)
		}
		b := first
		b.Name, b.Color, b.Help, b.HelpURL = "  Acme\t& Söhne ", "#FF8800", "the help desk", "mailto:help@example.com"
		b.Greeting = "Welcome.\r\nUse the account of your\nworkplace."
		b.Links = []Link{{}, {" Imprint ", " https://example.com/imprint "}}
		check(t, s.Set(ctx, b, picture(t, 120, 40, png.Encode)))
		got, err := s.Get(ctx)
		check(t, err)
		want := Brand{
			Name: "Acme & Söhne", Color: "#ff8800", Help: "the help desk", HelpURL: "mailto:help@example.com",
			Greeting: "Welcome. Use the account of your workplace.", Links: []Link{{"Imprint", "https://example.com/imprint"}},
			Logo: Logo{got.Logo.ID, "image/png", 120, 40}, Version: 2, ChangedAt: time.Unix(1_790_000_000, 0),
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got.Logo.ID) != 16 {
			t.Errorf("-want +got\n%s", diff)
		}
		kept := got
		kept.Name = ""
		check(t, s.Set(ctx, kept, nil))
		if got, _ := s.Get(ctx); got.Logo != want.Logo || got.Name != "" || got.LogoURL() != want.LogoURL() {
			t.Errorf("the logo did not stay: %+v", got)
		}
		if body, err := s.picture(ctx, want.Logo.ID); err != nil || len(body) == 0 {
			t.Errorf("no picture: %v", err)
		}
		kept.Version, kept.Logo = 3, Logo{}
		check(t, s.Set(ctx, kept, nil))
		if got, _ := s.Get(ctx); got.Logo != (Logo{}) || got.LogoURL() != "" {
			t.Errorf("the logo did not go: %+v", got)
		}
		if diff := cmp.Diff([]map[string]string{
			{"fields": "name color help help_url greeting links logo", "name": "Acme & Söhne", "name_before": "-", "color": "#ff8800", "color_before": "-"},
			{"fields": "name", "name": "-", "name_before": "Acme & Söhne"}, {"fields": "logo"},
		}, told); diff != "" {
			t.Errorf("told: -want +got\n%s", diff)
		}
		s.Observe = func(context.Context, Event) error { return errors.New("no record") }
		kept.Version, kept.Name = 4, "Unrecorded"
		if s.Set(ctx, kept, nil) == nil {
			t.Error("set without a record")
		}
		if got, _ := s.Get(ctx); got.Version != 4 || got.Name != "" {
			t.Errorf("half done: %+v", got)
		}
	})
}

func TestTheSecondOfTwoIsTold(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		results := make(chan error, 20)
		for i := range cap(results) {
			go func() { results <- s.Set(t.Context(), Brand{Version: 1, Name: fmt.Sprint("Acme ", i)}, nil) }()
		}
		set := 0
		for range cap(results) {
			if err := <-results; err == nil {
				set++
			} else if !errors.Is(err, ErrStale) {
				t.Error(err)
			}
		}
		if set != 1 {
			t.Errorf("%d were set", set)
		}
	})
}

func TestWhatCannotBeStored(t *testing.T) {
	link := func(label, url string) Brand { return Brand{Links: []Link{{label, url}}} }
	s := &Store{}
	for _, tt := range []struct {
		b    Brand
		want string
	}{
		{Brand{Name: strings.Repeat("ö", 41)}, "name/too_long"},
		{Brand{Name: "Acme\u202e"}, "name/characters"}, {Brand{Name: "Ac\x00me"}, "name/characters"}, {Brand{Name: "\xff"}, "name/characters"},
		{Brand{Name: "Acme\u200b"}, "name/characters"}, {Brand{Help: "\ue000"}, "help/characters"},
		{Brand{Greeting: strings.Repeat("x", 301)}, "greeting/too_long"}, {Brand{Help: strings.Repeat("x", 81)}, "help/too_long"},
		{Brand{Color: "red"}, "color/format"}, {Brand{Color: "#12345"}, "color/format"}, {Brand{Color: "#12345g"}, "color/format"},
		{Brand{Color: "#1234567"}, "color/format"}, {Brand{Color: "#+12345"}, "color/format"}, {Brand{Color: "#fff;}*{"}, "color/format"},
		{Brand{HelpURL: "javascript:alert(1)"}, "help_url/format"}, {Brand{HelpURL: "http://example.com"}, "help_url/format"},
		{Brand{HelpURL: "mailto:"}, "help_url/format"}, {Brand{HelpURL: "//example.com"}, "help_url/format"}, {Brand{HelpURL: "https:///x"}, "help_url/format"},
		{Brand{HelpURL: "https://a@example.com"}, "help_url/format"}, {Brand{HelpURL: "https://example.com/\" x"}, "help_url/format"},
		{link("", "https://example.com"), "links/label"}, {link("x", ""), "links/format"}, {link("x", "mailto:a@example.com"), "links/format"},
		{link("x", "data:text/html,x"), "links/format"}, {link(strings.Repeat("x", 41), "https://example.com"), "links/too_long"},
		{link("x", "https://example.com/"+strings.Repeat("x", 500)), "links/format"},
		{Brand{Links: []Link{{"a", "https://a.example"}, {"b", "https://a.example"}, {"c", "https://a.example"}, {"d", "https://a.example"}}}, "links/too_many"},
	} {
		if got := reason(t, s.Set(t.Context(), tt.b, nil)); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.b, got, tt.want)
		}
	}
}

func TestLogos(t *testing.T) {
	webp := func(chunk string, rest ...byte) []byte {
		body := append([]byte("RIFF\x00\x00\x00\x00WEBP"+chunk+"\x00\x00\x00\x00"), rest...)
		body = append(body, make([]byte, 40-len(body))...)
		body[4] = byte(len(body) - 8)
		return body
	}
	good := picture(t, 64, 32, png.Encode)
	for _, tt := range []struct {
		name    string
		picture []byte
		want    string
	}{
		{"png", good, "image/png 64x32"}, {"jpeg", picture(t, 9, 7, asJPEG), "image/jpeg 9x7"},
		{"webp, lossy", webp("VP8 ", 0, 0, 0, 0x9d, 1, 0x2a, 100, 0, 50, 0), "image/webp 100x50"},
		{"webp, lossless", webp("VP8L", 0x2f, 0x63, 0x40, 0x0c, 0), "image/webp 100x50"},
		{"webp, extended", webp("VP8X", 0, 0, 0, 0, 99, 0, 0, 49, 0, 0), "image/webp 100x50"},
		{"the largest", picture(t, 1024, 1024, png.Encode), "image/png 1024x1024"},
		{"too wide", picture(t, 1025, 1, png.Encode), "logo/too_many_pixels"}, {"too high", picture(t, 1, 1025, asJPEG), "logo/too_many_pixels"},
		{"webp, too wide", webp("VP8X", 0, 0, 0, 0, 99, 99, 0, 49, 0, 0), "logo/too_many_pixels"},
		{"too large", append(append([]byte{}, good...), make([]byte, MaxLogo)...), "logo/too_large"},
		{"half a png", good[:len(good)-20], "logo/damaged"}, {"the head of a png", good[:10], "logo/damaged"},
		{"webp, cut", webp("VP8X", 0, 0, 0, 0, 99, 0, 0, 49, 0, 0)[:38], "logo/damaged"}, {"webp, nothing", []byte("RIFF\x10\x00\x00\x00WEBPVP8 "), "logo/damaged"},
		{"webp, odd", webp("ABCD"), "logo/kind"},
		{"gif", picture(t, 5, 5, asGIF), "logo/kind"}, {"nothing", []byte{0}, "logo/kind"}, {"html", []byte("<!doctype html><script>"), "logo/kind"},
		{"svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "logo/svg"},
		{"svg with a head", []byte(`<?xml version="1.0"?><!-- x --><SVG onload="alert(1)"/>`), "logo/svg"},
	} {
		logo, err := logoOf(tt.picture)
		got := reason(t, err)
		if err == nil {
			got = fmt.Sprintf("%s %dx%d", logo.Kind, logo.Width, logo.Height)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzLogo(f *testing.F) {
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPVP8 "))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff"))
	f.Fuzz(func(t *testing.T, picture []byte) {
		logo, err := logoOf(picture)
		if err == nil && (logo.Width > MaxSide || logo.Height > MaxSide || logo.Width < 1 || logo.Height < 1) {
			t.Errorf("%+v", logo)
		}
	})
}

func TestServe(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		logo := picture(t, 120, 40, png.Encode)
		check(t, s.Set(ctx, Brand{Version: 1, Color: "#336699"}, logo))
		now, err := s.Get(ctx)
		check(t, err)
		shown := Brand{} // of a replica that does not know yet
		handler := s.Serve(func(context.Context) Brand { return shown }, func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		})
		get := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", path, nil))
			return w
		}
		for range 2 {
			for path, kind := range map[string]string{now.LogoURL(): "image/png", now.StyleURL(): "text/css; charset=utf-8"} {
				w := get(path)
				h := w.Header()
				if w.Code != 200 || h.Get("Content-Type") != kind || !strings.Contains(h.Get("Cache-Control"), "immutable") ||
					h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
					t.Errorf("%s: %d %v", path, w.Code, h)
				}
			}
			if w := get(now.LogoURL()); !bytes.Equal(w.Body.Bytes(), logo) {
				t.Error("another picture")
			}
			shown = now
		}
		for _, path := range []string{Path, Path + "logo.0000000000000000.png", Path + "logo.png", Path + "style.css", now.LogoURL() + "x"} {
			if w := get(path); w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", path, w.Code, w.Header())
			}
		}
		check(t, s.Set(ctx, Brand{Version: now.Version}, nil))
		if w := get(now.LogoURL()); w.Code != 404 {
			t.Errorf("a logo that is gone: %d", w.Code)
		}
	})
}
