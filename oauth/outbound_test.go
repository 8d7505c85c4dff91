package oauth

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSec_DS05_OnlyPublicAddresses: this machine, its network and its cloud's metadata are no client's, however they
// are written.
func TestSec_DS05_OnlyPublicAddresses(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808", "2002:7f00:1::", "2001::1",
		"fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1",
	} {
		if ip := netip.MustParseAddr(text); reachable(ip.Unmap(), nil) {
			t.Errorf("%s is public", text)
		}
		if conn, err := dial(nil, net.JoinHostPort(text, "1")); err == nil || !strings.Contains(err.Error(), "not a public one") {
			t.Errorf("%s was dialled: %v, %v", text, conn, err)
		}
	}
	for _, text := range []string{"8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"} {
		if !reachable(netip.MustParseAddr(text).Unmap(), nil) {
			t.Errorf("%s is not public", text)
		}
	}
	// What is allowed is that and nothing beside it.
	allowed := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "127.0.0.1": true,
		"192.168.1.1": false, "169.254.169.254": false, "64:ff9b::a9fe:a9fe": false, "::1": false, "0.0.0.0": false,
	} {
		if reachable(netip.MustParseAddr(text).Unmap(), allowed) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	if metadata := netip.MustParseAddr("169.254.169.254"); !reachable(metadata, []netip.Prefix{netip.PrefixFrom(metadata, 32)}) {
		t.Error("named by itself it is allowed")
	}
}

// dial tries what a request would do first.
func dial(allowed []netip.Prefix, address string) (net.Conn, error) {
	return NewOutbound(allowed).Transport.(*http.Transport).DialContext(context.Background(), "tcp", address)
}

// TestPrivateAuthority: a client whose certificate comes from an authority of one's own is reached when SSL_CERT_FILE
// names that. Go reads the variable once, so the test runs itself again with it.
func TestPrivateAuthority(t *testing.T) {
	const address = "OUTBOUND_TEST_ADDRESS"
	if url := os.Getenv(address); url != "" {
		response, err := NewOutbound([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	again := func(env ...string) (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPrivateAuthority$")
		cmd.Env = append(append(os.Environ(), address+"="+server.URL), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := again("SSL_CERT_FILE=" + file); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := again(); err == nil || !strings.Contains(out, "unknown authority") {
		t.Errorf("a stranger's certificate is believed: %v %s", err, out)
	}
}
