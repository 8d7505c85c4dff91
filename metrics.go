package idp

import (
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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
	routes   found[[6]atomic.Pointer[answers]]
	factors  *prometheus.CounterVec // by the kind of an mfa event
	signIns  *prometheus.CounterVec // by what was given and the result
	hashes   prometheus.Histogram   // runs of argon2id
}

func newFigures(version string) *figures {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	f := &figures{
		registry: prometheus.NewRegistry(),
		requests: counter("idp_http_requests_total", "Answered requests by route and class of status.", "route", "status"),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "idp_http_request_duration_seconds", Help: "Time from a request to its answer.", Buckets: requestBuckets,
		}, []string{"route", "status"}),
		factors: counter("idp_mfa_events_total", "What happened to second factors, by the kind of event in the audit log.", "kind"),
		signIns: counter("idp_sign_ins_total", "Passwords and passkeys alone by result: accepted, refused, throttled, sealed, busy, failed.", "with", "result"),
		hashes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "idp_hash_duration_seconds", Help: "One run of argon2id, for a password or a recovery code, without the wait for its turn.",
			Buckets: []float64{.01, .02, .03, .05, .1, .2, .5, 1, 2},
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "idp_build_info", Help: "The running program; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	f.registry.MustRegister(f.requests, f.took, f.factors, f.signIns, f.hashes, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return f
}

// requestBuckets tell a token, about a millisecond, from a page, and that from one that hashes a password, in seconds.
var requestBuckets = []float64{.0005, .001, .002, .003, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}

// answers are the figures of one route and class of status.
type answers struct {
	requests prometheus.Counter
	took     prometheus.Observer
}

// classes of status, by the first digit.
var classes = [6]string{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}

// request counts one answer to a request for a pattern of the mux, "" when none matched.
func (f *figures) request(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	class := min(max(status/100, 0), len(classes)-1)
	place := &f.routes.of(route, newRoute)[class]
	a := place.Load()
	if a == nil {
		a = &answers{f.requests.WithLabelValues(route, classes[class]), f.took.WithLabelValues(route, classes[class])}
		place.Store(a) // who comes at the same moment stores the same figures
	}
	a.requests.Inc()
	a.took.Observe(took.Seconds())
}

func newRoute(string) *[6]atomic.Pointer[answers] { return new([6]atomic.Pointer[answers]) }

// found is a map from a label to its figures that is read without a lock and without an allocation, for labels that are
// few and stay: it is copied for each new one.
type found[T any] struct {
	all atomic.Pointer[map[string]*T]
	mu  sync.Mutex
}

// of returns what label has, made by fresh the first time.
func (m *found[T]) of(label string, fresh func(string) *T) *T {
	if all := m.all.Load(); all != nil {
		if t := (*all)[label]; t != nil {
			return t
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	more := make(map[string]*T)
	if all := m.all.Load(); all != nil {
		if t := (*all)[label]; t != nil {
			return t
		}
		maps.Copy(more, *all)
	}
	t := fresh(label)
	more[strings.Clone(label)] = t
	m.all.Store(&more)
	return t
}

// len returns how many labels there are.
func (m *found[T]) len() int {
	if all := m.all.Load(); all != nil {
		return len(*all)
	}
	return 0
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

// Metrics shows counts, durations and the state of the process in Prometheus' text format and, with [Config.Profiling], the
// runtime's profiles below /debug/pprof/. It belongs on a listener that the public does not reach.
func (p *IdP) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.figures.registry, promhttp.HandlerOpts{}))
	if p.cfg.Profiling {
		runtime.SetBlockProfileRate(int(time.Millisecond)) // cheap enough to leave on
		runtime.SetMutexProfileFraction(100)
		mux.HandleFunc("GET /debug/pprof/{profile}", p.profile)
	}
	return mux
}
