package brand

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// Path is below which [Store.Serve] serves; the last element of its URLs is {file}.
const Path = "/static/brand/"

// StyleURL returns the path of the style sheet with the shades of b's colour, "" when it has none.
func (b Brand) StyleURL() string {
	shades, ok := ShadesOf(b.Color)
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(shades.CSS()))
	return Path + "style." + hex.EncodeToString(sum[:8]) + ".css"
}

// LogoURL returns the path of b's logo, "" when it has none.
func (b Brand) LogoURL() string {
	if b.Logo.ID == "" {
		return ""
	}
	return Path + "logo." + b.Logo.ID + "." + strings.TrimPrefix(b.Logo.Kind, "image/")
}

// Serve returns the handler of GET /static/brand/{file}: logo and style sheet. Their names change with their content, so browsers
// may keep them for ever. Current is what pages show now; another replica's pages may show another one already, so the store is
// asked for a name that is not known. Fail answers where that is not possible.
func (s *Store) Serve(current func(context.Context) Brand, fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ctx := current(r.Context()), r.Context()
		if r.URL.Path != b.StyleURL() && r.URL.Path != b.LogoURL() {
			var err error
			if b, err = s.Get(ctx); err != nil {
				fail(w, r, err)
				return
			}
		}
		var body []byte
		kind := b.Logo.Kind
		switch r.URL.Path {
		case b.StyleURL():
			shades, _ := ShadesOf(b.Color)
			body, kind = []byte(shades.CSS()), "text/css; charset=utf-8"
		case b.LogoURL():
			var err error
			if body, err = s.picture(ctx, b.Logo.ID); err != nil {
				fail(w, r, err)
				return
			}
		}
		if len(body) == 0 {
			w.Header().Set("Cache-Control", "no-store")
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}
