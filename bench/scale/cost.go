package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// cost is what a kind of operation has cost so far.
type cost struct {
	ops                int
	provider, database time.Duration // of the processor
	statements, wal    int64
	latencies          []time.Duration
}

func (c *cost) cpu() time.Duration { return c.provider + c.database }

// perOp returns the averages.
func (c *cost) perOp() cost {
	n := time.Duration(c.ops)
	return cost{provider: c.provider / n, database: c.database / n, wal: c.wal / int64(c.ops)}
}

func (c *cost) quantile(q float64) time.Duration {
	slices.Sort(c.latencies)
	return c.latencies[int(q*float64(len(c.latencies)-1))]
}

// measure does an operation n times, one after another; what it costs is kept if it counts.
func (p *place) measure(ctx context.Context, op operation, n int, counts bool) error {
	c := p.costs[op.name]
	if c == nil {
		c = &cost{}
		p.costs[op.name] = c
	}
	statements, wal, err := p.done(ctx)
	if err != nil {
		return err
	}
	provider, database, err := p.processor()
	if err != nil {
		return err
	}
	latencies := make([]time.Duration, 0, n)
	for range n {
		began := time.Now()
		if err := op.do(p, p.at[op.name]); err != nil {
			return err
		}
		p.at[op.name]++
		latencies = append(latencies, time.Since(began))
	}
	providerNow, databaseNow, err := p.processor()
	if err != nil {
		return err
	}
	statementsNow, walNow, err := p.done(ctx)
	if err != nil || !counts {
		return err
	}
	c.ops += n
	c.provider += providerNow - provider
	c.database += databaseNow - database
	c.statements += statementsNow - statements - 1 // the one of done itself
	c.wal += walNow - wal
	c.latencies = append(c.latencies, latencies...)
	return nil
}

// done returns how many statements the database has run and how much WAL the server has written.
func (p *place) done(ctx context.Context) (statements, wal int64, err error) {
	err = p.db.QueryRowContext(ctx, `SELECT (SELECT CAST(sum(calls) AS BIGINT) FROM pg_stat_statements
		WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())), CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT)`).Scan(&statements, &wal)
	return statements, wal, err
}

// processor returns the processor's time of this process and of the server with all of its children.
func (p *place) processor() (provider, database time.Duration, err error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0, 0, err
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, used, ended, err := times(text)
		if err != nil {
			return 0, 0, err
		}
		if pid == p.server.PID {
			database += used + ended
		} else if parent == p.server.PID {
			database += used
		}
	}
	return time.Duration(own.Utime.Nano() + own.Stime.Nano()), database, nil
}

// times reads a line of /proc/PID/stat (proc_pid_stat(5)): the parent, the process's own time and that of its children that ended.
// The unit is 10 ms on every platform of Linux.
func times(line []byte) (parent int, used, ended time.Duration, err error) {
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:]) // the name before may hold anything
	if len(fields) < 15 {
		return 0, 0, 0, fmt.Errorf("scale: %q is no stat of a process", line)
	}
	var numbers [5]int64
	for i, field := range []int{1, 11, 12, 13, 14} {
		if numbers[i], err = strconv.ParseInt(string(fields[field]), 10, 64); err != nil {
			return 0, 0, 0, err
		}
	}
	const tick = 10 * time.Millisecond
	return int(numbers[0]), time.Duration(numbers[1]+numbers[2]) * tick, time.Duration(numbers[3]+numbers[4]) * tick, nil
}
