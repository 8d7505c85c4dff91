package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// restingLimit is the memory, in bytes, that a server with little in it stays below: what it keeps, [room], and a hash for each
// processor but one, with half of one that is over. A new one comes on top while the collector works, and the program's own
// pages are not of it.
func restingLimit(processors int) int64 { return room + int64(22+30*max(1, processors-1))<<20 }

// memoryLimit is where the collector of garbage begins to work harder, in bytes, when so much is kept, a hash that is being
// computed with it. Where more is kept than a small server does it grows along: it is to bound the garbage, never what a server may keep.
func memoryLimit(processors int, live int64) int64 {
	return restingLimit(processors) + 2*max(0, live-room-28<<20)
}

// shareMachine lets the runtime serve a machine of few processors and little memory. On one processor a hash of a password
// would hold up everything else for 10 ms at a time: with two threads the kernel shares it instead. And a hash leaves 19 MiB
// of garbage, of which as much lies about as is kept, with the hashes that run: a limit keeps that low while there is load.
// Whoever sets GOMAXPROCS, GOGC or GOMEMLIMIT knows better. What is returned is to run in the background.
func shareMachine(getenv func(string) string) (follow func(context.Context)) {
	if getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return func(context.Context) {}
	}
	debug.SetMemoryLimit(restingLimit(runtime.GOMAXPROCS(0)))
	return followMemory
}

// followMemory lets the limit grow with what is kept, until ctx ends.
func followMemory(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for last := int64(0); ; {
		metrics.Read(live)
		limit := memoryLimit(runtime.GOMAXPROCS(0), int64(live[0].Value.Uint64())) // of the last collection: it costs none
		if limit != last {
			debug.SetMemoryLimit(limit)
			last = limit
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
