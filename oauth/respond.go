package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"
)

// respond sends an authorization response to the client (OAuth 2.0 Multiple Response Type Encoding Practices, Form Post
// Response Mode). Every response says who sent it (RFC 9207), state is there only if it was sent.
func (s *Server) respond(w http.ResponseWriter, ar fosite.AuthorizeRequester, values url.Values) {
	noStore(w)
	values.Set("iss", s.cfg.Issuer)
	values.Del("state")
	if state := ar.GetState(); state != "" {
		values.Set("state", state)
	}
	target := ar.GetRedirectURI().String()
	switch ar.GetResponseMode() {
	case fosite.ResponseModeFormPost:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", formPostPolicy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		formPostPage.Execute(w, struct {
			Action template.URL // registered, or it would not be answered to
			Values url.Values
		}{template.URL(target), values})
		return
	case fosite.ResponseModeFragment:
		target += "#" + values.Encode()
	default:
		target = appendQuery(target, values)
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther) // 303: a form that was posted to us is never posted on (RFC 9700 section 4.12)
}

// appendQuery adds values to a URI whose own query stays as it is.
func appendQuery(uri string, values url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + values.Encode()
}

const formPostScript = `document.forms[0].submit()`

var (
	formPostPolicy = "default-src 'none'; base-uri 'none'; script-src 'sha256-" + scriptHash(formPostScript) + "'"

	formPostPage = template.Must(template.New("form_post").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Signing in</title></head>
<body><form method="post" action="{{.Action}}">
{{range $name, $values := .Values}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button>Continue</button></noscript></form>
<script>` + formPostScript + `</script></body></html>
`))

	barePage = template.Must(template.New("problem").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Error</title></head>
<body><h1>{{.Code}}</h1><p role="alert">{{.Description}}{{if .Parameter}} Parameter: {{.Parameter}}{{end}}</p></body></html>
`))
)

func scriptHash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}
