package idp

import (
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"
)

// longestProfile bounds how long one request may have the program watch itself.
const longestProfile = time.Minute

// profile answers with a profile of the program for `go tool pprof`, or an execution trace for `go tool trace`. The package
// net/http/pprof is not used: it hangs its handlers, the command line with its database URL among them, on a mux of the whole
// process.
func (p *IdP) profile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch name := r.PathValue("profile"); name {
	case "profile":
		p.record(w, r, 30*time.Second, func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile)
	case "trace":
		p.record(w, r, time.Second, func() error { return trace.Start(w) }, trace.Stop)
	default:
		found := pprof.Lookup(name)
		if found == nil {
			http.NotFound(w, r)
			return
		}
		_ = found.WriteTo(w, 0) // who went away has no use for the rest
	}
}

// record watches the program for as many seconds as the request says.
func (p *IdP) record(w http.ResponseWriter, r *http.Request, length time.Duration, start func() error, stop func()) {
	if seconds, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && seconds > 0 {
		length = time.Duration(min(seconds, longestProfile.Seconds()) * float64(time.Second))
	}
	// The listener's own limit is for answers that are there at once.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length + 10*time.Second)); err != nil {
		p.log.WarnContext(r.Context(), "a profile may be cut short", "error", err)
	}
	if err := start(); err != nil { // somebody else has one made
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	defer stop()
	select {
	case <-time.After(length):
	case <-r.Context().Done():
	}
}
