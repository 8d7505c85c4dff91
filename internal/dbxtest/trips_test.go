package dbxtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/google/go-cmp/cmp"
)

// TestTheDriverCountsWhatIsOnTheWire: both ways to count agree.
func TestTheDriverCountsWhatIsOnTheWire(t *testing.T) {
	address, wire := dbxtest.Wire(t, dbxtest.PostgresURL(t))
	direct, err := dbx.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { direct.Close() })
	db, driver := dbxtest.Counted(t, direct)
	const insert, read = "INSERT INTO things (id) VALUES ($1)", "SELECT COUNT(*) FROM things WHERE id = $1"
	put := func(ctx context.Context, id string) error {
		_, err := db.Exec(ctx, insert, id)
		return err
	}
	if _, err := db.Exec(t.Context(), "CREATE TABLE things (id TEXT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		want []string
		do   func() error
	}{
		{[]string{"PREPARE " + insert, insert}, func() error { return put(t.Context(), "first") }},
		{[]string{insert}, func() error { return put(t.Context(), "second") }},
		{[]string{"BEGIN", insert, "PREPARE " + read, read, "COMMIT", "PREPARE " + read}, func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				var n int
				return errors.Join(put(ctx, "third"), db.Get(ctx, &n, read, "third"))
			})
		}},
		{[]string{"BEGIN", insert, "ROLLBACK"}, func() error {
			undone := errors.New("undone")
			if err := db.InTx(t.Context(), func(ctx context.Context) error { return errors.Join(put(ctx, "fourth"), undone) }); !errors.Is(err, undone) {
				return err
			}
			return nil
		}},
	} {
		driver.Reset()
		wire.Reset()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, driver.All()); diff != "" {
			t.Errorf("by the driver: %s", diff)
		}
		// What a transaction prepared for itself is closed at its end, which the driver does not count.
		onWire := slices.DeleteFunc(wire.All(), func(trip string) bool { return trip == "CLOSE" })
		if diff := cmp.Diff(step.want, onWire); diff != "" {
			t.Errorf("on the wire: %s", diff)
		}
	}
	if writes := driver.Writes(); !slices.Equal(writes, []string{"BEGIN", insert, "ROLLBACK"}) {
		t.Errorf("writes: %q", writes)
	}
}
