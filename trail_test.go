package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The background work of the trail: rows are linked and sent, and removed a day at a time when they are old, but for what
// the receiver has not taken.
func TestTheTrailIsSentAndKeptForATime(t *testing.T) {
	var elapsed time.Duration
	var refusing atomic.Bool
	var taken atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct{ Data []struct{ Seq int64 } }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Error(err)
		}
		if refusing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		taken.Store(message.Data[len(message.Data)-1].Seq)
	}))
	defer receiver.Close()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	p, _ := start(t, func(c *Config) {
		c.Now = func() time.Time { return noon.Add(elapsed) }
		c.AuditRetention, c.AuditWebhookURL, c.AuditWebhookSecret = Duration(48*time.Hour), receiver.URL, webhookSecret
	})
	ctx := t.Context()
	rest := func() int64 {
		t.Helper()
		report, err := p.Audit.Verify(ctx)
		if err != nil || !report.OK() {
			t.Fatalf("%+v, %v", report, err)
		}
		return report.From
	}
	work := func() {
		p.linkAudit(ctx)
		p.deliverAudit(ctx)
		p.prune(ctx)
	}
	p.deliverAudit(ctx) // from here on it is sent
	if _, err := p.Accounts.Create(ctx, account.NewAccount{Username: "alice", Email: "a@example.com"}); err != nil {
		t.Fatal(err)
	}
	work()
	head, err := p.Audit.Head(ctx)
	if err != nil || head.Seq == 0 || taken.Load() != head.Seq || rest() != 1 {
		t.Fatalf("%v, %v: %d were taken", head, err, taken.Load())
	}
	refusing.Store(true)
	if err := p.Audit.Record(ctx, audit.Event{Action: "x"}); err != nil {
		t.Fatal(err)
	}
	elapsed = 59 * time.Hour // it is still the second day after
	work()
	if rest() != 1 {
		t.Error("removed before its time")
	}
	elapsed = 61 * time.Hour
	work()
	if got := rest(); got != head.Seq+1 {
		t.Errorf("the rest begins at %d, want what was not taken", got)
	}
	refusing.Store(false)
	elapsed = 63 * time.Hour
	work()
	if got := rest(); got != head.Seq+2 {
		t.Errorf("the rest begins at %d", got)
	}
}

// What was done to the trail is said in the log, once a minute while it lasts.
func TestATrailThatWasAlteredIsLogged(t *testing.T) {
	var log bytes.Buffer
	var elapsed time.Duration
	p, _ := start(t, func(c *Config) {
		c.Log, c.Now = slog.New(slog.NewJSONHandler(&log, nil)), func() time.Time { return time.Unix(1_790_000_000, 0).Add(elapsed) }
	})
	p.linkAudit(t.Context())
	p.anchorAudit(t.Context())
	if head, err := p.Audit.Head(t.Context()); err != nil || !strings.Contains(log.String(), `"anchor":"`+head.String()+`"`) {
		t.Errorf("%v, %v: %s", head, err, log.String())
	}
	if _, err := p.db.Exec(t.Context(), "UPDATE audit_head SET seq = seq + 1"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.linkAudit(t.Context())
	}
	elapsed = time.Minute
	p.linkAudit(t.Context())
	p.anchorAudit(t.Context())
	if n := strings.Count(log.String(), `"level":"ERROR","msg":"the audit trail: see idp audit verify"`); n != 2 {
		t.Errorf("%d errors: %s", n, log.String())
	}
}

// The receiver has ten seconds, and no address that requests must not go to.
func TestTheWebhooksClient(t *testing.T) {
	client := webhookClient(nil)
	if client.Timeout != 10*time.Second || client.Transport.(*http.Transport).ResponseHeaderTimeout != 10*time.Second {
		t.Errorf("%+v", client)
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	defer server.Close()
	if response, err := client.Post(server.URL, "application/json", http.NoBody); err == nil {
		response.Body.Close()
		t.Error("loopback is reached")
	}
}

// The whole of it runs by itself.
func TestTheTrailIsLinkedInTheBackground(t *testing.T) {
	p, _ := start(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if head, err := p.Audit.Head(ctx); err == nil && head.Seq > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing is linked")
		}
	}
	stop()
	<-done
}

// What this process has found wrong with the trail stands on top of the console's first page as long as it runs, though linking
// tells of it once.
func TestSec_AU05_TheConsoleIsToldOfATrailThatWasAltered(t *testing.T) {
	p, _ := start(t)
	ctx := t.Context()
	p.linkAudit(ctx)
	if got := p.console.TrailProblem(); got != "" {
		t.Fatalf("nothing was done: %q", got)
	}
	if err := p.Audit.Record(ctx, audit.Event{Action: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.db.Exec(ctx, "UPDATE audit SET action = 'y' WHERE seq IS NULL"); err != nil {
		t.Fatal(err)
	}
	p.linkAudit(ctx)
	p.linkAudit(ctx) // all is well again, as far as that sees
	if got := p.console.TrailProblem(); !strings.Contains(got, "row") || !strings.Contains(got, "altered") {
		t.Errorf("%q", got)
	}
}
