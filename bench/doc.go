// Command bench measures what the operations of a provider cost, ours and others beside each other, and writes
// docs/performance.md.
//
//	go run ./bench -quick    a few seconds per flow, to see that it works
//	go run ./bench -write    the whole of it; renews docs/performance.md
//
// It starts `idp serve` on SQLite and on a private PostgreSQL that syncs, with people who have an authenticator and with clients;
// beside them npm's oidc-provider, which keeps everything in memory, and Dex and Hydra where their programs are given. One generator
// drives them all, through whole flows with cookies: eight workers without a pause for the processor's time per operation, and
// arrivals at a fixed rate for latencies, counted from the moment at which a request was due, so that a provider that stalls does
// not delay the requests that would have shown it.
//
// It knows a provider by its discovery document; how somebody is signed in is the adapter's (ours.go, peer.go, dex.go, hydra.go). It runs
// on Linux: the processor's time is read from /proc.
package main
