package htmlcheck

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Lint returns what is wrong with the page whatever it is about, in sentences; nil when it is well made.
func (p *Page) Lint() []string {
	l := &linter{page: p, ids: map[string]int{}}
	for _, n := range p.All("*") {
		if id := attr(n, "id"); id != "" {
			l.ids[id]++
		}
	}
	l.document()
	for _, n := range p.All("*") {
		l.attributes(n)
		switch n.Data {
		case "form":
			l.form(n)
		case "input", "textarea", "select":
			l.input(n)
		case "button", "a", "summary":
			if name(n) == "" {
				l.report(n, "has no text")
			}
		case "img":
			if !has(n, "alt") {
				l.report(n, "has no alt")
			}
		case "style":
			l.report(n, "is an inline style sheet")
		case "script":
			if !has(n, "src") {
				l.report(n, "is an inline script")
			}
		}
	}
	return l.found
}

type linter struct {
	page  *Page
	ids   map[string]int
	found []string
}

func (l *linter) report(n *html.Node, what string) {
	tag := "<" + n.Data
	for _, a := range n.Attr {
		if slices.Contains([]string{"id", "name", "href", "action"}, a.Key) {
			tag += fmt.Sprintf(" %s=%q", a.Key, a.Val)
		}
	}
	l.found = append(l.found, tag+"> "+what)
}

func (l *linter) document() {
	p := l.page
	if p.Attr("html", "lang") == "" || p.Attr("html", "dir") == "" {
		l.found = append(l.found, "<html> has no lang or no dir")
	}
	if p.Title() == "" {
		l.found = append(l.found, "the page has no title")
	}
	if n := p.Count("h1"); n != 1 {
		l.found = append(l.found, fmt.Sprintf("the page has %d h1", n))
	}
	if p.Count("main") != 1 {
		l.found = append(l.found, "the page has no main")
	}
	if p.Count("[autofocus]") > 1 {
		l.found = append(l.found, "the page has more than one autofocus")
	}
	for id, n := range l.ids {
		if n > 1 {
			l.found = append(l.found, fmt.Sprintf("id %q is there %d times", id, n))
		}
	}
}

func (l *linter) attributes(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case a.Key == "style":
			l.report(n, "has an inline style")
		case strings.HasPrefix(a.Key, "on"):
			l.report(n, "has an inline event handler")
		case slices.Contains([]string{"for", "aria-describedby", "aria-labelledby", "aria-controls"}, a.Key):
			for _, id := range strings.Fields(a.Val) {
				if l.ids[id] == 0 {
					l.report(n, fmt.Sprintf("%s names %q, which is not on the page", a.Key, id))
				}
			}
		case a.Key == "href" && strings.HasPrefix(a.Val, "#") && l.ids[a.Val[1:]] == 0:
			l.report(n, "leads to a place that is not on the page")
		case a.Key == "src" || a.Key == "href" && n.Data == "link":
			if strings.Contains(a.Val, "//") && n.Data != "iframe" {
				l.report(n, "loads something from elsewhere")
			}
		}
		if strings.Contains(a.Val, "ZgotmplZ") {
			l.report(n, a.Key+" was refused by html/template")
		}
	}
}

func (l *linter) form(n *html.Node) {
	if !strings.EqualFold(attr(n, "method"), "post") {
		return
	}
	token := false
	for c := range n.Descendants() {
		token = token || c.Type == html.ElementNode && attr(c, "name") == "form_token"
	}
	if !token {
		l.report(n, "has no form_token")
	}
}

func (l *linter) input(n *html.Node) {
	kind := attr(n, "type")
	if kind == "hidden" || attr(n, "aria-hidden") == "true" {
		return
	}
	id := attr(n, "id")
	if id == "" || l.page.Label(id) == "" {
		l.report(n, "has no label")
	}
	if kind != "checkbox" && attr(n, "autocomplete") == "" {
		l.report(n, "has no autocomplete")
	}
	if has(n, "maxlength") || has(n, "pattern") || kind == "number" {
		l.report(n, "refuses what people paste")
	}
	if attr(n, "aria-invalid") == "true" && !strings.Contains(attr(n, "aria-describedby"), id+"-error") {
		l.report(n, "is invalid and does not say why")
	}
}

func name(n *html.Node) string {
	if label := attr(n, "aria-label"); label != "" {
		return label
	}
	return text(n)
}
