package templates

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"time"
)

// root is the dot of every page.
type root struct {
	View
	Page, Lang, Dir        string
	Product, Help, HelpURL string
	Brand                  Brand
	Problem                *problem
	Frames                 []string // origins of front-channel logout frames
	Data                   any
}

// problem is a person's mistake, put into words.
type problem struct {
	ID, Field, Text string
}

// At returns the sentence of the problem at field, "" when that field is right. Templates call it for every input.
func (v *root) At(field string) string {
	if v.Problem == nil || v.Problem.Field != field {
		return ""
	}
	return v.Problem.Text
}

func (s *Set) root(r *http.Request, page string, data any) *root {
	lang := s.texts.match(r)
	brand := s.brand(r.Context())
	v := &root{Page: page, Lang: lang, Dir: s.texts.direction(lang), Data: data,
		Product: brand.Name, Help: brand.Help, HelpURL: brand.HelpURL, Brand: brand}
	v.View = ViewOf(r.Context())
	v.Frames = origins(optional(data, "Frames"))
	p := reflect.Indirect(reflect.ValueOf(optional(data, "Problem")))
	if p.Kind() == reflect.Interface {
		p = reflect.Indirect(p.Elem())
	}
	if p.Kind() != reflect.Struct {
		return v
	}
	id, _ := optional(p.Interface(), "ID").(string)
	field, _ := optional(p.Interface(), "Field").(string)
	args := map[string]any{"Help": brand.Help, "Product": brand.Name}
	if own, ok := optional(p.Interface(), "Args").(map[string]any); ok {
		maps.Copy(args, own)
	}
	if id != "" {
		v.Problem = &problem{ID: id, Field: field, Text: s.texts.problem(lang, id, args)}
	}
	return v
}

// Duration says d in words of the reader's language, rounded up, for what the script of a page says.
func (s *Set) Duration(r *http.Request, d time.Duration) string {
	return s.texts.duration(s.texts.match(r), d)
}

// optional returns the field called name of the struct or map data, nil when it has none: packages that render pages
// own their structs, and not each of them has every field.
func optional(data any, name string) any {
	v := reflect.ValueOf(data)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		v = v.FieldByName(name)
	case reflect.Map:
		v = v.MapIndex(reflect.ValueOf(name))
	default:
		return nil
	}
	if !v.IsValid() || !v.CanInterface() {
		return nil
	}
	return v.Interface()
}

// hostForm is what a host may be made of that becomes part of a policy: url.Parse lets ; and , pass, which end a source.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9.:\[\]_-]+$`)

func origins(frames any) []string {
	list, _ := frames.([]string)
	var all []string
	for _, frame := range list {
		u, err := url.Parse(frame)
		if err != nil || !hostForm.MatchString(u.Host) || u.Scheme != "https" && u.Scheme != "http" {
			continue
		}
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(all, origin) {
			all = append(all, origin)
		}
	}
	return all
}
