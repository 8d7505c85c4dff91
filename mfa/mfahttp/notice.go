package mfahttp

import (
	"net/http"
	"strings"
	"time"

	"github.com/focushq/idp/mfa"
)

const noticeCookie = "mfa_notice"

// andDevices ends a kept notice when remembered devices have gone too.
const andDevices = "+devices"

// notice keeps what the next page says to subject, and to nobody who signs in after them. It is not in the URL, where
// anybody's link could say that MFA was turned off.
func (h *handler) notice(w http.ResponseWriter, subject, id string) {
	h.Cookies.jar().Set(w, noticeCookie, short(subject)+"/"+id, time.Minute)
}

// noticeOf is notice for a change of factors: it ends remembered devices, of which there were some if before has any.
func (h *handler) noticeOf(w http.ResponseWriter, subject, id string, before mfa.Status) {
	if before.Devices > 0 {
		id += andDevices
	}
	h.notice(w, subject, id)
}

// kept returns what the next page says to subject, "" for nothing, and whether remembered devices have gone.
func (h *handler) kept(r *http.Request, subject string) (id string, devices bool) {
	id, theirs := strings.CutPrefix(h.Cookies.jar().Get(r, noticeCookie), short(subject)+"/")
	if !theirs {
		return "", false
	}
	return strings.CutSuffix(id, andDevices)
}

// takeNotice returns what was kept for subject, and forgets it.
func (h *handler) takeNotice(w http.ResponseWriter, r *http.Request, subject string) (id string, devices bool) {
	if id, devices = h.kept(r, subject); id != "" {
		h.Cookies.jar().Clear(w, noticeCookie)
	}
	return id, devices
}

// takeThis is takeNotice for a page that has only this one to say.
func (h *handler) takeThis(w http.ResponseWriter, r *http.Request, subject, id string) (taken string, devices bool) {
	if kept, _ := h.kept(r, subject); kept != id {
		return "", false
	}
	return h.takeNotice(w, r, subject)
}

// againAt receives the browser at a path that takes forms only: a fresh proof, or another form token, came between, and
// what the form held is gone. The person is led to the page with the form, and asked to choose again.
func (h *handler) againAt(page string) func(http.ResponseWriter, *http.Request, *visitor) {
	return func(w http.ResponseWriter, r *http.Request, user *visitor) {
		h.notice(w, user.Subject, "notice.again")
		h.goTo(w, r, link(page, journey(r)))
	}
}

// againAtCodes is againAt for the reminder of recovery codes, which stands inside a sign-in only.
func (h *handler) againAtCodes(w http.ResponseWriter, r *http.Request, user *visitor) {
	page := pathSettings
	if signingIn(r) {
		page = pathNewCodes
	}
	h.againAt(page)(w, r, user)
}
