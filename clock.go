package idp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/focushq/idp/internal/dbx"
)

// clockTolerance is by how much our clock and the database's may differ before somebody should know. Nothing depends on
// the database's; but two clocks that differ tell that one is wrong, and by a wrong clock of ours no code of an
// authenticator app is right, a token is expired when it is issued, or lives for too long.
const clockTolerance = 5 * time.Second

// databaseClock is what is known of the database's clock.
type databaseClock struct {
	known sync.Once
	gauge prometheus.Gauge // ours minus the database's; there is none before it was read
}

// clockOffset is by how much our clock is ahead of the database's, and how exactly that is known.
type clockOffset struct{ by, doubt time.Duration }

// beyondDoubt returns the offset as far as it is beyond doubt and the tolerance: zero says that nobody needs to know.
func (o clockOffset) beyondDoubt() time.Duration {
	if o.by.Abs()-o.doubt <= clockTolerance {
		return 0
	}
	return o.by
}

// databaseOffset reads the clock of a PostgreSQL database.
func databaseOffset(ctx context.Context, db *dbx.DB, now func() time.Time) (clockOffset, error) {
	asked, ours := time.Now(), now()
	var theirs int64 // microseconds
	err := db.Get(ctx, &theirs, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`)
	if err != nil {
		return clockOffset{}, fmt.Errorf("idp: the database's clock: %w", err)
	}
	// It was read at some moment of that time: most likely in the middle.
	doubt := time.Since(asked) / 2
	return clockOffset{ours.Add(doubt).Sub(time.UnixMicro(theirs)), doubt}, nil
}

// clockOffset reads the database's clock and returns ours minus that, as far as it is beyond doubt and the tolerance: zero
// says that nobody needs to know. SQLite has the clock that we have.
func (p *IdP) clockOffset(ctx context.Context) (time.Duration, error) {
	if !p.db.Postgres() {
		return 0, nil
	}
	offset, err := databaseOffset(ctx, p.db, p.now)
	if err != nil {
		return 0, err
	}
	p.clock.known.Do(func() {
		p.clock.gauge = prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "idp_clock_offset_seconds", Help: "This server's clock minus the PostgreSQL database's.",
		})
		p.figures.registry.MustRegister(p.clock.gauge)
	})
	p.clock.gauge.Set(offset.by.Seconds())
	return offset.beyondDoubt(), nil
}

// compareClocks says in the log when our clock and the database's differ. Nothing is corrected by itself.
func (p *IdP) compareClocks(ctx context.Context) {
	offset, err := p.clockOffset(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		p.log.WarnContext(ctx, "the clocks are compared later", "error", err)
	case offset != 0:
		p.log.WarnContext(ctx, "this server's clock and the database's differ: is time synchronised on both?",
			"clock", describeOffset(offset))
	}
}

// describeOffset says by how much our clock differs from the database's, and which way.
func describeOffset(offset time.Duration) string {
	if offset < 0 {
		return fmt.Sprintf("%v behind the database", -offset.Round(time.Second))
	}
	return fmt.Sprintf("%v ahead of the database", offset.Round(time.Second))
}
