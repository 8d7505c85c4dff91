package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"time"
)

// The names of ours in the report.
const (
	onPostgres = "ours, PostgreSQL"
	onSQLite   = "ours, SQLite"
	cheaply    = "ours, PostgreSQL, without the hash"
	peerName   = "oidc-provider"
	dexName    = "Dex, PostgreSQL"
	hydraName  = "Hydra, PostgreSQL"
)

// row is one flow at one provider.
type row struct {
	Flow, Title, Provider string
	figures
}

// name says which provider it is, and whether operations failed there.
func (r row) name() string {
	if r.Failed == 0 {
		return r.Provider
	}
	return fmt.Sprintf("%s (%.0f %% failed)", r.Provider, r.Failed*100)
}

// installation is one of ours as a whole.
type installation struct {
	Name       string
	Start      float64 // milliseconds
	Idle, Most int64   // bytes
}

// results are what a run has found.
type results struct {
	Machine, Go, Node, Postgres, Peer, Commit string
	At                                        time.Time
	Took                                      time.Duration

	Rows       []row
	Ours       []installation
	PeerMost   int64   // bytes
	Hash       float64 // milliseconds of the processor; 0: not measured
	Saturation *saturation
	Scans      []string // tables of more than a thousand rows that were read as a whole when they were that big
	Big        []string // all tables of more than a thousand rows
}

// describe notes where the run takes place.
func (r *results) describe(ctx context.Context) {
	r.At, r.Go = time.Now(), runtime.Version()
	r.Node, _ = run(ctx, "", "node", "--version")
	r.Commit, _ = run(ctx, "", "git", "describe", "--always", "--dirty")
	r.Machine = fmt.Sprintf("%d cores", runtime.NumCPU())
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				r.Machine += ", " + strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				return
			}
		}
	}
}

// big is how many rows a table has that is not to be read as a whole.
const big = 1000

// scanned notes which big tables were read as a whole. While a table is empty or small, reading it so is the quickest way, which
// PostgreSQL takes; that counts when a big table's worth of rows has been read.
func (r *results) scanned(before, after map[string]table) {
	for name, now := range after {
		if now.live < big {
			continue
		}
		r.Big = append(r.Big, name)
		if rows := now.read - before[name].read; rows >= big {
			r.Scans = append(r.Scans, fmt.Sprintf("%s (%d times, %d rows)", name, now.scans-before[name].scans, rows))
		}
	}
	sort.Strings(r.Scans)
	sort.Strings(r.Big)
}

// of returns the figures of a flow at a provider; nil: they were not taken.
func (r *results) of(flow, provider string) *figures {
	for i := range r.Rows {
		if r.Rows[i].Flow == flow && r.Rows[i].Provider == provider {
			return &r.Rows[i].figures
		}
	}
	return nil
}
