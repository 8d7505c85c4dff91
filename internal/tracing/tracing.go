package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// name is what the provider is called where its spans are looked at, unless OTEL_SERVICE_NAME says something else.
const name = "idp"

// Tracer sends spans to a collector. Nil is one that is off: its methods do nothing and allocate nothing. It is safe for
// concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Config says where spans go.
type Config struct {
	Endpoint string       // of a collector that speaks OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces is put behind it
	Version  string       // of the program
	Log      *slog.Logger // told when the collector takes no spans
}

// New returns a Tracer, which is to be closed. Which requests are traced is up to OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG,
// how spans are gathered to the variables OTEL_BSP_…, as the OpenTelemetry specification has them; all requests unless they say less.
func New(ctx context.Context, c Config) (*Tracer, error) {
	who, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", name),
		attribute.String("service.version", c.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithResource(who), sdk.WithBatcher(newExporter(c)))
	return &Tracer{provider, provider.Tracer(name)}, nil
}

// Close sends what was gathered, as long as ctx lasts, and ends the Tracer.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// spanKey finds our span in a context. It is not where OpenTelemetry's own functions look: libraries that we use would make spans
// of their own there, with the texts of their errors, which name people and clients.
type spanKey struct{}

// Request begins the span of a request and returns the request with it. A traceparent of the caller (W3C Trace Context) is
// taken up when the caller is trusted. The request's URL, headers and addresses are no part of the span.
func (t *Tracer) Request(r *http.Request, trusted bool) (*http.Request, *Span) {
	if t == nil {
		return r, nil
	}
	ctx := context.Background()
	if trusted {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	_, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return r, nil
	}
	return r.WithContext(context.WithValue(r.Context(), spanKey{}, span)), &Span{span}
}

// Span is a request that is being answered; nil is one that is not traced.
type Span struct{ span trace.Span }

// End ends the span with the pattern that the request met, "" for none, and the status of its answer.
func (s *Span) End(route string, status int) {
	if s == nil {
		return
	}
	if route == "" {
		route = "none"
	}
	s.span.SetName(route)
	s.span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Kinds of what is part of a request.
const (
	Client   = trace.SpanKindClient   // something that another process does for us
	Internal = trace.SpanKindInternal // something that we do
)

// Part adds what was done from began to now for the request of ctx. Name must hold nothing about anybody; of err is told that there
// was one. Outside of a traced request it does nothing.
func (t *Tracer) Part(ctx context.Context, kind trace.SpanKind, name string, began time.Time, err error) {
	if t == nil {
		return
	}
	parent, _ := ctx.Value(spanKey{}).(trace.Span)
	if parent == nil {
		return
	}
	_, span := t.tracer.Start(trace.ContextWithSpan(context.Background(), parent), name, trace.WithSpanKind(kind), trace.WithTimestamp(began))
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
