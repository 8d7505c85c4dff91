package dbx

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// wire is the way to the server with a time limit for each answer: lib/pq ignores a context's deadline while the server is silent,
// so a frozen database would otherwise hang every request, the health check included. COPY reads and writes at the same time.
type wire struct {
	net.Conn
	patience time.Duration // for each answer; 0: for ever
	until    moment        // when whoever asks has no more time; zero: patience alone counts
	sent     atomic.Bool   // something has gone out since it was last set to false
	armed    atomic.Bool   // the next read has its limit already
	idle     moment        // when the server last said something
}

// moment is a [time.Time] that may be read while it is written.
type moment struct{ since atomic.Int64 } // nanoseconds since epoch; 0: zero

// epoch is before all moments.
var epoch = time.Now().Add(-time.Hour)

func (m *moment) set(t time.Time) {
	if t.IsZero() {
		m.since.Store(0)
		return
	}
	m.since.Store(max(1, int64(t.Sub(epoch))))
}

func (m *moment) get() time.Time {
	if since := m.since.Load(); since != 0 {
		return epoch.Add(time.Duration(since))
	}
	return time.Time{}
}

type wireKey struct{}

func (w *wire) deadline(now time.Time) time.Time {
	limit := now.Add(w.patience)
	if until := w.until.get(); !until.IsZero() && until.Before(limit) {
		return until
	}
	return limit
}

// Read implements [io.Reader].
func (w *wire) Read(p []byte) (int, error) {
	if w.patience > 0 && !w.armed.Load() {
		if err := w.SetReadDeadline(w.deadline(time.Now())); err != nil {
			return 0, err
		}
	}
	w.armed.Store(false)
	n, err := w.Conn.Read(p)
	w.idle.set(time.Now())
	return n, err
}

// Write implements [io.Writer].
func (w *wire) Write(p []byte) (int, error) {
	if w.patience > 0 {
		if err := w.SetDeadline(w.deadline(time.Now())); err != nil { // of the answer too: one system timer less
			return 0, err
		}
		w.armed.Store(true)
	}
	n, err := w.Conn.Write(p)
	if n > 0 {
		w.sent.Store(true)
	}
	return n, err
}

// restful is how long a connection is taken for alive after the server's last word: asking costs a system call.
const restful = 20 * time.Millisecond

// stale reports whether the server has said something, or closed the connection, while nobody asked: whatever it was, the
// connection is replaced.
func (w *wire) stale() bool {
	if time.Since(w.idle.get()) < restful {
		return false
	}
	socket, ok := w.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
	})
	return err != nil || !quiet
}

// dialer gives the connection that is being made its wire, and every other (requests to cancel) the same patience.
type dialer struct{ patience time.Duration }

// Dial implements [pq.Dialer].
func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout implements [pq.Dialer].
func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext implements [pq.DialerContext].
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	made, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w, ok := ctx.Value(wireKey{}).(*wire)
	if !ok {
		w = new(wire)
	}
	w.Conn, w.patience = made, d.patience
	w.idle.set(time.Now())
	return w, nil
}
