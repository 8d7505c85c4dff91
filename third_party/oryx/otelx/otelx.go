// Package otelx is the part of github.com/ory/x/otelx that ory/fosite calls.
package otelx

import (
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// End ends span, marked as failed when *err is not nil. It is meant to be deferred.
func End(span trace.Span, err *error) {
	if err != nil && *err != nil {
		span.SetStatus(codes.Error, (*err).Error())
	}
	span.End()
}
