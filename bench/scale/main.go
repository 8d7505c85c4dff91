// Command scale measures what the operations of a provider cost over few people and over many.
//
//	go run ./bench/scale -people 0,100000,1000000 -grants 3
//
// It starts a PostgreSQL server of its own, with a database for each size, filled by package fill, and a provider on each in its own
// process, without a network between. The sizes take turns, so that whatever else the machine does meets them alike. It prints for
// each operation the processor's time of provider and server, statements, WAL and latencies, and their ratios to the first size; and
// at the end the same as a table for docs/capacity.md, with the tables that were read as a whole. It ends with 1 when a ratio of the
// processor's time is above -most or a large table was read so.
//
// It runs on Linux: the processor's time is read from /proc.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/bench/fill"
	"github.com/focushq/idp/internal/dbxtest"
)

// few is how many people stand for an empty database: somebody must be there to do something.
const few = 200

func main() {
	people := flag.String("people", "0,100000,1000000", "sizes to compare, the first one being what others are compared with")
	grants := flag.Int("grants", 3, "grants of each person")
	trail := flag.Int("audit", 0, "rows of the audit log, of the largest size; others have their share")
	ops := flag.Int("ops", 400, "operations of a kind and turn")
	turns := flag.Int("turns", 5, "turns of each size")
	buffers := flag.String("buffers", "2GB", "shared_buffers of the server")
	most := flag.Float64("most", 1.2, "greatest ratio of the processor's time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := run(ctx, *people, *grants, *trail, *ops, *turns, *buffers, *most)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func run(ctx context.Context, people string, grants, trail, ops, turns int, buffers string, most float64) (good bool, err error) {
	// Autovacuum would work on what has just been filled, in whose turn it happens to be; filling ends with what it would do.
	// Checkpoints come seldom while it fills, and none while it measures.
	server, err := dbxtest.NewServer(ctx, "shared_buffers="+buffers, "max_wal_size=8GB", "checkpoint_timeout=30min", "autovacuum=off",
		"shared_preload_libraries=pg_stat_statements")
	if err != nil {
		return false, err
	}
	defer server.Close()
	folder, err := os.MkdirTemp("", "idp-scale-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(folder)
	var counts []int
	for text := range strings.SplitSeq(people, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return false, err
		}
		counts = append(counts, max(n, few))
	}
	var places []*place
	for i, n := range counts {
		size := fill.Size{People: n, Factors: 5, Sessions: min(n, 200_000), Consents: min(n, 200_000), Clients: max(2, grants), Grants: n * grants}
		size.Trail = int(int64(trail) * int64(n) / int64(counts[len(counts)-1]))
		p, err := newPlace(ctx, server, folder, fmt.Sprintf("scale_%d", i), size)
		if err != nil {
			return false, err
		}
		defer p.close()
		places = append(places, p)
	}
	for _, p := range places {
		if err := p.start(ctx); err != nil {
			return false, err
		}
	}
	// What was filled is written now, not in the middle of what is measured.
	if _, err := places[0].db.ExecContext(ctx, "CHECKPOINT"); err != nil {
		return false, err
	}
	if err := load(ctx, places, ops, turns); err != nil {
		return false, err
	}
	good = report(places, most)
	for _, p := range places {
		if p.whole, err = p.scanned(ctx); err != nil {
			return false, err
		}
		good = good && len(p.whole) == 0
	}
	markdown(places)
	return good, nil
}

// load does the operations in turns. The first turn warms caches and prepares statements, and does not count.
func load(ctx context.Context, places []*place, ops, turns int) error {
	for turn := range turns + 1 {
		if turn == 1 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(quiet):
			}
			for _, p := range places {
				if err := p.begin(ctx); err != nil {
					return err
				}
			}
		}
		for _, op := range operations {
			for _, p := range places {
				if err := p.measure(ctx, op, ops, turn > 0); err != nil {
					return fmt.Errorf("%s over %d people: %w", op.name, p.crowd.People, err)
				}
			}
		}
	}
	return nil
}

// quiet is after how long at most a connection that has nothing to do tells the server's statistics what it did: ten seconds
// (PGSTAT_IDLE_INTERVAL). What the provider read when it started is no part of the load.
const quiet = 11 * time.Second

// report prints what each operation costs at each place and whether no ratio is above most.
func report(places []*place, most float64) (good bool) {
	good = true
	fmt.Printf("\n%-20s %10s %12s %8s %8s %8s %6s %8s %9s %9s\n", "operation", "people", "grants", "ms CPU", "provider", "database", "ratio", "statem.", "WAL bytes", "p50/p99 ms")
	for _, op := range operations {
		first := places[0].costs[op.name].perOp()
		for _, p := range places {
			c := p.costs[op.name]
			per := c.perOp()
			ratio := float64(per.cpu()) / float64(first.cpu())
			good = good && ratio <= most
			fmt.Printf("%-20s %10d %12d %8.3f %8.3f %8.3f %6.2f %8.1f %9d %.2f/%.2f\n", op.name, p.crowd.People, p.crowd.Grants, ms(per.cpu()), ms(per.provider),
				ms(per.database), ratio, float64(c.statements)/float64(c.ops), per.wal, ms(c.quantile(0.5)), ms(c.quantile(0.99)))
		}
	}
	fmt.Println()
	return good
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// markdown prints the table of docs/capacity.md.
func markdown(places []*place) {
	row := func(name string, cell func(*place) string) {
		fmt.Printf("| %s |", name)
		for _, p := range places {
			fmt.Printf(" %s |", cell(p))
		}
		fmt.Println()
	}
	row("operation", func(p *place) string {
		return fmt.Sprintf("%s people, %s grants", thousands(p.crowd.People), thousands(p.crowd.Grants))
	})
	fmt.Println("|---|" + strings.Repeat("---:|", len(places)))
	for _, op := range operations {
		first := places[0].costs[op.name].perOp()
		row(op.name, func(p *place) string {
			per := p.costs[op.name].perOp()
			cell := fmt.Sprintf("%.2f + %.2f ms, %.1f kB", ms(per.provider), ms(per.database), float64(per.wal)/1000)
			if p != places[0] {
				cell = fmt.Sprintf("**%.2f**: %s", float64(per.cpu())/float64(first.cpu()), cell)
			}
			return cell
		})
	}
	row("size of the database", func(p *place) string { return p.size })
	row("tables of more than 1,000 rows that were read as a whole", func(p *place) string { return or(strings.Join(p.whole, ", "), "none") })
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
