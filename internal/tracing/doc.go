// Package tracing sends spans of requests and of their parts to a collector, by OpenTelemetry's protocol over HTTP (OTLP, as JSON).
//
// It knows routes, status codes, names of statements and times. It refuses to know who asks, for what, and how errors are worded.
package tracing
