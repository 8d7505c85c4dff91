package main

import (
	"runtime/debug"
	"testing"
)

func TestMemoryLimitLeavesRoom(t *testing.T) {
	for _, processors := range []int{1, 2, 8, 64} {
		for _, live := range []int64{0, 8 << 20, 200 << 20, 4 << 30} {
			limit := memoryLimit(processors, room+live)
			hashes := int64(max(1, processors-1)) * 19 << 20
			if limit < live+room+live/2 || limit-hashes < room+30<<20 {
				t.Errorf("%d processors, %d MiB kept: %d MiB", processors, live>>20, limit>>20)
			}
		}
	}
	if limit := (memoryLimit(2, room+10<<20) - room) >> 20; limit > 60 {
		t.Errorf("a small server on two processors: %d MiB", limit)
	}
}

// TestWhoeverSetsTheRuntimeKnowsBetter: the environment's own settings stay.
func TestWhoeverSetsTheRuntimeKnowsBetter(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		before := limitNow()
		shareMachine(func(asked string) string {
			if asked == name || asked == "GOMAXPROCS" {
				return "2"
			}
			return ""
		})(t.Context())
		if now := limitNow(); now != before {
			t.Errorf("%s: the limit became %d", name, now)
		}
	}
}

func limitNow() int64 { return debug.SetMemoryLimit(-1) }
