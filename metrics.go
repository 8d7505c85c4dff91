package idp

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// figures counts what happened since the process started. Their labels are patterns, kinds and classes from the
// program's text: nothing about a person or a client gets in, and no stranger can make more of them.
type figures struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // by route and status class
	took     *prometheus.HistogramVec // likewise
	factors  *prometheus.CounterVec   // by the kind of an mfa event
	signIns  *prometheus.CounterVec   // by what was given and the result
}

func newFigures(version string) *figures {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	f := &figures{
		registry: prometheus.NewRegistry(),
		requests: counter("idp_http_requests_total", "Answered requests by route and class of status.", "route", "status"),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "idp_http_request_duration_seconds", Help: "Time from a request to its answer.", Buckets: prometheus.DefBuckets,
		}, []string{"route", "status"}),
		factors: counter("idp_mfa_events_total", "What happened to second factors, by the kind of event in the audit log.", "kind"),
		signIns: counter("idp_sign_ins_total", "Passwords and passkeys alone by result: accepted, refused, throttled, sealed, busy, failed.", "with", "result"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "idp_build_info", Help: "The running program; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	f.registry.MustRegister(f.requests, f.took, f.factors, f.signIns, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return f
}

// request counts one answer to a request for a pattern of the mux, "" when none matched.
func (f *figures) request(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	class := strconv.Itoa(status/100) + "xx"
	f.requests.WithLabelValues(route, class).Inc()
	f.took.WithLabelValues(route, class).Observe(took.Seconds())
}

func (f *figures) factor(kind string) { f.factors.WithLabelValues(kind).Inc() }

// signIn counts one password or passkey by the status that answered it.
func (f *figures) signIn(with string, status int) {
	result := map[int]string{
		http.StatusSeeOther: "accepted", http.StatusUnprocessableEntity: "refused",
		http.StatusTooManyRequests: "throttled", http.StatusForbidden: "sealed", http.StatusServiceUnavailable: "busy",
	}[status]
	if result == "" {
		result = "failed"
	}
	f.signIns.WithLabelValues(with, result).Inc()
}

// Metrics shows counts, durations and the state of the process in Prometheus' text format. It belongs on a listener that
// the public does not reach.
func (p *IdP) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.figures.registry, promhttp.HandlerOpts{}))
	return mux
}
