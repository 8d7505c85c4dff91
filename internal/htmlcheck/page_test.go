package htmlcheck

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const good = `<!doctype html><html lang="en" dir="ltr"><title>A page</title><main><h1>A  page</h1>
<form method="post" action="/go?x=1"><input type="hidden" name="form_token" value="t">
<label for="code">Code</label><input id="code" name="code" value="12" autocomplete="off">
<label for="box">Box</label><input type="checkbox" id="box" name="box" value="1">
<button id="yes" name="answer" value="yes">Yes</button><button name="answer" value="no">No</button></form></main>`

func TestPage(t *testing.T) {
	p := Must(t, good)
	if got := p.Text("h1"); got != "A page" {
		t.Errorf("Text(h1) = %q", got)
	}
	if p.Title() != "A page" || p.Label("code") != "Code" || p.Attr("#code", "value") != "12" {
		t.Error("title, label or attribute not found")
	}
	if got := p.Texts("button"); !slices.Equal(got, []string{"Yes", "No"}) {
		t.Errorf("Texts(button) = %q", got)
	}
	if p.Has("#missing") || p.Text("#missing") != "" || p.Attr("#missing", "id") != "" {
		t.Error("found what is not there")
	}
	action, values := p.Form("#yes")
	want := url.Values{"form_token": {"t"}, "code": {"12"}, "answer": {"yes"}}
	if diff := cmp.Diff(want, values); diff != "" || action != "/go?x=1" {
		t.Errorf("Form goes to %q: %s", action, diff)
	}
	if action, _ := p.Form("h1"); action != "" {
		t.Errorf("a form outside of any: %q", action)
	}
	if found := p.Lint(); found != nil {
		t.Errorf("a good page: %q", found)
	}
}

func TestLint(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"language", ` lang="en"`, ``, "no lang"},
		{"title", `<title>A page</title>`, ``, "no title"},
		{"heading", `<h1>A  page</h1>`, ``, "0 h1"},
		{"token", `form_token`, `other`, "no form_token"},
		{"label", `for="code"`, `for="box"`, "no label"},
		{"target", `for="code"`, `for="nothing"`, "not on the page"},
		{"double id", `id="box"`, `id="code"`, `"code" is there 2 times`},
		{"style", `<h1>`, `<h1 style="color:red">`, "inline style"},
		{"handler", `<h1>`, `<h1 onclick="x()">`, "event handler"},
		{"script", `<h1>`, `<script>x()</script><h1>`, "inline script"},
		{"sheet", `<h1>`, `<style>x{}</style><h1>`, "inline style sheet"},
		{"foreign", `<h1>`, `<img alt="" src="https://elsewhere.example/x.png"><h1>`, "from elsewhere"},
		{"picture", `<h1>`, `<img src="/x.png"><h1>`, "no alt"},
		{"empty", `>Yes<`, `><`, "no text"},
		{"paste", `value="12"`, `maxlength="6"`, "paste"},
		{"invalid", `value="12"`, `aria-invalid="true"`, "does not say why"},
		{"anchor", `<h1>`, `<a href="#nowhere">x</a><h1>`, "leads to a place"},
		{"refused", `/go?x=1`, `#ZgotmplZ`, "refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := strings.Join(Must(t, strings.Replace(good, test.old, test.new, 1)).Lint(), "\n")
			if !strings.Contains(found, test.want) {
				t.Errorf("found %q, want %q", found, test.want)
			}
		})
	}
}
