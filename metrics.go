package idp

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// buckets are the upper bounds of the durations that are told apart.
var buckets = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// figures counts what happened since the process started. Their labels are patterns, kinds and classes from the
// program's text: nothing about a person or a client gets in, and no stranger can make more of them.
type figures struct {
	mu       sync.Mutex
	requests map[[2]string]*durations // by route and status class
	factors  map[string]int           // by the kind of an mfa event
	signIns  map[string]int           // by result
}

// durations is a histogram.
type durations struct {
	within [len(buckets)]int // each also counts those of the bounds below it
	count  int
	sum    time.Duration
}

func newFigures() *figures {
	return &figures{requests: map[[2]string]*durations{}, factors: map[string]int{}, signIns: map[string]int{}}
}

// request counts one answer to a request for a pattern of the mux, "" when none matched.
func (f *figures) request(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]string{route, strconv.Itoa(status/100) + "xx"}
	if f.requests[key] == nil {
		f.requests[key] = &durations{}
	}
	d := f.requests[key]
	d.count++
	d.sum += took
	for i, bound := range buckets {
		if took <= bound {
			d.within[i]++
		}
	}
}

func (f *figures) factor(kind string) { f.add(f.factors, kind) }

// signIn counts one password by the status that answered it.
func (f *figures) signIn(status int) {
	result := map[int]string{
		http.StatusSeeOther: "accepted", http.StatusUnprocessableEntity: "refused",
		http.StatusTooManyRequests: "throttled", http.StatusServiceUnavailable: "busy",
	}[status]
	if result == "" {
		result = "failed"
	}
	f.add(f.signIns, result)
}

func (f *figures) add(to map[string]int, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to[name]++
}

// Metrics shows counts, durations and the state of the Go runtime in Prometheus' text format. It belongs on a listener
// that the public does not reach.
func (p *IdP) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var out bytes.Buffer
		p.figures.write(&out)
		writeRuntime(&out, p.cfg.Version)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = out.WriteTo(w)
	})
	return mux
}

func (f *figures) write(out *bytes.Buffer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(f.requests), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	family(out, "idp_http_requests_total", "counter", "Answered requests by route and class of status.")
	for _, k := range keys {
		sample(out, "idp_http_requests_total", float64(f.requests[k].count), "route", k[0], "status", k[1])
	}
	family(out, "idp_http_request_duration_seconds", "histogram", "Time from a request to its answer.")
	for _, k := range keys {
		f.requests[k].write(out, "idp_http_request_duration_seconds", "route", k[0], "status", k[1])
	}
	family(out, "idp_sign_ins_total", "counter", "Passwords by result: accepted, refused, throttled, busy, failed.")
	for _, result := range slices.Sorted(maps.Keys(f.signIns)) {
		sample(out, "idp_sign_ins_total", float64(f.signIns[result]), "result", result)
	}
	family(out, "idp_mfa_events_total", "counter", "What happened to second factors, by the kind of event in the audit log.")
	for _, kind := range slices.Sorted(maps.Keys(f.factors)) {
		sample(out, "idp_mfa_events_total", float64(f.factors[kind]), "event", kind)
	}
}

func (d *durations) write(out *bytes.Buffer, name string, labels ...string) {
	for i, bound := range buckets {
		le := strconv.FormatFloat(bound.Seconds(), 'g', -1, 64)
		sample(out, name+"_bucket", float64(d.within[i]), slices.Concat(labels, []string{"le", le})...)
	}
	sample(out, name+"_bucket", float64(d.count), slices.Concat(labels, []string{"le", "+Inf"})...)
	sample(out, name+"_sum", d.sum.Seconds(), labels...)
	sample(out, name+"_count", float64(d.count), labels...)
}

// writeRuntime adds the build and what the Go runtime knows of itself, under the names that dashboards expect.
func writeRuntime(out *bytes.Buffer, version string) {
	family(out, "idp_build_info", "gauge", "The running program; always 1.")
	sample(out, "idp_build_info", 1, "version", version, "goversion", runtime.Version())
	read := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"},
	}
	metrics.Read(read)
	for i, as := range []struct{ name, kind, help string }{
		{"go_goroutines", "gauge", "Goroutines that exist."},
		{"go_gc_cycles_total", "counter", "Finished garbage collections."},
		{"go_memstats_heap_alloc_bytes", "gauge", "Memory of live objects."},
		{"go_memstats_sys_bytes", "gauge", "Memory taken from the system."},
	} {
		if read[i].Value.Kind() == metrics.KindUint64 { // a later Go may not know the name any more
			family(out, as.name, as.kind, as.help)
			sample(out, as.name, float64(read[i].Value.Uint64()))
		}
	}
}

func family(out *bytes.Buffer, name, kind, help string) {
	fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes one value; labels are pairs of name and value.
func sample(out *bytes.Buffer, name string, value float64, labels ...string) {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+escape.Replace(labels[i+1])+`"`)
	}
	out.WriteString(name)
	if len(pairs) > 0 {
		out.WriteString("{" + strings.Join(pairs, ",") + "}")
	}
	out.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}
