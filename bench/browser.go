package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// answerWithin is how long an operation may take before it counts as failed.
const answerWithin = 30 * time.Second

// newTransport returns the way to all providers: connections stay open, as those of a proxy do.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 1024, IdleConnTimeout: time.Minute, DisableCompression: true}
}

// browser keeps cookies and follows redirects as far as the app.
type browser struct {
	client  *http.Client
	address string // as a proxy would report it; "": none
}

func newBrowser(transport http.RoundTripper, address string) *browser {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &browser{address: address, client: &http.Client{
		Jar: jar, Transport: transport, Timeout: answerWithin,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), callback) {
				return http.ErrUseLastResponse
			}
			if len(via) > 20 {
				return fmt.Errorf("a redirect loop at %s", r.URL.Path)
			}
			return nil
		},
	}}
}

// forget has the browser lose its cookies for an address, but for those whose name ends like this: what a session leaves behind.
func (b *browser) forget(address, keep string) error {
	at, err := url.Parse(address)
	if err != nil {
		return err
	}
	var gone []*http.Cookie
	for _, c := range b.client.Jar.Cookies(at) {
		if !strings.HasSuffix(c.Name, keep) {
			gone = append(gone, &http.Cookie{Name: c.Name, Path: "/", MaxAge: -1})
		}
	}
	b.client.Jar.SetCookies(at, gone)
	return nil
}

// page is what a browser has arrived at. When that is the app, url is the address there and body is empty.
type page struct {
	url    *url.URL
	status int
	body   string
}

func (b *browser) get(ctx context.Context, address string) (*page, error) {
	return b.do(ctx, http.MethodGet, address, "")
}

func (b *browser) post(ctx context.Context, address string, values url.Values) (*page, error) {
	return b.do(ctx, http.MethodPost, address, values.Encode())
}

func (b *browser) do(ctx context.Context, method, address, body string) (*page, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.address != "" {
		r.Header.Set("X-Forwarded-For", b.address)
	}
	response, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if location, err := response.Location(); err == nil {
		return &page{url: location, status: response.StatusCode}, nil
	}
	return &page{url: response.Request.URL, status: response.StatusCode, body: string(text)}, nil
}

// submit presses the button with an id: it posts the form around it, filled with pairs of name and value.
func (b *browser) submit(ctx context.Context, p *page, button string, pairs ...string) (*page, error) {
	action, values, ok := form(p.body, button)
	if !ok {
		return nil, fmt.Errorf("no button %s at %s (%d)", button, p.url.Path, p.status)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	target, err := p.url.Parse(action)
	if err != nil {
		return nil, err
	}
	return b.post(ctx, target.String(), values)
}

// form returns where the form around a button leads, and what it sends untouched.
func form(body, button string) (action string, values url.Values, ok bool) {
	tokens, mine := html.NewTokenizer(strings.NewReader(body)), false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return "", nil, false
		case html.EndTagToken:
			if name, _ := tokens.TagName(); string(name) == "form" && mine {
				return action, values, true
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			a := attributes(token)
			switch token.Data {
			case "form":
				action, values, mine = a["action"], url.Values{}, false
			case "input":
				if _, ticked := a["checked"]; a["name"] != "" && (ticked || a["type"] != "checkbox" && a["type"] != "radio") {
					values.Add(a["name"], a["value"])
				}
			}
			if a["id"] == button {
				mine = true
				if a["name"] != "" {
					values.Set(a["name"], a["value"])
				}
			}
		}
	}
}

func attributes(token html.Token) map[string]string {
	out := make(map[string]string, len(token.Attr))
	for _, a := range token.Attr {
		out[a.Key] = a.Val
	}
	return out
}
