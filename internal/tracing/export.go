package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter is an [sdk.SpanExporter] that speaks OTLP 1 over HTTP in its JSON encoding (protobuf's mapping, with ids in
// hexadecimal). OpenTelemetry's own exporter is of the same use and brings gRPC along.
type exporter struct {
	url     string
	client  *http.Client
	log     *slog.Logger
	failing atomic.Bool
}

func newExporter(c Config) *exporter {
	log := c.Log
	if log == nil {
		log = slog.Default()
	}
	return &exporter{url: strings.TrimSuffix(c.Endpoint, "/") + "/v1/traces", log: log, client: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ExportSpans implements [sdk.SpanExporter]. Spans that the collector does not take are lost; the log says so once until it
// takes some again.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.send(ctx, spans)
	switch {
	case err != nil && !e.failing.Swap(true):
		e.log.WarnContext(ctx, "traces are lost", "error", err)
	case err == nil && e.failing.Swap(false):
		e.log.InfoContext(ctx, "traces are taken again")
	}
	return nil
}

// Shutdown implements [sdk.SpanExporter].
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) send(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	body, err := json.Marshal(encode(spans))
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection is used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("tracing: the collector answers %s", response.Status)
	}
	return nil
}

// The message ExportTraceServiceRequest, as far as we fill it (opentelemetry.proto.collector.trace.v1).
type (
	message struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		Parent     string     `json:"parentSpanId,omitempty"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Start      string     `json:"startTimeUnixNano"` // 64 bits are strings there
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Status     *status    `json:"status,omitempty"`
	}
	status struct {
		Code int `json:"code"` // 2: an error
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// encode returns the message for spans, which have one resource and one scope: ours.
func encode(spans []sdk.ReadOnlySpan) message {
	var scope scopeSpans
	scope.Scope.Name = name
	for _, s := range spans {
		out := span{
			TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), Name: s.Name(), Kind: int(s.SpanKind()),
			Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10),
			Attributes: keyValues(s.Attributes()),
		}
		if s.Parent().HasSpanID() {
			out.Parent = s.Parent().SpanID().String()
		}
		if s.Status().Code == codes.Error {
			out.Status = &status{Code: 2}
		}
		scope.Spans = append(scope.Spans, out)
	}
	of := resourceSpans{ScopeSpans: []scopeSpans{scope}}
	of.Resource.Attributes = keyValues(spans[0].Resource().Attributes())
	return message{ResourceSpans: []resourceSpans{of}}
}

func keyValues(attributes []attribute.KeyValue) []keyValue {
	var out []keyValue
	for _, a := range attributes {
		value := map[string]any{"stringValue": a.Value.String()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": a.Value.String()}
		}
		out = append(out, keyValue{string(a.Key), value})
	}
	return out
}
