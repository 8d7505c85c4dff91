package idp

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/console"
	"github.com/focushq/idp/templates"
)

const (
	uploadLimit = 10 << 20 // of a form with a file
	uploadTime  = time.Minute
)

// takesFile reports whether r is sent to a page of the console that takes a file.
func takesFile(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/admin/") && slices.Contains(console.Uploads(), r.URL.Path)
}

// limitOf is how many bytes the body of r may have.
func limitOf(r *http.Request) int64 {
	if takesFile(r) {
		return uploadLimit
	}
	return bodyLimit
}

// readForm reads the form of r. Only somebody who is in the console may send more than a form needs, and take longer over it: it
// has to be read before its token can be looked at.
func (p *IdP) readForm(w http.ResponseWriter, r *http.Request) error {
	if !takesFile(r) {
		return r.ParseForm()
	}
	if p.console.Entered(r) {
		control := http.NewResponseController(w)
		// A request that came without a connection, as those of tests do, has no deadlines.
		_ = control.SetReadDeadline(time.Now().Add(uploadTime))
		_ = control.SetWriteDeadline(time.Now().Add(2 * uploadTime))
	} else {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	}
	// All of it in memory: nothing has to be cleaned up on a disk.
	err := r.ParseMultipartForm(uploadLimit)
	if errors.Is(err, http.ErrNotMultipart) {
		err = nil
	}
	return err
}

// unreadForm answers a form that could not be read.
func (p *IdP) unreadForm(w http.ResponseWriter, r *http.Request, view templates.View, err error) {
	var large *http.MaxBytesError
	if takesFile(r) && errors.As(err, &large) && !p.console.Entered(r) {
		p.staleForm(w, r, view) // their session is over; the page that they are led to asks who they are
		return
	}
	p.unreadable(w, r, err)
}
