package throttle_test

import (
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

func BenchmarkReserve(b *testing.B) {
	c, p := newCounter(), throttle.Policy{Waits: []throttle.Wait{{From: 5, For: time.Second}, {From: 10, For: time.Minute}}, Seal: 100}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := throttle.Reserve(b.Context(), c, p, "alice", start); err != nil {
			b.Fatal(err)
		}
		c.n["alice"] = 0
	}
}

func BenchmarkNetworkKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if throttle.NetworkKey("2001:db8::1234", start) == "" {
			b.Fatal("no key")
		}
	}
}
