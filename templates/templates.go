package templates

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed *.html *.txt *.css *.js *.svg messages/*.yaml mails/*.yaml
var embedded embed.FS

// ErrUnknown is returned for a page or mail that has no template.
var ErrUnknown = errors.New("templates: no such template")

// Options is what an operator may choose about pages and mails.
type Options struct {
	Product string // the provider's own name; default "Identity provider"
	Help    string // whom to ask, as it stands in a sentence; default "your administrator"
	HelpURL string // where Help leads: an https or mailto link; "" for plain text
	// Brand returns what somebody has chosen instead of these, at each page and mail; it must be quick. Nil: nobody has.
	Brand    func(context.Context) Brand
	Override fs.FS        // files that replace or extend the built-in ones, by the same names; may be nil
	Log      *slog.Logger // told when a page cannot be rendered; default slog.Default()
}

// Set holds every page and mail, parsed once per language, when it is first shown: a process that has been started and issues
// tokens holds none of the console's pages. It is safe for concurrent use.
type Set struct {
	opts   Options
	assets *assets
	texts  *catalogue
	pages  map[string]map[string]func() (*template.Template, error) // by language, then by page
	mails  func() (*mails, error)
}

// View is what a page shows and carries apart from its data; a middleware puts it into the request's context.
type View struct {
	FormToken string   // value of the hidden input form_token of every form
	RequestID string   // shown on error pages so that a log entry can be found
	Path      string   // of the request
	Console   *Console // around pages of the console; nil elsewhere
}

// Console is what stands around every page of the administrators' console.
type Console struct {
	Name, Role string // of the visitor
	Rooms      []Room
	Notice     string // id of what was just done, "" for nothing
}

// Room is an entry of the console's navigation. Its name is the message "admin.room." + ID.
type Room struct {
	ID, URL string
	Here    bool
}

// defaultHelp is whom people ask where the operator names nobody; mails say it in their own language.
const defaultHelp = "your administrator"

type viewKey struct{}

// WithView returns a context whose requests are rendered with v.
func WithView(ctx context.Context, v View) context.Context {
	return context.WithValue(ctx, viewKey{}, v)
}

// ViewOf returns what [WithView] put into ctx.
func ViewOf(ctx context.Context) View {
	v, _ := ctx.Value(viewKey{}).(View)
	return v
}

// New reads the messages and finds all templates. Those of Options.Override are parsed at once, with the built-in ones that
// they go into: an error names the file that is wrong. That the built-in ones alone are right is known before.
func New(o Options) (*Set, error) {
	if o.Product == "" {
		o.Product = "Identity provider"
	}
	if o.Help == "" {
		o.Help = defaultHelp
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	files := layered{over: o.Override, base: embedded}
	texts, err := loadCatalogue(files, pageMessages)
	if err != nil {
		return nil, err
	}
	assets, err := loadAssets(files)
	if err != nil {
		return nil, err
	}
	s := &Set{opts: o, assets: assets, texts: texts, pages: map[string]map[string]func() (*template.Template, error){}}
	for _, lang := range texts.languages() {
		if s.pages[lang], err = s.findPages(files, lang); err != nil {
			return nil, err
		}
	}
	s.mails = sync.OnceValues(func() (*mails, error) { return s.parseMails(files) })
	if o.Override != nil {
		return s, s.parseAll()
	}
	return s, nil
}

// parseAll parses what would be parsed when it is first shown.
func (s *Set) parseAll() error {
	for _, pages := range s.pages {
		for _, page := range pages {
			if _, err := page(); err != nil {
				return err
			}
		}
	}
	_, err := s.mails()
	return err
}

// findPages returns what parses the pages in a language, each of them once.
func (s *Set) findPages(files layered, lang string) (map[string]func() (*template.Template, error), error) {
	names, err := files.glob("*.html")
	if err != nil {
		return nil, err
	}
	around := sync.OnceValues(func() (*template.Template, error) {
		return parsed(template.New("layout.html").Funcs(s.funcs(s.texts, lang)).ParseFS(files, "layout.html", "parts.html"))
	})
	console := sync.OnceValues(func() (*template.Template, error) { // another layout, and parts of its own
		return parsedInto(around, files, "admin.html")
	})
	pages := map[string]func() (*template.Template, error){}
	for _, name := range names {
		layout := around
		switch {
		case name == "layout.html" || name == "parts.html" || name == "admin.html" || strings.HasPrefix(name, "mail_"):
			continue
		case strings.HasPrefix(name, "admin_"):
			layout = console
		}
		pages[strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			return parsedInto(layout, files, name)
		})
	}
	return pages, nil
}

// parsedInto parses a file into a copy of the layout around it.
func parsedInto(layout func() (*template.Template, error), files fs.FS, name string) (*template.Template, error) {
	around, err := layout()
	if err != nil {
		return nil, err
	}
	return parsed(template.Must(around.Clone()).ParseFS(files, name))
}

func parsed(t *template.Template, err error) (*template.Template, error) {
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return t, nil
}

// Render writes page with data and the headers that belong to it. Nothing is written before the page is complete: an
// error shows a plain page with status 500 instead of half of it.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	v := s.root(r, page, data)
	var out bytes.Buffer
	err := s.execute(&out, v)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", policy(page, v.Frames))
	if err != nil {
		s.opts.Log.ErrorContext(r.Context(), "page not rendered", "page", page, "error", err, "request", v.RequestID)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, s.texts.text(v.Lang, "fallback.text", "RequestID", v.RequestID))
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

func (s *Set) execute(out *bytes.Buffer, v *root) error {
	parse, ok := s.pages[v.Lang][v.Page]
	if !ok {
		return fmt.Errorf("%w: %s", ErrUnknown, v.Page)
	}
	page, err := parse()
	if err != nil {
		return err
	}
	return page.ExecuteTemplate(out, "layout", v)
}

// policy returns the Content-Security-Policy of page. There is no form-action where a POST may end at a client:
// browsers apply it to every redirect that follows, and where the client's callback leads on to is not known here.
func policy(page string, frames []string) string {
	p := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
	switch page {
	case "login", "mfa_key", "mfa_add_key": // whose script asks for a passkey's options
		p += "; connect-src 'self'"
	}
	if strings.HasPrefix(page, "admin_") { // whose script looks for people while a name is typed
		p += "; connect-src 'self'"
	}
	switch page {
	case "login", "mfa", "mfa_key", "mfa_pair", "recovery", "password", "consent", "logout", "device",
		"mfa_start", "mfa_scan", "mfa_codes", "mfa_add_key", "mfa_recovery", "mfa_done", "mfa_remind":
	default:
		p += "; form-action 'self'"
	}
	if len(frames) > 0 {
		p += "; frame-src " + strings.Join(frames, " ")
	}
	return p
}
