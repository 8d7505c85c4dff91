package templates

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
)

// funcs returns what templates may call, in words of lang:
//
//	t ID [NAME VALUE]…      a sentence of the catalogue, dynamic ids included
//	say ID ARGS             the same with the arguments in a map
//	known ID                whether the catalogue has ID
//	day, moment, iso TIME   a day, a moment, and both for machines
//	offset DURATION         "about 6 minutes slow"
//	asset FILE              the path of a style sheet, script or picture
//	to PATH QUERY           a link to a page of our own that keeps the encoded QUERY
//	fields URL, path URL    the query of a link as name and value, and the link without it, for a GET form
//	optional DATA FIELD     a field that some structs do not have
//	uri PREFIX TEXT         TEXT as a link when it begins with PREFIX, which html/template would refuse
//	list VALUE…             several texts, for range
//	map [NAME VALUE]…       what a part needs that is not all of a page
//	steps PAGE SECOND       the steps of an app's enrolment
//	keysteps PAGE           those of a first passkey
func (s *Set) funcs(texts *catalogue, lang string) template.FuncMap {
	return template.FuncMap{
		"t":        func(id string, args ...any) string { return texts.text(lang, id, args...) },
		"say":      func(id string, args map[string]any) string { return texts.localize(lang, id, args) },
		"known":    func(id string) bool { return texts.ids[id] },
		"day":      func(at time.Time) string { return texts.day(lang, at) },
		"moment":   func(at time.Time) string { return texts.date(lang, at) },
		"iso":      func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"offset":   func(d time.Duration) string { return texts.offset(lang, d) },
		"asset":    func(name string) string { return s.assets.path[name] },
		"initial":  initial,
		"optional": optional,
		"to":       to,
		"fields":   fields,
		"path":     func(link string) string { before, _, _ := strings.Cut(link, "?"); return before },
		"uri":      uri,
		"map":      pairs,
		"list":     func(all ...string) []string { return all },
		"steps":    steps,
		"keysteps": keySteps,
		"grave":    func(d time.Duration) bool { return d.Abs() > 30*time.Second },
	}
}

// to keeps a query that came with the request. It is parsed and written anew: whatever it held, it cannot leave the
// query.
func to(path string, query ...string) template.URL {
	values := url.Values{}
	for _, q := range query {
		more, _ := url.ParseQuery(q)
		for name, list := range more {
			values[name] = append(values[name], list...)
		}
	}
	if len(values) == 0 {
		return template.URL(path)
	}
	return template.URL(path + "?" + values.Encode())
}

func pairs(args ...any) map[string]any {
	all := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		all[fmt.Sprint(args[i])] = args[i+1]
	}
	return all
}

type field struct{ Name, Value string }

func fields(link string) []field {
	u, err := url.Parse(link)
	if err != nil {
		return nil
	}
	var all []field
	for _, pair := range strings.Split(u.Query().Encode(), "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		name, _ = url.QueryUnescape(name)
		value, _ = url.QueryUnescape(value)
		all = append(all, field{name, value})
	}
	return all
}

func uri(prefix string, link any) (template.URL, error) {
	text := fmt.Sprint(link)
	if !strings.HasPrefix(text, prefix) {
		return "", fmt.Errorf("templates: a link that does not begin with %q", prefix)
	}
	return template.URL(text), nil
}

func initial(name string) string {
	for _, letter := range strings.ToUpper(strings.TrimSpace(name)) {
		return string(letter)
	}
	return ""
}

type step struct {
	Text  string // message id
	State string // done, now, next
}

// steps returns the way through an enrolment, standing at page; a further authenticator needs no recovery codes.
func steps(page string, second any) []step {
	if further, _ := second.(bool); further {
		return way(page, "mfa_scan", "mfa_codes")
	}
	return way(page, "mfa_scan", "mfa_codes", "mfa_recovery")
}

// keySteps returns the way of somebody whose first factor is a passkey.
func keySteps(page string) []step { return way(page, "mfa_add_key", "mfa_key", "mfa_recovery") }

func way(page string, pages ...string) []step {
	all := make([]step, len(pages))
	state := "done"
	for i, p := range pages {
		if p == page {
			state = "now"
		} else if state == "now" {
			state = "next"
		}
		all[i] = step{Text: "steps." + p, State: state}
	}
	return all
}
