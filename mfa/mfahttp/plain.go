package mfahttp

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"time"
)

//go:embed plain.html
var plainFiles embed.FS

// Layout writes the document around main, which is a page's HTML below its heading.
type Layout func(w http.ResponseWriter, r *http.Request, status int, title string, main template.HTML)

// Plain returns [Pages] for hosts that have none of their own: in English, without styles, and without scripts but for
// passkeys (see [PasskeyScript]), so that they fit under any Content-Security-Policy. layout puts them into the host's own look; nil makes bare documents. A host that
// wants other words writes its own Pages, for which plain.html is a beginning. A page that Plain does not know is
// answered with 500.
func Plain(layout Layout) Pages {
	set := template.Must(template.New("").Funcs(template.FuncMap{
		"to": link, "sentence": plainSentence, "notice": plainNotice, "offset": plainOffset,
		"day":   func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"clock": func(t time.Time) string { return t.UTC().Format("15:04 UTC") },
		"field": func(data any, name string) map[string]any {
			return map[string]any{"Problem": plainField(data, "Problem"), "Name": name}
		},
		"add":      func(a, b int) int { return a + b },
		"renaming": plainRenaming,
		"cancel": func(path string, data any) map[string]any {
			return map[string]any{"Path": path, "Query": plainField(data, "Query"), "Cancel": plainField(data, "Cancel")}
		},
	}).ParseFS(plainFiles, "plain.html"))
	return &plain{set: set, layout: layout}
}

// plainRenaming is the field of a new name: with what was typed, for the one whose name was refused.
func plainRenaming(page *SettingsPage, id, name string) map[string]any {
	wrong := page.RenameID == id && id != ""
	if wrong {
		name = page.NewName
	}
	return map[string]any{"ID": id, "Name": name, "Wrong": wrong, "Problem": page.Problem}
}

type plain struct {
	set    *template.Template
	layout Layout
}

// Render writes one of this package's pages.
func (p *plain) Render(w http.ResponseWriter, r *http.Request, status int, page string, data any) {
	main, err := p.main(page, data)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	title := plainTitle(page)
	if problem, ok := plainField(data, "Problem").(*Problem); ok && problem != nil {
		title = "Error: " + title // what a screen reader says first
	}
	if p.layout != nil {
		p.layout(w, r, status, title, main)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// This fails only when nobody reads any more.
	_ = p.set.ExecuteTemplate(w, "document", map[string]any{"Title": title, "Main": main})
}

func (p *plain) main(page string, data any) (template.HTML, error) {
	if plainTitle(page) == "" {
		return "", fmt.Errorf("mfahttp: no plain page %q", page)
	}
	var main bytes.Buffer
	err := p.set.ExecuteTemplate(&main, page, data)
	return template.HTML(main.String()), err
}

// plainField returns a field of a page's struct, nil when it has none of that name.
func plainField(data any, name string) any {
	value := reflect.Indirect(reflect.ValueOf(data))
	if value.Kind() != reflect.Struct || !value.FieldByName(name).IsValid() {
		return nil
	}
	return value.FieldByName(name).Interface()
}

func plainTitle(page string) string {
	return map[string]string{
		PageChallenge: "MFA code", PageRecovery: "Recovery code", PageSettings: "Multi-Factor Authentication Settings",
		PageStart: "Set up multi-factor authentication", PageScan: "Scan QR Code", PageCodes: "Enter 6-digit codes",
		PageRecoveryCodes: "Recovery codes", PageDone: "Confirmation", PageRemind: "Your recovery codes",
		PageKey: "Passkey", PageAddKey: "Add a passkey", PagePair: "Two MFA codes",
	}[page]
}
