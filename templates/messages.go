package templates

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

// catalogue holds the sentences of all languages; English is complete and stands in for what another one lacks.
type catalogue struct {
	bundle     *i18n.Bundle
	localizers map[string]*i18n.Localizer
	ids        map[string]bool // of English
	tags       []language.Tag
	matcher    language.Matcher
}

// loadCatalogue reads the sentences in the files that match patterns. A language that only the mails speak stands in a folder
// of its own: a page that found half of its sentences there would be said in two languages.
func loadCatalogue(files layered, patterns ...string) (*catalogue, error) {
	c := &catalogue{bundle: i18n.NewBundle(language.English),
		localizers: map[string]*i18n.Localizer{}, ids: map[string]bool{}}
	var names []string
	for _, pattern := range patterns {
		found, err := files.glob(pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	for _, name := range names {
		// An operator's file adds to the built-in one of the same name: it need not repeat every sentence.
		for _, layer := range []fs.FS{files.base, files.over} {
			if layer == nil {
				continue
			}
			if err := c.add(layer, name); err != nil {
				return nil, err
			}
		}
	}
	c.tags = c.bundle.LanguageTags()
	c.matcher = language.NewMatcher(c.tags)
	for _, tag := range c.tags {
		c.localizers[tag.String()] = i18n.NewLocalizer(c.bundle, tag.String())
	}
	return c, nil
}

func (c *catalogue) add(layer fs.FS, name string) error {
	file, err := readMessages(layer, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the other layer has it
	case err != nil:
		return fmt.Errorf("templates: %s: %w", name, err)
	}
	if err := c.bundle.AddMessages(file.Tag, file.Messages...); err != nil {
		return fmt.Errorf("templates: %s: %w", name, err)
	}
	if file.Tag == language.English {
		for _, m := range file.Messages {
			c.ids[m.ID] = true
		}
	}
	return nil
}

// readMessages reads one file of sentences.
func readMessages(layer fs.FS, name string) (*i18n.MessageFile, error) {
	if layer == embedded {
		parse := builtIn()[name]
		if parse == nil {
			return nil, fs.ErrNotExist
		}
		return parse()
	}
	return parseMessages(layer, name)
}

func parseMessages(layer fs.FS, name string) (*i18n.MessageFile, error) {
	text, err := fs.ReadFile(layer, name)
	if err != nil {
		return nil, err
	}
	return i18n.ParseMessageFileBytes(text, path.Base(name), map[string]i18n.UnmarshalFunc{"yaml": yaml.Unmarshal})
}

// builtIn are our own files of sentences by name. Each is parsed once, when it is first needed: pages and mails share most of
// them, and parsing is most of the time that a command takes.
var builtIn = sync.OnceValue(func() map[string]func() (*i18n.MessageFile, error) {
	files := map[string]func() (*i18n.MessageFile, error){}
	for _, pattern := range []string{pageMessages, mailMessages} {
		names, _ := fs.Glob(embedded, pattern) // the patterns are right
		for _, name := range names {
			files[name] = sync.OnceValues(func() (*i18n.MessageFile, error) { return parseMessages(embedded, name) })
		}
	}
	return files
})

// The files of sentences that pages speak, and those of more languages for mails.
const pageMessages, mailMessages = "messages/*.yaml", "mails/*.yaml"

func (c *catalogue) languages() []string {
	all := make([]string, len(c.tags))
	for i, tag := range c.tags {
		all[i] = tag.String()
	}
	return all
}

// match chooses the language of the answer to r: ui_locales (OpenID Connect Core section 3.1.2.1), then
// Accept-Language, then English.
func (c *catalogue) match(r *http.Request) string {
	var wanted []language.Tag
	for _, name := range strings.Fields(r.URL.Query().Get("ui_locales")) {
		if tag, err := language.Parse(name); err == nil {
			wanted = append(wanted, tag)
		}
	}
	return c.closest(r.Header.Get("Accept-Language"), wanted...)
}

// closest chooses the language for somebody who wants those, and then the accepted ones (RFC 9110 section 12.5.4).
func (c *catalogue) closest(accept string, wanted ...language.Tag) string {
	accepted, _, _ := language.ParseAcceptLanguage(accept)
	_, i, _ := c.matcher.Match(append(wanted, accepted...)...)
	return c.tags[i].String()
}

func (c *catalogue) direction(lang string) string {
	script, _ := language.Make(lang).Script()
	switch script.String() {
	case "Arab", "Hebr", "Thaa", "Syrc", "Nkoo":
		return "rtl"
	}
	return "ltr"
}

// text returns the sentence id with args, which come as name, value, name, value…; an unknown id returns itself.
func (c *catalogue) text(lang, id string, args ...any) string {
	named := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		named[fmt.Sprint(args[i])] = args[i+1]
	}
	return c.localize(lang, id, named)
}

// localize puts durations and times among args into words. An argument called Offset is a clock's, Count decides
// between singular and plural.
func (c *catalogue) localize(lang, id string, args map[string]any) string {
	words := maps.Clone(args)
	for name, arg := range args {
		switch value := arg.(type) {
		case time.Duration:
			if name == "Offset" {
				words[name] = c.offset(lang, value)
			} else {
				words[name] = c.duration(lang, value)
			}
		case time.Time:
			words[name] = c.date(lang, value)
		}
	}
	text, err := c.localizers[lang].Localize(&i18n.LocalizeConfig{
		MessageID: id, TemplateData: words, PluralCount: args["Count"],
	})
	if text == "" && err != nil {
		return id
	}
	return text
}

// problem returns the sentences about a mistake. A wait that it began and a number of tries left add one each; so do
// tries that are too few for two codes, and a clock that is wrong by whole hours: then it is the time zone.
func (c *catalogue) problem(lang, id string, args map[string]any) string {
	if !c.ids[id] {
		id = "problem.unknown"
	}
	text := c.localize(lang, id, args)
	if wait, ok := args["Wait"].(time.Duration); ok && wait > 0 && id != "problem.throttled" {
		text += " " + c.text(lang, "problem.wait", "Wait", wait)
	}
	if left, ok := args["Left"].(int); ok && left > 0 {
		text += " " + c.text(lang, "problem.tries_left", "Count", left)
	}
	if single, _ := args["Single"].(bool); single {
		text += " " + c.text(lang, "problem.pair.single")
	}
	if offset, ok := args["Offset"].(time.Duration); ok && (id == "problem.enrol.clock" || id == "problem.pair.clock") && nearHours(offset) {
		text += " " + c.text(lang, "problem.enrol.clock_zone")
	}
	return text
}
