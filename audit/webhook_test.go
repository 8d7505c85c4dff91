package audit_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/audit"
)

// receiver is somebody else's server. It takes what comes unless told otherwise.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	secret []byte

	mu     sync.Mutex
	refuse func(n int) int // status of the n-th request; nil: 204
	ids    []string        // of all requests
	bodies []string
	taken  []int64 // places, in the order in which they were taken
	forged []int64
	now    func() time.Time
}

func newReceiver(w *trail) (*receiver, *audit.Webhook) {
	r := &receiver{t: w.T, now: func() time.Time { return w.now }}
	var err error
	r.secret, err = audit.WebhookSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte("twenty-four random bytes")))
	check(w.T, err)
	r.server = httptest.NewServer(r)
	w.Cleanup(r.server.Close)
	return r, r.hook(w.Log)
}

func (r *receiver) hook(l *audit.Log) *audit.Webhook {
	return &audit.Webhook{Log: l, URL: r.server.URL + "/in?token=canary", Secret: r.secret, Client: r.server.Client()}
}

// ServeHTTP checks the signature as Standard Webhooks 1.0.0 says.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(request.Body)
	id, at := request.Header.Get("webhook-id"), request.Header.Get("webhook-timestamp")
	h := hmac.New(sha256.New, r.secret)
	fmt.Fprintf(h, "%s.%s.%s", id, at, body)
	if want := "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)); request.Header.Get("webhook-signature") != want {
		r.t.Errorf("signature %q, want %q", request.Header.Get("webhook-signature"), want)
	}
	if at != strconv.FormatInt(r.now().Unix(), 10) || request.Header.Get("Content-Type") != "application/json" || request.Method != http.MethodPost {
		r.t.Errorf("%s at %s: %v", request.Method, at, request.Header)
	}
	r.ids, r.bodies = append(r.ids, id), append(r.bodies, string(body))
	if r.refuse != nil {
		if status := r.refuse(len(r.ids)); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	var message struct {
		Type      string
		Timestamp time.Time
		Data      []struct {
			Seq    int64
			Action string
			Forged bool
		}
	}
	if err := json.Unmarshal(body, &message); err != nil || message.Type != "audit.entries" || message.Timestamp.IsZero() {
		r.t.Errorf("%v in %s", err, body)
	}
	for _, e := range message.Data {
		if r.taken = append(r.taken, e.Seq); e.Forged {
			r.forged = append(r.forged, e.Seq)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// count returns the places from the first to the last.
func count(first, last int64) (out []int64) {
	for n := first; n <= last; n++ {
		out = append(out, n)
	}
	return out
}

func TestWebhookInOrder(t *testing.T) {
	eachTrail(t, func(w *trail) {
		w.write(3) // what was before is for exports
		r, hook := newReceiver(w)
		check(t, hook.Deliver(w.Context()))
		if len(r.ids) != 0 {
			t.Errorf("%q", r.ids)
		}
		check(t, w.db.InTx(w.Context(), bulk(w.Log, 1200)))
		check(t, hook.Deliver(w.Context())) // nothing is linked
		if len(r.ids) != 0 {
			t.Errorf("%q", r.ids)
		}
		w.link(1200)
		w.sql("UPDATE audit SET actor = 'mallory' WHERE seq = 7")
		check(t, hook.Deliver(w.Context()))
		if diff := cmp.Diff(count(4, 1203), r.taken); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int64{7}, r.forged); diff != "" {
			t.Error(diff)
		}
		if len(r.ids) < 3 || !strings.HasPrefix(r.ids[0], "audit-4-") {
			t.Errorf("%q", r.ids)
		}
		for _, body := range r.bodies {
			if len(body) > 300<<10 {
				t.Errorf("%d bytes at once", len(body))
			}
		}
		if n, err := hook.Position(w.Context()); n != 1203 || err != nil {
			t.Error(n, err)
		}
		check(t, hook.Deliver(w.Context()))
		w.write(1)
		check(t, hook.Deliver(w.Context()))
		if r.taken[len(r.taken)-1] != 1204 || r.ids[len(r.ids)-1] != "audit-1204-1204" {
			t.Errorf("%q", r.ids)
		}
	})
}

// A receiver that is dead, and then refuses, gets the same batch again after growing waits, and then everything else.
func TestWebhookTriesAgain(t *testing.T) {
	eachTrail(t, func(w *trail) {
		r, hook := newReceiver(w)
		check(t, hook.Deliver(w.Context()))
		w.write(2)
		r.refuse = func(n int) int { return []int{500, 302, 404, 200 + 99, 0}[min(n, 5)-1] }
		alive := hook.URL
		hook.URL = "http://127.0.0.1:1/in?token=canary"
		attempt := func() error { w.Helper(); return hook.Deliver(w.Context()) }
		failed := func(err error) {
			w.Helper()
			if err == nil || strings.Contains(err.Error(), "canary") {
				w.Errorf("error: %v", err)
			}
		}
		failed(attempt())
		hook.URL = alive
		w.write(2) // they wait behind
		for n, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute} {
			w.now = w.now.Add(wait - 3*time.Second)
			check(t, attempt())
			if len(r.ids) != n {
				t.Fatalf("%d attempts before it was due", len(r.ids)-n)
			}
			w.now = w.now.Add(3 * time.Second)
			if n < 3 {
				failed(attempt())
				continue
			}
			check(t, attempt()) // 299 is a success as well
		}
		if diff := cmp.Diff([]string{"audit-1-2", "audit-1-2", "audit-1-2", "audit-1-2", "audit-3-4"}, r.ids); diff != "" {
			t.Error(diff)
		}
		if r.bodies[0] != r.bodies[3] {
			t.Error("the batch changed between attempts")
		}
		// The wait ends at an hour, and a clock that was ahead makes none longer.
		r.refuse = func(int) int { return 503 }
		w.write(1)
		for range 12 {
			failed(attempt())
			w.now = w.now.Add(time.Hour)
		}
		w.now = w.now.Add(-10 * time.Hour)
		failed(attempt())
	})
}

// Two replicas deliver at once, and one dies while it sends: everything comes, in order, and only the batch of the one that
// died comes twice.
func TestWebhookOfTwoReplicas(t *testing.T) {
	eachTrail(t, func(w *trail) {
		r, hook := newReceiver(w)
		check(t, hook.Deliver(w.Context()))
		w.write(5)
		w.sql("UPDATE audit_delivery SET until = 5, attempts = 1, due_at = 0") // it has sent them and died
		other := r.hook(w.process())
		for range 20 {
			check(t, w.db.InTx(w.Context(), bulk(w.Log, 10)))
			w.link(10)
			var all sync.WaitGroup
			for _, h := range []*audit.Webhook{hook, other} {
				all.Go(func() {
					if err := h.Deliver(w.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		check(t, hook.Deliver(w.Context()))
		if diff := cmp.Diff(count(1, 205), r.taken); diff != "" {
			t.Error(diff)
		}
		if r.ids[0] != "audit-1-5" {
			t.Errorf("%q", r.ids)
		}
	})
}

// A receiver that never answers is given up after a while, and holds no writer.
func TestWebhookWaitsForNobody(t *testing.T) {
	eachTrail(t, func(w *trail) {
		begun, end := make(chan struct{}), make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(begun)
			<-end
		}))
		defer server.Close()
		defer close(end)
		client := server.Client()
		client.Timeout = 500 * time.Millisecond
		hook := &audit.Webhook{Log: w.process(), URL: server.URL, Secret: key, Client: client}
		check(t, hook.Deliver(w.Context()))
		w.write(1)
		failed := make(chan error)
		go func() { failed <- hook.Deliver(w.Context()) }()
		<-begun
		w.write(5)
		w.good(6)
		if err := <-failed; err == nil {
			t.Error("a receiver that said nothing has taken it")
		}
	})
}

func TestWebhookSecret(t *testing.T) {
	bytes := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, ok := range map[string]bool{
		"whsec_" + bytes(24): true, "whsec_" + bytes(64): true, "whsec_" + bytes(23): false, "whsec_" + bytes(65): false,
		bytes(32): false, "whsec_": false, "": false, "whsec_?": false,
	} {
		if secret, err := audit.WebhookSecret(text); (err == nil) != ok || ok && len(secret) < 24 {
			t.Errorf("%q: %v", text, err)
		}
	}
	// The example of the reference libraries.
	secret, err := audit.WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil || len(secret) != 24 {
		t.Error(len(secret), err)
	}
}
