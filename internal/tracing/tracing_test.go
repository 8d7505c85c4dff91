package tracing_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/tracing"
)

// collector takes spans.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	status int
}

func newCollector(t *testing.T) *collector {
	c := &collector{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %s", r.Method, r.URL, r.Header)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, string(body))
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

type sent struct {
	TraceID, SpanID, ParentSpanID, Name, StartTimeUnixNano, EndTimeUnixNano string
	Kind                                                                    int
	Attributes                                                              []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
	Status struct{ Code int }
}

// spans returns what came, by name, and the resource's attributes.
func (c *collector) spans(t *testing.T) (map[string]sent, string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	all, about := map[string]sent{}, ""
	for _, body := range c.bodies {
		var message struct {
			ResourceSpans []struct {
				Resource   json.RawMessage
				ScopeSpans []struct{ Spans []sent }
			}
		}
		if err := json.Unmarshal([]byte(body), &message); err != nil {
			t.Fatal(err, body)
		}
		for _, r := range message.ResourceSpans {
			about = string(r.Resource)
			for _, s := range r.ScopeSpans {
				for _, span := range s.Spans {
					all[span.Name] = span
				}
			}
		}
	}
	return all, about
}

func start(t *testing.T, c *collector) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), tracing.Config{Endpoint: c.URL + "/", Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestARequestAndItsParts(t *testing.T) {
	c := newCollector(t)
	tracer := start(t, c)
	r := httptest.NewRequest(http.MethodPost, "/secret?secret=secret", strings.NewReader("secret"))
	r.Header.Set("Traceparent", parent)
	began := time.Now()
	r2, span := tracer.Request(r, true)
	tracer.Part(r2.Context(), tracing.Client, "SELECT things", began, nil)
	tracer.Part(r2.Context(), tracing.Internal, "argon2id", began, errors.New("secret"))
	tracer.Part(r.Context(), tracing.Client, "SELECT nobody's", began, nil)
	span.End("POST /{id}", http.StatusInternalServerError)
	_, stranger := tracer.Request(r, false)
	stranger.End("", http.StatusNotFound)
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans, about := c.spans(t)
	if len(spans) != 4 || !strings.Contains(about, `"v1.2.3"`) || !strings.Contains(about, `{"key":"service.name","value":{"stringValue":"idp"}}`) {
		t.Fatalf("%v %s", spans, about)
	}
	request, none := spans["POST /{id}"], spans["none"]
	if request.TraceID != "0af7651916cd43dd8448eb211c80319c" || request.ParentSpanID != "b7ad6b7169203331" || request.Kind != 2 || request.Status.Code != 2 {
		t.Errorf("%+v", request)
	}
	if a := request.Attributes; len(a) != 2 || a[0].Value.StringValue != "POST /{id}" || a[1].Value.IntValue != "500" {
		t.Errorf("%+v", a)
	}
	if none.TraceID == request.TraceID || none.ParentSpanID != "" || none.Status.Code != 0 {
		t.Errorf("a stranger's traceparent was taken: %+v", none)
	}
	for name, kind := range map[string]int{"SELECT things": 3, "argon2id": 1} {
		part := spans[name]
		if part.TraceID != request.TraceID || part.ParentSpanID != request.SpanID || part.Kind != kind ||
			part.StartTimeUnixNano > part.EndTimeUnixNano || (part.Status.Code == 2) != (name == "argon2id") {
			t.Errorf("%+v", part)
		}
	}
	if text := strings.Join(c.bodies, ""); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func TestACollectorThatFails(t *testing.T) {
	c := newCollector(t)
	c.status = http.StatusServiceUnavailable
	tracer := start(t, c)
	_, span := tracer.Request(httptest.NewRequest(http.MethodGet, "/", nil), false)
	span.End("GET /", http.StatusOK)
	if err := tracer.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOffCostsNothing(t *testing.T) {
	var off *tracing.Tracer
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	ctx, began := context.Background(), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		same, span := off.Request(r, true)
		off.Part(ctx, tracing.Client, "SELECT things", began, nil)
		span.End("GET /", http.StatusOK)
		if same != r || off.Close(ctx) != nil {
			t.Error("it did something")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNotSampled(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	c := newCollector(t)
	tracer := start(t, c)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	same, span := tracer.Request(r, false)
	span.End("GET /", http.StatusOK)
	if tracer.Close(t.Context()); same != r || len(c.bodies) != 0 {
		t.Error(c.bodies)
	}
}
