package replicas

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
)

// sweep is this program as another process, which removes what has expired and nothing else, and is killed over it: idp serve
// begins that at a moment of its own choice.
func sweep(database string) error {
	c := idp.Defaults()
	c.DatabaseURL, c.KeysetFile = database, os.Getenv("REPLICAS_KEYSET")
	c.Log = slog.New(slog.DiscardHandler)
	p, err := idp.New(context.Background(), c)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.OAuth.Prune(context.Background())
}

// A process dies in the middle of removing what has expired, and so does the next one. Whoever comes then removes the rest, and
// nothing that has not expired.
func TestFault_R03_KilledWhileRemovingWhatHasExpired(t *testing.T) {
	t.Parallel()
	keyset, database := filepath.Join(t.TempDir(), "keyset.json"), dbxtest.PostgresURL(t, migrations.Streams()...)
	s := idptest.Start(t, func(c *idp.Config) { c.DatabaseURL, c.KeysetFile = database, keyset })
	db, err := dbx.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows := times(30_000, 100_000)
	const alive = 100
	now := time.Now().Unix()
	for _, of := range []struct {
		name string
		n    int
		at   int64
	}{{"old", rows, now - 3600}, {"new", alive, now + 3600}} {
		if _, err := db.SQLX().ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO oauth_proofs (hash, expires_at)
			SELECT decode(md5('%s' || n), 'hex'), %d FROM generate_series(1, %d) n`, of.name, of.at, of.n)); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM oauth_proofs`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// Each statement takes a while, so that it is in the middle of the work when it is killed.
	slow := func(query string) {
		if _, err := db.SQLX().ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	slow(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END'`)
	slow(`CREATE TRIGGER slow AFTER DELETE ON oauth_proofs EXECUTE FUNCTION slow()`)
	for range 2 {
		before := left()
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{"REPLICAS_SWEEP=" + database, "REPLICAS_KEYSET=" + keyset}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "rows removed", func() bool { return left() < before })
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err == nil {
			t.Error("it was done before it could be killed: this shows nothing")
		}
	}
	if n := left(); n <= alive || n >= rows+alive {
		t.Errorf("%d rows after two were killed", n)
	}
	slow(`DROP TRIGGER slow ON oauth_proofs`)
	if err := s.OAuth.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != alive {
		t.Errorf("%d rows are left, %d have not expired", n, alive)
	}
}
