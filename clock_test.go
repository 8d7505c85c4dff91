package idp_test

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// lines is a log whose lines are read one by one.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// TestClockAgainstTheDatabase runs servers whose clocks are off; the database's is right.
func TestClockAgainstTheDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		off time.Duration
		way string // "" when nobody needs to know
	}{
		{2 * time.Second, ""},
		{-2 * time.Second, ""},
		{-12 * time.Second, "behind"},
		{time.Hour, "ahead of"},
	} {
		says := regexp.MustCompile(`clock(?:="| )(\S+) ` + tt.way + ` the database`)
		// near reports whether text says the offset; a busy machine may be a second late.
		near := func(text string) bool {
			found := says.FindStringSubmatch(text)
			if tt.way == "" || found == nil {
				return false
			}
			told, err := time.ParseDuration(found[1])
			return err == nil && (told-tt.off.Abs()).Abs() <= 2*time.Second
		}
		log := make(lines, 64)
		p := idptest.Start(t, func(c *idp.Config) {
			c.DatabaseURL = dbxtest.PostgresURL(t)
			c.Now = func() time.Time { return time.Now().Add(tt.off) }
			c.Log = slog.New(slog.NewTextHandler(log, nil))
		})
		if strings.Contains(scrape(t, p), "idp_clock_offset_seconds") {
			t.Error("an offset is told before it was measured")
		}
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { p.Run(ctx); close(stopped) }()
		for tt.way != "" { // the test's own deadline is the limit
			if line := <-log; strings.Contains(line, "level=WARN") && near(line) {
				break
			}
		}
		page := p.Browser().Get("/readyz")
		fine := page.Body == "ok\n"
		if tt.way != "" {
			fine = strings.HasPrefix(page.Body, "ok; clock ") && near(page.Body)
		}
		if page.Status != 200 || !fine {
			t.Errorf("%v: %d %q", tt.off, page.Status, page.Body)
		}
		stop()
		<-stopped
		for tt.way == "" && len(log) > 0 {
			if line := <-log; strings.Contains(line, "clock") {
				t.Errorf("%v: %s", tt.off, line)
			}
		}
		gauge := regexp.MustCompile(`(?m)^idp_clock_offset_seconds (\S+)$`).FindStringSubmatch(scrape(t, p))
		if gauge == nil {
			t.Fatalf("%v: no gauge", tt.off)
		}
		seconds, err := strconv.ParseFloat(gauge[1], 64)
		if off := time.Duration(seconds*float64(time.Second)) - tt.off; err != nil || off.Abs() > 2*time.Second {
			t.Errorf("%v: the gauge says %s, %v", tt.off, gauge[1], err)
		}
	}
}

// SQLite has the clock that the server has.
func TestClockOnSQLite(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t, func(c *idp.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	if page := p.Browser().Get("/readyz"); page.Status != 200 || page.Body != "ok\n" {
		t.Errorf("%d %q", page.Status, page.Body)
	}
	if strings.Contains(scrape(t, p), "idp_clock_offset_seconds") {
		t.Error("an offset against itself")
	}
}
