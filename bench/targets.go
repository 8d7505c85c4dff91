package main

import (
	"fmt"
	"math"
)

// goal is what a flow on PostgreSQL may cost, as a share of what it costs at others. Then are the CPU-seconds per 1,000
// operations that were measured side by side on two shared cores, before this program was there.
type goal struct {
	flow              string
	dexThen, peerThen float64
	ofDex, ofPeer     float64 // 0: no goal
}

var goals = []goal{
	{"machine", 2.04, 0.58, 1.0 / 15, 1.0 / 3},
	{"code", 10.43, 1.29, 1.0 / 10, 2.0 / 3},
	{"code-rs256", 10.43, 1.64, 1.0 / 5, 0},
	{"refresh", 7.19, 0.90, 1.0 / 12, 2.0 / 3},
	{"introspect", 0.66, 0.25, 0, 1.0 / 2},
	{"userinfo", 0.60, 0.21, 0, 1.0 / 2},
}

// verdict is a figure beside what was aimed at.
type verdict struct {
	what, ours, goal string
	ratio            float64 // of ours to what it may be at most
}

func (v verdict) met() string {
	switch {
	case v.ratio <= 1:
		return "met"
	case math.IsInf(v.ratio, 1): // nothing at all was allowed
		return "**missed**"
	}
	return fmt.Sprintf("**missed**: %.2f × as much", v.ratio)
}

// scale says how much more or less oidc-provider costs here and now than then, in the middle of all flows: what is different
// between the machines, and not what one flow happens to be asked for.
func (r *results) scale() float64 {
	var all []float64
	for _, g := range goals {
		if now := r.of(g.flow, peerName); now != nil {
			all = append(all, now.cpu()/g.peerThen)
		}
	}
	return median(all)
}

// dex returns what Dex costs where it was measured, too, and else what it would cost on this machine, today.
func (g goal) dex(r *results) float64 {
	if now := r.of(g.flow, dexName); now != nil {
		return now.cpu()
	}
	return g.dexThen * r.scale()
}

// others judges what is no flow.
func (r *results) others() []verdict {
	const mega = 1e6
	var out []verdict
	if s := r.of(signInFlow.id, cheaply); s != nil {
		out = append(out, verdict{"whole sign-in, password + code, without the hash", fmt.Sprintf("%.2f ms CPU", s.cpu()), "3 ms", s.cpu() / 3})
	}
	if s := r.Saturation; s != nil {
		out = append(out, verdict{"p99 of the token endpoint while sign-ins saturate the hash",
			fmt.Sprintf("%.1f ms, without sign-ins %.1f ms: %.1f ×", s.Busy, s.Quiet, s.Busy/s.Quiet), "3 ×", s.Busy / s.Quiet / 3})
	}
	for _, o := range r.Ours {
		out = append(out,
			verdict{"memory, idle, " + o.Name, fmt.Sprintf("%.0f MB", float64(o.Idle)/mega), "40 MB", float64(o.Idle) / mega / 40},
			verdict{"memory, most in this run, " + o.Name, fmt.Sprintf("%.0f MB", float64(o.Most)/mega), "100 MB", float64(o.Most) / mega / 100},
			verdict{"start on an existing database until ready, " + o.Name, fmt.Sprintf("%.0f ms", o.Start), "150 ms", o.Start / 150})
	}
	if c := r.of("code", onPostgres); c != nil && c.Work != nil {
		out = append(out,
			verdict{"transactions that write in a whole code flow", fmt.Sprintf("%.2f", c.Work.Transactions), "4", c.Work.Transactions / 4},
			verdict{"syncs of the database in a whole code flow", fmt.Sprintf("%.2f", c.Work.Syncs), "2", c.Work.Syncs / 2})
	}
	if r.Big != nil {
		ratio := 0.0
		if len(r.Scans) > 0 {
			ratio = math.Inf(1)
		}
		out = append(out, verdict{"big tables that were read as a whole", fmt.Sprintf("%d of %d", len(r.Scans), len(r.Big)), "0", ratio})
	}
	return out
}
