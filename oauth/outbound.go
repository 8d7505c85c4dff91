package oauth

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
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
	if translated.Contains(ip) { // an IPv6-only network reaches the IPv4 internet by it, and its own neighbours too
		bytes := ip.As16()
		return reachable(netip.AddrFrom4([4]byte(bytes[12:])), allowed)
	}
	return public(ip)
}

// translated are IPv4 addresses behind a NAT64 (RFC 6052 section 2.1).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// special are addresses that lead to this or a neighbouring network without being private by name.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() &&
		!slices.ContainsFunc(special, func(network netip.Prefix) bool { return network.Contains(ip) })
}
