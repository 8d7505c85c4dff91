package main

import (
	"fmt"
	"os"
	"strings"
)

// The measured part of docs/performance.md stands between these lines.
const (
	begin = "<!-- measured: begin; `make bench` renews it -->"
	end   = "<!-- measured: end -->"
)

// report returns the measured part as Markdown.
func (r *results) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s; %s, PostgreSQL %s with everything as it is by default, on the same machine; %s, oidc-provider %s; commit %s; took %.0f s.\n\n",
		r.At.UTC().Format("2 January 2006, 15:04 UTC"), r.Machine, r.Go, r.Postgres, r.Node, r.Peer, r.Commit, r.Took.Seconds())
	r.targetTable(&b)
	r.otherTable(&b)
	r.costTable(&b)
	r.latencyTable(&b)
	r.workTable(&b)
	return b.String()
}

func (r *results) targetTable(b *strings.Builder) {
	b.WriteString("### Targets\n\nCPU-seconds of server and database together per 1,000 operations; ours on PostgreSQL.\n\n" +
		"| flow | Dex¹ | oidc-provider | ours | of Dex | of oidc-provider |\n|---|---:|---:|---:|---|---|\n")
	for _, g := range goals {
		ours, peer := r.of(g.flow, onPostgres), r.of(g.flow, peerName)
		if ours == nil || peer == nil {
			continue
		}
		fmt.Fprintf(b, "| %s | %.2f | %.2f | %.3f | %s | %s |\n", r.title(g.flow), g.dex(r), peer.cpu(), ours.cpu(),
			share(ours.cpu(), g.dex(r), g.ofDex), share(ours.cpu(), peer.cpu(), g.ofPeer))
	}
	fmt.Fprintf(b, "\n¹ where no Dex was measured in this run: what it cost before on two shared cores, side by side with oidc-provider, "+
		"times %.2f, which is what oidc-provider costs now in the middle of all flows where it cost 1 then\n\n", r.scale())
}

func (r *results) title(flow string) string {
	for _, row := range r.Rows {
		if row.Flow == flow {
			return row.Title
		}
	}
	return flow
}

// share says which part of theirs ours is, and what it should be at most.
func share(ours, theirs, most float64) string {
	if most == 0 {
		return fmt.Sprintf("1/%.1f", theirs/ours)
	}
	v := verdict{ratio: ours / theirs / most}
	return fmt.Sprintf("1/%.1f, at most 1/%.1f: %s", theirs/ours, 1/most, v.met())
}

func (r *results) otherTable(b *strings.Builder) {
	b.WriteString("| other | ours | at most | |\n|---|---|---|---|\n")
	for _, v := range r.others() {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", v.what, v.ours, v.goal, v.met())
	}
	b.WriteString("\n")
	if r.Hash > 0 {
		fmt.Fprintf(b, "The hash of a password itself takes %.1f ms of the processor.", r.Hash)
	}
	if s := r.Saturation; s != nil {
		fmt.Fprintf(b, " While tokens were asked for at %.0f a second, %d browsers had %.0f passwords a second checked, %.0f more were turned away; "+
			"the p99 of client credentials alone was %.1f ms then, and %.1f ms without sign-ins.", s.Rate, signers, s.SignIns, s.Refused, s.MachineBusy, s.MachineQuiet)
	}
	if len(r.Scans) > 0 {
		fmt.Fprintf(b, " Read as a whole: %s.", strings.Join(r.Scans, ", "))
	}
	b.WriteString("\n\n")
}

func (r *results) costTable(b *strings.Builder) {
	b.WriteString("### Cost\n\n| flow | provider | operations/s | CPU ms, server | CPU ms, database | together |\n|---|---|---:|---:|---:|---:|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(b, "| %s | %s | %.0f | %.3f | %.3f | %.3f |\n", row.Title, row.name(), row.Rate, row.Server, row.Database, row.cpu())
	}
	b.WriteString("\n")
}

func (r *results) latencyTable(b *strings.Builder) {
	b.WriteString("### Latency at a fixed rate\n\n| flow | provider | arrivals/s | p50 ms | p99 ms | p99.9 ms |\n|---|---|---:|---:|---:|---:|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(b, "| %s | %s | %.0f | %.1f | %.1f | %.1f |\n", row.Title, row.Provider, row.Arrivals, row.P50, row.P99, row.P999)
	}
	b.WriteString("\n")
}

func (r *results) workTable(b *strings.Builder) {
	b.WriteString("### What PostgreSQL does for an operation\n\n| flow | statements | transactions that write | WAL bytes | syncs |\n|---|---:|---:|---:|---:|\n")
	for _, row := range r.Rows {
		if w := row.Work; w != nil && row.Provider == onPostgres {
			fmt.Fprintf(b, "| %s | %.2f | %.2f | %.0f | %.2f |\n", row.Title, w.Statements, w.Transactions, w.WAL, w.Syncs)
		}
	}
	b.WriteString("\nStatements include BEGIN and COMMIT. Several transactions at once share a sync.\n")
}

// write puts the report into the marked part of a document.
func (r *results) write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, hasBegin := strings.Cut(string(text), begin+"\n")
	_, tail, hasEnd := strings.Cut(rest, end+"\n")
	if !hasBegin || !hasEnd {
		return fmt.Errorf("%s has no part for what is measured: %s … %s", path, begin, end)
	}
	return os.WriteFile(path, []byte(head+begin+"\n\n"+r.report()+"\n"+end+"\n"+tail), 0o644)
}
