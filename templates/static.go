package templates

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// layered looks into over first, then into base.
type layered struct{ over, base fs.FS }

// Open opens name where it is found first.
func (l layered) Open(name string) (fs.File, error) {
	if l.over != nil {
		f, err := l.over.Open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return l.base.Open(name)
}

// glob lists the files of both layers that match pattern, each name once, the built-in ones first.
func (l layered) glob(pattern string) ([]string, error) {
	names, err := fs.Glob(l.base, pattern)
	if err != nil || l.over == nil {
		return names, err
	}
	more, err := fs.Glob(l.over, pattern)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	for _, name := range more {
		if !seen[name] {
			names = append(names, name)
		}
	}
	return names, nil
}

type assets struct {
	path map[string]string // style.css → /static/style.0123abcd.css
	body map[string][]byte // by the last element of that path
}

func loadAssets(files layered) (*assets, error) {
	a := &assets{path: map[string]string{}, body: map[string][]byte{}}
	for _, pattern := range []string{"*.css", "*.js", "*.svg", "*.png"} {
		names, err := files.glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			body, err := fs.ReadFile(files, name)
			if err != nil {
				return nil, fmt.Errorf("templates: %w", err)
			}
			sum := sha256.Sum256(body)
			ext := path.Ext(name)
			hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
			a.path[name] = "/static/" + hashed
			a.body[hashed] = body
		}
	}
	return a, nil
}

// Static serves /static/…: style sheet, script and icon. Their names change with their content, so browsers may keep
// them for ever.
func (s *Set) Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		body, ok := s.assets.body[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
	})
}
