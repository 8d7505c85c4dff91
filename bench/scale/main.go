// Command scale measures what the operations of a provider cost over few people and over many.
//
//	go run ./bench/scale -people 0,100000,1000000 -grants 3
//
// It starts a PostgreSQL server of its own, with a database for each size, filled by package fill, and a provider on each in its own
// process, without a network between. The sizes take turns, so that whatever else the machine does meets them alike. It prints for
// each operation the processor's time of provider and server, statements, WAL and latencies, and their ratios to the first size; and
// which tables were read as a whole. It ends with 1 when a ratio of the processor's time is above -most or a large table was read so.
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
	server, err := dbxtest.NewServer(ctx, "shared_buffers="+buffers, "max_wal_size=4GB", "autovacuum=off", "shared_preload_libraries=pg_stat_statements")
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
	for turn := range turns + 1 {
		for _, op := range operations {
			for _, p := range places {
				if err := p.measure(ctx, op, ops, turn > 0); err != nil { // the first turn warms caches and prepares statements
					return false, fmt.Errorf("%s over %d people: %w", op.name, p.crowd.People, err)
				}
			}
		}
	}
	good = report(places, most)
	for _, p := range places {
		scanned, err := p.scanned(ctx)
		if err != nil {
			return false, err
		}
		fmt.Printf("%d people, %d grants: %s; read as a whole: %s\n", p.crowd.People, p.crowd.Grants, p.size, or(strings.Join(scanned, ", "), "no table of more than 1,000 rows"))
		good = good && len(scanned) == 0
	}
	return good, nil
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

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
