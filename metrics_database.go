package idp

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// statementBuckets tell a statement that found its row in memory from one that waited for a disk or a lock, in seconds.
var statementBuckets = []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}

// mostStatements is several times as many names as the program's statements have.
const mostStatements = 400

// databaseFigures count round trips to the database.
type databaseFigures struct {
	took   *prometheus.HistogramVec // by the statement's name
	failed *prometheus.CounterVec   // likewise
	names  found[statementFigures]
}

// statementFigures are those of one name.
type statementFigures struct {
	took   prometheus.Observer
	failed prometheus.Counter
}

func newDatabaseFigures(registry *prometheus.Registry) *databaseFigures {
	f := &databaseFigures{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "idp_database_duration_seconds", Help: "Time from a statement to the database's answer.", Buckets: statementBuckets,
		}, []string{"statement"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "idp_database_failures_total", Help: "Statements that were refused, a unique key's conflict included, or not answered.",
		}, []string{"statement"}),
	}
	registry.MustRegister(f.took, f.failed)
	return f
}

// observe is a [dbx.Observer].
func (f *databaseFigures) observe(_ context.Context, name string, began time.Time, err error) {
	if f.names.len() >= mostStatements {
		if _, known := (*f.names.all.Load())[name]; !known {
			name = "other"
		}
	}
	s := f.names.of(name, f.statement)
	s.took.Observe(time.Since(began).Seconds())
	if err != nil && !errors.Is(err, context.Canceled) {
		s.failed.Inc()
	}
}

func (f *databaseFigures) statement(name string) *statementFigures {
	return &statementFigures{f.took.WithLabelValues(name), f.failed.WithLabelValues(name)}
}

// countPool shows the state of the pool of connections.
func (p *IdP) countPool() {
	p.figures.registry.MustRegister(collectors.NewDBStatsCollector(p.db.SQLX().DB, "idp"))
}
