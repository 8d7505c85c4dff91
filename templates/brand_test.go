package templates

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/focushq/idp/internal/htmlcheck"
)

func branded(t *testing.T, b Brand) *Set {
	t.Helper()
	return newSet(t, Options{Product: "Focus HQ", HelpURL: "mailto:help@example.com", Brand: func(context.Context) Brand { return b }})
}

// skeleton is a page without its texts and the values of its attributes.
func skeleton(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		var names []string
		for _, a := range n.Attr {
			names = append(names, a.Key)
		}
		fmt.Fprintln(&out, n.Data, names)
	}
	return out.String()
}

// hostile are texts that would do something in a page that did not escape them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)' autofocus='`, `</title><script>alert(1)</script>`,
	`</style><svg onload=alert(1)>`, `<!--<script>`, `{{.FormToken}}`, `javascript:alert(1)`, `jAvAsCrIpT:alert(1)//`, "data:text/html,<script>alert(1)</script>",
	`vbscript:x`, `&lt;script&gt;alert(1)`, `]]><script>alert(1)</script>`, `</textarea><iframe srcdoc="<script>alert(1)</script>">`, `\u003cscript\u003e`,
	`<a href="https://evil.example">here</a>`, "`-alert(1)-`", `<base href=//evil.example>`,
}

// What an administrator chose as name, texts and links stands on each page and in each mail as text, and nothing else.
func TestSec_HT07_TextsOfTheBrandAreTexts(t *testing.T) {
	brand := func(text, link string) Brand {
		return Brand{Name: text, Help: text, HelpURL: link, Greeting: text, Links: []Link{{text, link}, {text, link}}}
	}
	harmless := branded(t, brand("Acme", "https://acme.example"))
	for _, text := range hostile {
		s := branded(t, brand(text, text))
		for _, sample := range samples(t) {
			body := render(t, s, sample.page, sample.data).Body.String()
			if got, want := skeleton(t, body), skeleton(t, render(t, harmless, sample.page, sample.data).Body.String()); got != want {
				t.Fatalf("%s: %s changes the page:\n%s", sample.name, text, body)
			}
			for _, href := range htmlcheck.Must(t, body).All(".foot a[href]") {
				for _, a := range href.Attr {
					scheme, _, _ := strings.Cut(strings.ToLower(a.Val), ":")
					if a.Key == "href" && slices.Contains([]string{"javascript", "data", "vbscript"}, scheme) {
						t.Errorf("%s: %s", sample.name, a.Val)
					}
				}
			}
		}
		for _, letter := range []string{"mfa_on", "reset", "recovery_used_last"} {
			subject, _, page, err := s.Mail(t.Context(), letter, Letter{Account: "alice", When: noon, Link: "https://id.example/x"})
			_, _, want, _ := harmless.Mail(t.Context(), letter, Letter{Account: "alice", When: noon, Link: "https://id.example/x"})
			if err != nil || skeleton(t, page) != skeleton(t, want) || strings.ContainsAny(subject, "\r\n") {
				t.Errorf("%s: %s changes the mail (%v):\n%s\n%s", letter, text, err, subject, page)
			}
		}
	}
}

func TestWhereTheBrandStands(t *testing.T) {
	logo := &Logo{"/static/brand/logo.1.png", "image/png", 512, 64}
	b := Brand{
		Name: "Acme & Söhne", Help: "the desk", HelpURL: "https://acme.example/desk", Greeting: "Use the account of your workplace.",
		Links: []Link{{"Imprint", "https://acme.example/imprint"}, {"Privacy", "https://acme.example/privacy"}}, Logo: logo, Style: "/static/brand/style.1.css",
	}
	s := branded(t, b)
	shown := func(name string) *htmlcheck.Page {
		found := find(t, name)
		return htmlcheck.Must(t, render(t, s, found.page, found.data).Body.String())
	}
	for _, tt := range []struct{ sample, selector, text string }{
		{"login", ".brand span", "Acme & Söhne"}, {"login", ".brand img[src='/static/brand/logo.1.png'][width='224'][height='28']", ""},
		{"login", "link[rel=icon][href='/static/brand/logo.1.png'][type='image/png']", ""},
		{"login", "link[rel=stylesheet] + link[rel=stylesheet][href='/static/brand/style.1.css']", ""},
		{"login", "h1 + p", "Use the account of your workplace."}, {"login", ".foot a[href='https://acme.example/desk']", "the desk"},
		{"login", ".elsewhere", "Imprint · Privacy"}, {"account", ".elsewhere a:last-child[href='https://acme.example/privacy']", "Privacy"},
		{"consent", ".pair .dots + img[width='160'][height='20']", ""},
	} {
		p := shown(tt.sample)
		if !p.Has(tt.selector) || tt.text != "" && p.Text(tt.selector) != tt.text {
			t.Errorf("%s: %s says %q, want %q", tt.sample, tt.selector, p.Text(tt.selector), tt.text)
		}
	}
	if p := shown("login again"); strings.Contains(p.Text("main"), b.Greeting) || strings.Contains(shown("account").Text("main"), b.Greeting) {
		t.Error("who is there already is greeted")
	}
	subject, text, page, err := s.Mail(t.Context(), "mfa_on", Letter{Account: "alice", When: noon, Language: "de"})
	if err != nil || !strings.HasPrefix(subject, "Acme & Söhne: ") || !strings.Contains(text, "the desk") || !strings.Contains(page, "Acme &amp; Söhne") {
		t.Errorf("%q, %v\n%s", subject, err, text)
	}
	for _, size := range []struct{ logo, want Logo }{
		{Logo{Width: 10, Height: 10}, Logo{Width: 10, Height: 10}}, {Logo{Width: 1024, Height: 1024}, Logo{Width: 48, Height: 48}},
		{Logo{Width: 1024, Height: 1}, Logo{Width: 224, Height: 1}}, {Logo{Width: 1, Height: 1000}, Logo{Width: 1, Height: 48}},
	} {
		if got := size.logo.In(224, 48); got != size.want {
			t.Errorf("%+v: %+v", size.logo, got)
		}
	}
}

// Where nothing is set pages are what they would be without a brand, and what is set alone changes nothing else.
func TestNothingIsSet(t *testing.T) {
	plain, unset := newSet(t, Options{Product: "Focus HQ", HelpURL: "mailto:help@example.com"}), branded(t, Brand{})
	for _, sample := range samples(t) {
		if a, b := render(t, plain, sample.page, sample.data).Body.String(), render(t, unset, sample.page, sample.data).Body.String(); a != b {
			t.Errorf("%s is not the same", sample.name)
		}
	}
	help := htmlcheck.Must(t, render(t, branded(t, Brand{Help: "the desk"}), "account", find(t, "account").data).Body.String())
	if help.Has(".foot a") || !strings.Contains(help.Text(".foot"), "the desk") {
		t.Errorf("the help of one leads to another: %s", help.Text(".foot"))
	}
}
