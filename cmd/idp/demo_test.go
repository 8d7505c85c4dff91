package main

import (
	"net"
	"strings"
	"testing"
)

// TestLoopbackNeedsEveryAddress: a browser that takes "localhost" for the other address would reach another program.
func TestLoopbackNeedsEveryAddress(t *testing.T) {
	addresses := 0
	for _, host := range []string{"127.0.0.1", "::1"} {
		other, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil { // a machine without IPv6
			continue
		}
		defer other.Close()
		addresses++
		if _, err := loopback(other.Addr().(*net.TCPAddr).Port); err == nil || !strings.Contains(err.Error(), other.Addr().String()) {
			t.Errorf("%s is taken: %v", other.Addr(), err)
		}
	}
	free, err := loopback(0)
	if err != nil || len(free) != addresses || addresses == 0 {
		t.Errorf("%v %v, %d addresses", free, err, addresses)
	}
	for _, listener := range free {
		listener.Close()
	}
}
