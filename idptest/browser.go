package idptest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// Browser keeps cookies and follows redirects as long as they stay at the provider.
type Browser struct {
	Jar    http.CookieJar
	Header http.Header // sent with every request
	// Trace sees every request with its answer, redirects too; nil: nobody watches. The answer's body is not to be read.
	Trace     func(*http.Request, *http.Response)
	Transport http.RoundTripper // nil: [http.DefaultTransport]
	client    *http.Client
	home      *url.URL
	t         testing.TB
}

// NewBrowser returns a browser that is at home at the provider issuer.
func NewBrowser(t testing.TB, issuer string) *Browser {
	home, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil) // never fails without options
	b := &Browser{Jar: jar, Header: http.Header{"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}}, home: home, t: t}
	b.client = &http.Client{Jar: jar, Transport: traced{b}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 20 {
			return fmt.Errorf("a redirect loop: %s", r.URL)
		}
		if r.URL.Host != home.Host {
			return http.ErrUseLastResponse
		}
		r.Header = b.Header.Clone()
		return nil
	}}
	return b
}

// traced is the way to the network past [Browser.Trace].
type traced struct{ b *Browser }

func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	transport := t.b.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(r)
	if err == nil && t.b.Trace != nil {
		t.b.Trace(r, response)
	}
	return response, err
}

// Page is what the browser shows. When the provider sent it elsewhere, URL is that address and the page is empty.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
	Doc    *html.Node
	b      *Browser
}

// Get opens a page; a path is the provider's.
func (b *Browser) Get(address string) *Page {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.resolve(address), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Do(r)
}

// Post sends values to a page, as they are.
func (b *Browser) Post(address string, values url.Values) *Page {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, b.resolve(address), strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.Do(r)
}

func (b *Browser) resolve(address string) string {
	u, err := b.home.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return u.String()
}

// Do sends r with the browser's headers and cookies.
func (b *Browser) Do(r *http.Request) *Page {
	b.t.Helper()
	for name, values := range b.Header {
		if r.Header.Get(name) == "" {
			r.Header[name] = values
		}
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	page := &Page{URL: response.Request.URL, Status: response.StatusCode, Header: response.Header, Body: string(body), b: b}
	if location, err := response.Location(); err == nil {
		page.URL = location
	}
	if page.Doc, err = html.Parse(strings.NewReader(page.Body)); err != nil {
		b.t.Fatal(err)
	}
	return page
}

// Browser returns the browser that shows the page.
func (p *Page) Browser() *Browser { return p.b }

// Has reports whether an element matches the CSS selector.
func (p *Page) Has(selector string) bool { return p.find(selector) != nil }

// Text returns the text of the first element that matches, white space folded; "" when none does.
func (p *Page) Text(selector string) string { return text(p.find(selector)) }

func text(of *html.Node) string {
	var words strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			words.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	if of != nil {
		walk(of)
	}
	return strings.Join(strings.Fields(words.String()), " ")
}

// Attr returns an attribute of the first element that matches, "" when there is none.
func (p *Page) Attr(selector, name string) string { return attr(p.find(selector), name) }

// All returns the text of every element that matches.
func (p *Page) All(selector string) []string {
	var out []string
	for _, n := range cascadia.QueryAll(p.Doc, cascadia.MustCompile(selector)) {
		out = append(out, text(n))
	}
	return out
}

func (p *Page) find(selector string) *html.Node {
	return cascadia.Query(p.Doc, cascadia.MustCompile(selector))
}

// Follow opens the link that matches.
func (p *Page) Follow(selector string) *Page {
	p.b.t.Helper()
	href := p.Attr(selector, "href")
	if href == "" {
		p.b.t.Fatalf("no link %s at %s:\n%s", selector, p.URL, p.Body)
	}
	u, err := p.URL.Parse(href)
	if err != nil {
		p.b.t.Fatal(err)
	}
	return p.b.Get(u.String())
}

// Submit presses the button with the given id: it sends the form around it, filled with the pairs of name and value.
// A value of "" leaves a checkbox unticked.
func (p *Page) Submit(button string, pairs ...string) *Page {
	p.b.t.Helper()
	form, values := p.form(button)
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Del(pairs[i])
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	target, err := p.URL.Parse(attr(form, "action"))
	if err != nil {
		p.b.t.Fatal(err)
	}
	if strings.EqualFold(attr(form, "method"), "post") {
		return p.b.Post(target.String(), values)
	}
	target.RawQuery = values.Encode()
	return p.b.Get(target.String())
}

// Fields returns what pressing the button sends when nothing was typed.
func (p *Page) Fields(button string) url.Values {
	p.b.t.Helper()
	_, values := p.form(button)
	return values
}

// form returns the form around a button, and what pressing it sends.
func (p *Page) form(button string) (*html.Node, url.Values) {
	p.b.t.Helper()
	pressed := p.find("#" + button)
	if pressed == nil {
		p.b.t.Fatalf("no button %s at %s (%d):\n%s", button, p.URL, p.Status, p.Body)
	}
	form := pressed
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		p.b.t.Fatalf("%s at %s stands in no form", button, p.URL)
	}
	values := fields(form)
	if name := attr(pressed, "name"); name != "" {
		values.Set(name, attr(pressed, "value"))
	}
	return form, values
}

// fields returns what a form sends untouched.
func fields(form *html.Node) url.Values {
	values := url.Values{}
	for _, input := range cascadia.QueryAll(form, cascadia.MustCompile("input[name], select[name], textarea[name]")) {
		kind := attr(input, "type")
		switch {
		case has(input, "disabled"), kind == "submit", kind == "file", (kind == "checkbox" || kind == "radio") && !has(input, "checked"):
		case input.Data == "select":
			chosen := cascadia.Query(input, cascadia.MustCompile("option[selected]"))
			if chosen == nil {
				chosen = cascadia.Query(input, cascadia.MustCompile("option"))
			}
			if chosen == nil {
				continue
			}
			value := attr(chosen, "value")
			if !has(chosen, "value") {
				value = strings.TrimSpace(content(chosen))
			}
			values.Add(attr(input, "name"), value)
		case input.Data == "textarea":
			values.Add(attr(input, "name"), content(input))
		default:
			values.Add(attr(input, "name"), attr(input, "value"))
		}
	}
	return values
}

// content is the text in a node.
func content(n *html.Node) (text string) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.TextNode {
			text += c.Data
		}
	}
	return text
}

func attr(n *html.Node, name string) string {
	if n == nil {
		return ""
	}
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
