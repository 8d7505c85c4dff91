package dbx

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
)

// lifetime is how long a connection is used, a quarter more or less: after a fail-over, or a restart of one server of many, the
// replicas' connections find their way back, and not all at once.
const lifetime = 30 * time.Minute

// errAway says that no host let us in.
var errAway = errors.New("dbx: no connection to the database")

// ours is the driver of the handles that this package opens. It carries what all wrappers of one handle share.
type ours struct {
	driver.Driver
	gates  *gates // nil: nobody has to wait
	pooled bool
}

// connector makes connections to PostgreSQL, to the host that answered last time before all others.
type connector struct {
	hosts    []*pq.Connector
	within   time.Duration // for one host
	random   bool          // any host first: they are equals
	patient  bool
	last     atomic.Int32
	us       ours
	lifetime time.Duration
}

func newConnector(config pq.Config, patience time.Duration, pooled bool) (*connector, error) {
	c := &connector{
		within: config.ConnectTimeout, random: config.LoadBalanceHosts == pq.LoadBalanceHostsRandom, patient: patience == 0,
		us: ours{Driver: &pq.Driver{}, pooled: pooled}, lifetime: lifetime,
	}
	if c.within <= 0 {
		c.within = dialWithin
	}
	for _, host := range append([]pq.ConfigMultihost{{Host: config.Host, Hostaddr: config.Hostaddr, Port: config.Port}}, config.Multi...) {
		one := config.Clone()
		one.Host, one.Hostaddr, one.Port, one.Multi = host.Host, host.Hostaddr, host.Port, nil
		connector, err := pq.NewConnectorConfig(one)
		if err != nil {
			return nil, fmt.Errorf("dbx: %w", err)
		}
		connector.Dialer(dialer{patience})
		c.hosts = append(c.hosts, connector)
	}
	return c, nil
}

// Driver implements [driver.Connector].
func (c *connector) Driver() driver.Driver { return c.us }

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	first := int(c.last.Load())
	if c.random {
		first = int(jitter(time.Duration(len(c.hosts))))
	}
	var failed []error
	for i := range c.hosts {
		at := (first + i) % len(c.hosts)
		made, err := c.try(ctx, c.hosts[at])
		if err == nil {
			c.last.Store(int32(at))
			return made, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("%w: %w", errAway, errors.Join(failed...))
}

func (c *connector) try(ctx context.Context, host *pq.Connector) (driver.Conn, error) {
	until := time.Now().Add(c.within)
	if limit, ok := ctx.Deadline(); ok && limit.Before(until) {
		until = limit
	}
	w := new(wire)
	w.until.set(until)
	// Not ctx's own end: a caller who goes away must not undo the connection that somebody else may have.
	soon, cancel := context.WithDeadline(context.WithValue(context.WithoutCancel(ctx), wireKey{}, w), until)
	defer cancel()
	inner, err := host.Connect(soon)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(pqConn)
	if !ok {
		inner.Close()
		return nil, errors.New("dbx: the driver's connection lacks a method")
	}
	made := &serverConn{pqConn: full, wire: w, pooled: c.us.pooled}
	if !c.patient {
		made.dies = time.Now().Add(c.lifetime*3/4 + jitter(c.lifetime/2))
	}
	return made, nil
}

// liteConnector is SQLite's, with a driver of ours.
type liteConnector struct {
	driver.Connector
	us ours
}

// Driver implements [driver.Connector].
func (c liteConnector) Driver() driver.Driver { return c.us }
