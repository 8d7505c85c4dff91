package oauth

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
)

// NewOutbound returns the client of requests whose address somebody else chose: no redirects, no proxy, and no address of
// this machine or its network but those in allowed. The address is checked when it is dialled, so that no name can
// change it afterwards. Certificates of a private authority are believed by SSL_CERT_FILE and SSL_CERT_DIR.
func NewOutbound(allowed []netip.Prefix) *http.Client {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		peer, err := netip.ParseAddrPort(address)
		if err != nil || !reachable(peer.Addr().Unmap(), allowed) {
			return errors.New("oauth: the address is not a public one")
		}
		return nil
	}}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout,
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("oauth: redirects are not followed") },
	}
}

func reachable(ip netip.Addr, allowed []netip.Prefix) bool {
	for _, network := range allowed {
		if network.Contains(ip) {
			return true
		}
	}
	return public(ip)
}

// special are addresses that lead to this or a neighbouring network without being private by name.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/23"),
}

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}
