package focushq

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
)

//go:embed html static
var files embed.FS

// pages are the parsed templates by name, and the static files' names with a hash of their content.
type pages struct {
	templates map[string]*template.Template
	urls      map[string]string // style.css → /static/style.0123abcd.css
	static    map[string][]byte // style.0123abcd.css → content
}

func parsePages() (pages, error) {
	p := pages{map[string]*template.Template{}, map[string]string{}, map[string][]byte{}}
	assets, err := files.ReadDir("static")
	if err != nil {
		return p, err
	}
	for _, asset := range assets {
		content, err := files.ReadFile("static/" + asset.Name())
		if err != nil {
			return p, err
		}
		sum, ext := sha256.Sum256(content), path.Ext(asset.Name())
		name := asset.Name()[:len(asset.Name())-len(ext)] + "." + hex.EncodeToString(sum[:4]) + ext
		p.urls[asset.Name()], p.static[name] = "/static/"+name, content
	}
	functions := template.FuncMap{"static": func(name string) string { return p.urls[name] }}
	for _, name := range []string{"home", "profile", "tokens", "sensitive", "mailbox", "mail", "problem"} {
		t, err := template.New("layout.html").Funcs(functions).ParseFS(files, "html/layout.html", "html/"+name+".html")
		if err != nil {
			return p, fmt.Errorf("focushq: %w", err)
		}
		p.templates[name] = t
	}
	return p, nil
}

// view is what a template gets.
type view struct {
	Page, Title string
	Name        string // of who is signed in; "": nobody
	Mailbox     bool
	Data        any
}

func (a *App) render(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	v := view{Page: page, Title: title, Mailbox: a.cfg.Mailbox != nil, Data: data}
	if s := a.session(r); s != nil {
		v.Name = s.name()
	}
	var out bytes.Buffer
	if err := a.pages.templates[page].Execute(&out, v); err != nil {
		a.cfg.Log.ErrorContext(r.Context(), "a page failed", "page", page, "error", err)
		http.Error(w, "Focus HQ has a fault. Please try again later.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // a browser that went away is nobody's fault
}

// static serves a file under the name that changes with its content.
func (a *App) static(w http.ResponseWriter, r *http.Request) {
	content, ok := a.pages.static[r.PathValue("file")]
	if !ok {
		a.fail(w, r, &problem{id: "not_found"}, "/")
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.PathValue("file"))))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content)
}
