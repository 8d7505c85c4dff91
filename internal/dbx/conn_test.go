package dbx

import (
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// TestTheServerSaysItCrashed: it says so in the middle of whatever it was doing, which is like saying nothing; a server that is shut
// down has done nothing.
func TestTheServerSaysItCrashed(t *testing.T) {
	for _, tt := range []struct {
		name           string
		code           pqerror.Code
		sent, harmless bool
		inTx, unknown  bool
	}{
		{"a write", pqerror.CrashShutdown, true, false, false, true},
		{"a write that was not sent", pqerror.CrashShutdown, false, false, false, false},
		{"a read", pqerror.CrashShutdown, true, true, false, false},
		{"a write in a transaction", pqerror.CrashShutdown, true, false, true, false},
		{"a write that is shut down", pqerror.AdminShutdown, true, false, false, false},
	} {
		c := &serverConn{wire: new(wire), inTx: tt.inTx}
		c.wire.sent.Store(tt.sent)
		err := c.judge(&pq.Error{Code: tt.code}, tt.harmless)
		if errors.Is(err, ErrUnknown) != tt.unknown || errors.Is(err, driver.ErrBadConn) == tt.unknown || !IsAway(err) || !c.spoilt {
			t.Errorf("%s: %v, closed %v", tt.name, err, c.spoilt)
		}
	}
}
