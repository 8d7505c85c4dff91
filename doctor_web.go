package idp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// certificate looks at the files that TLS is served with.
func (e *examiner) certificate() {
	const check = "tls files"
	c := e.Config
	if c.TLSCertFile == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile)
	if err != nil {
		e.wrong(check, "set tls_cert_file and tls_key_file to files that fit each other", "%v", err)
		return
	}
	if info, err := os.Stat(c.TLSKeyFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		e.wrong("files", "chmod 600 "+c.TLSKeyFile, "others may read the key of the certificate at %s", c.TLSKeyFile)
	}
	public, _ := url.Parse(c.PublicURL)
	if err := pair.Leaf.VerifyHostname(public.Hostname()); err != nil {
		e.wrong(check, "set tls_cert_file to a certificate of that host", "%v", err)
		return
	}
	e.expires(check, pair.Leaf)
}

// expires judges how long a certificate is still good.
func (e *examiner) expires(check string, leaf *x509.Certificate) {
	left, day := leaf.NotAfter.Sub(e.now()), leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		e.wrong(check, "renew it", "the certificate ended on %s", day)
	case left < almostOver:
		e.wrong(check, "renew it, and see why that does not happen by itself", "the certificate ends on %s", day)
	case left < soonOver:
		e.notice(check, "see that it is renewed", "the certificate ends on %s", day)
	default:
		e.fine(check, "the certificate is good until %s", day)
	}
}

// answer is what a provider said of itself.
type answer struct {
	status   int
	issuer   string
	location string
	seen     *arrival // nil: it is none of ours, has other keys, or a clock that differs by minutes
	leaf     *x509.Certificate
}

const discoveryPath = "/.well-known/openid-configuration"

// web asks the provider of itself: at its listener, which says whether it runs, and through the public URL, as apps do.
//
// Not to be reached through the public URL is wrong when the provider runs here, because then the way is at fault, and when
// somebody else answers there. Where nothing runs at all it is only worth knowing: before the first start, and on
// a machine that has the command line and no server.
func (e *examiner) web(ctx context.Context) {
	const check = "discovery"
	runs := e.listener(ctx)
	a, err := e.ask(ctx, e.Config.PublicURL, false)
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid):
		e.distrusted(invalid)
		return
	case err != nil && runs:
		e.wrong(check, "see that public_url leads to the listener, by DNS, firewall and proxy", "the provider runs, and %s does not lead to it from here: %v", e.Config.PublicURL, err)
		return
	case err != nil || a.status >= 502 && a.status <= 504 && !runs:
		e.notice(check, "run idp serve", "the provider does not run here, and nobody answers at %s", e.Config.PublicURL)
		return
	}
	if a.leaf != nil {
		e.expires("tls", a.leaf)
	}
	switch {
	case a.status == http.StatusMisdirectedRequest && a.seen != nil:
		e.wrong(check, "let the proxy pass the Host header on as it came", "the provider is asked as %q", a.seen.Host)
	case a.location != "":
		e.wrong(check, "set public_url to where it leads, or take the redirect away", "%s redirects to %s", e.Config.PublicURL+discoveryPath, a.location)
	case a.status != http.StatusOK || a.issuer == "":
		e.wrong(check, "let the proxy pass every path on to the listener", "%s answers with status %d, and not as a provider does", e.Config.PublicURL+discoveryPath, a.status)
	case a.issuer != e.Config.PublicURL:
		e.wrong(check, "set public_url alike everywhere", "the issuer at %s is %s", e.Config.PublicURL, a.issuer)
	default:
		e.fine(check, "%s answers as the issuer", e.Config.PublicURL)
		e.arrived(a)
	}
}

// distrusted tells of a certificate that this machine does not believe.
func (e *examiner) distrusted(err *tls.CertificateVerificationError) {
	public, _ := url.Parse(e.Config.PublicURL)
	if loopback(public.Hostname()) {
		e.notice("tls", "", "the certificate of %s is for a trial: %v", e.Config.PublicURL, err.Err)
		return
	}
	e.wrong("tls", "serve a certificate of that host with its whole chain", "apps do not believe the certificate of %s: %v", e.Config.PublicURL, err.Err)
}

// listener reports whether the provider runs here.
func (e *examiner) listener(ctx context.Context) bool {
	const check = "listener"
	base, err := e.Config.localURL()
	if err != nil {
		e.wrong(check, "set listen", "%v", err)
		return false
	}
	a, err := e.ask(ctx, base, true)
	switch {
	case err != nil:
		return false
	case a.issuer == "":
		e.wrong(check, "set listen to an address that nobody else has", "something else answers at %s", e.Config.Listen)
	case a.issuer != e.Config.PublicURL:
		e.wrong(check, "give the command the configuration of the server, or set listen", "the provider at %s is %s", e.Config.Listen, a.issuer)
	case a.seen == nil && e.keys != nil:
		e.wrong(check, "give the command the keyset of the server, and synchronise the time on both", "the provider at %s has another keyset, or another time", e.Config.Listen)
	default:
		e.fine(check, "the provider runs at %s", e.Config.Listen)
		return true
	}
	return false
}

// localURL is where the listener is reached on this machine.
func (c *Config) localURL() (string, error) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if c.TLSCertFile != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port), nil
}

// ask fetches the discovery document below base. Local is our own listener on this machine, under a certificate that names
// the public host.
func (e *examiner) ask(ctx context.Context, base string, local bool) (*answer, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: local}
	if local {
		transport.Proxy = nil
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+discoveryPath, nil)
	if err != nil {
		return nil, err
	}
	var asks asker
	if e.keys != nil {
		if asks, err = newAsker(e.keys, e.now); err != nil {
			return nil, err
		}
		request.Header.Set(askHeader, asks.word())
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL, which the caller names
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, location: response.Header.Get("Location")}
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		a.leaf = response.TLS.PeerCertificates[0]
	}
	if text := response.Header.Get(seenHeader); text != "" && e.keys != nil {
		a.seen = new(arrival)
		if json.Unmarshal([]byte(text), a.seen) != nil || !asks.answered(*a.seen) {
			a.seen = nil
		}
	}
	var document struct{ Issuer string }
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&document); err == nil && a.status == http.StatusOK {
		a.issuer = document.Issuer
	}
	return a, nil
}

// arrived judges how a request of ours came through the proxies.
func (e *examiner) arrived(a *answer) {
	const check = "proxy"
	if a.seen == nil && e.keys == nil {
		return
	}
	if a.seen == nil {
		e.notice(check, "give the command the keyset of the server, and synchronise the time on both", "how requests arrive is not known: another keyset answers, or a proxy drops headers")
		return
	}
	s := a.seen
	public, _ := url.Parse(e.Config.PublicURL)
	how := fmt.Sprintf("arrives as %s, scheme %s, from %s, counted as %s", s.Host, s.Scheme, s.Peer, s.Address)
	switch {
	case s.Forwarded && !s.Trusted:
		e.wrong(check, "set trusted_proxies to the network of the proxy, such as "+s.Peer+"/32, if it is yours", "%s: a proxy's X-Forwarded-For is not believed, so everybody is counted as one address", how)
	case public.Scheme == "https" && s.Scheme == "http" && !s.Forwarded:
		e.notice(check, "let the proxy set X-Forwarded-For, and set trusted_proxies", "%s: everybody is counted as the proxy's address", how)
	default:
		e.fine(check, "%s", how)
	}
}
