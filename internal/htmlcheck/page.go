package htmlcheck

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// Page is a parsed HTML document.
type Page struct {
	root *html.Node
}

// Parse reads a document.
func Parse(r io.Reader) (*Page, error) {
	root, err := html.Parse(r)
	if err != nil {
		return nil, fmt.Errorf("htmlcheck: %w", err)
	}
	return &Page{root}, nil
}

// Must parses body and fails t when that is impossible.
func Must(t testing.TB, body string) *Page {
	t.Helper()
	p, err := Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// All returns the elements that match selector, in document order. A wrong selector panics: it is the test's mistake.
func (p *Page) All(selector string) []*html.Node {
	return cascadia.QueryAll(p.root, cascadia.MustCompile(selector))
}

// Count returns how many elements match selector.
func (p *Page) Count(selector string) int { return len(p.All(selector)) }

// Has reports whether any element matches selector.
func (p *Page) Has(selector string) bool { return p.Count(selector) > 0 }

// Text returns the text of the first element that matches selector, white space folded; "" when there is none.
func (p *Page) Text(selector string) string {
	if all := p.All(selector); len(all) > 0 {
		return text(all[0])
	}
	return ""
}

// Texts returns the text of every element that matches selector.
func (p *Page) Texts(selector string) []string {
	var list []string
	for _, n := range p.All(selector) {
		list = append(list, text(n))
	}
	return list
}

// Attr returns an attribute of the first element that matches selector; "" when there is none.
func (p *Page) Attr(selector, name string) string {
	for _, n := range p.All(selector) {
		return attr(n, name)
	}
	return ""
}

// Title returns the text of <title>.
func (p *Page) Title() string { return p.Text("title") }

// Label returns the text of the label of the input with that id.
func (p *Page) Label(id string) string { return p.Text(`label[for="` + id + `"]`) }

// Form returns where the first form that contains an element matching selector is sent and what it sends when that
// element, if it is a button, is pressed: values as they stand on the page. The URL is "" when there is no such form.
func (p *Page) Form(selector string) (action string, values url.Values) {
	var pressed, form *html.Node
	for _, n := range p.All(selector) {
		for up := n; up != nil; up = up.Parent {
			if up.Type == html.ElementNode && up.Data == "form" {
				pressed, form = n, up
				break
			}
		}
		if form != nil {
			break
		}
	}
	if form == nil {
		return "", nil
	}
	values = url.Values{}
	for _, n := range cascadia.QueryAll(form, cascadia.MustCompile("input, button, textarea, select")) {
		name := attr(n, "name")
		switch kind := attr(n, "type"); {
		case name == "" || has(n, "disabled"):
		case n.Data == "button" && n != pressed:
		case (kind == "checkbox" || kind == "radio") && !has(n, "checked"):
		case n.Data == "textarea":
			values.Add(name, text(n))
		default:
			values.Add(name, attr(n, "value"))
		}
	}
	return attr(form, "action"), values
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
