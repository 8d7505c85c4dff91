package mfahttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/focushq/idp/mfa"
)

// settings shows what the person has.
func (h *handler) settings(w http.ResponseWriter, r *http.Request, user User) {
	h.showSettings(w, r, http.StatusOK, user, nil)
}

func (h *handler) showSettings(w http.ResponseWriter, r *http.Request, code int, user User, problem *Problem) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	devices, err := h.MFA.Devices(r.Context(), user.Subject, h.thisDevice(r, user.Subject))
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	page := &SettingsPage{
		Query: journey(r), Enrolled: status.Enrolled, Authenticators: status.Authenticators,
		CodesLeft: status.CodesLeft, Devices: devices, Sealed: status.Sealed, RecoverySealed: status.RecoverySealed,
		RememberDays: h.rememberDays(r), Forced: signingIn(r) && !status.Enrolled, Problem: problem,
		Notice: h.takeNotice(w, r),
	}
	if page.AddKeyURL = h.addKeyURL(r); page.AddKeyURL != "" {
		if page.Passkeys, err = h.Passkeys.Passkeys(r.Context(), user.Subject); err != nil {
			h.Fail(w, r, err)
			return
		}
		keys := h.passkeyStatus(status)
		page.KeySealed = keys != nil && keys.Sealed
	}
	page.BackName, page.BackURL = h.Back(r)
	page.Postpone, _ = h.Grace(r, user)
	page.Demanded, page.DueBy = h.Demanded(r, user)
	h.Pages.Render(w, r, code, PageSettings, page)
}

// rename gives an authenticator another name. A name is no secret: no fresh proof is asked for.
func (h *handler) rename(w http.ResponseWriter, r *http.Request, user User) {
	h.renamed(w, r, user, h.MFA.Rename(r.Context(), user.Subject, r.PostFormValue("id"), r.PostFormValue("name")))
}

func (h *handler) renamed(w http.ResponseWriter, r *http.Request, user User, err error) {
	if errors.Is(err, mfa.ErrName) {
		h.showSettings(w, r, http.StatusUnprocessableEntity, user, &Problem{ID: "problem.settings.name", Field: "name"})
		return
	}
	h.changed(w, r, user, err, "notice.renamed")
}

// remove takes an authenticator away; with the last one MFA is off.
func (h *handler) remove(w http.ResponseWriter, r *http.Request, user User) {
	if h.Fresh(w, r, user) {
		h.changed(w, r, user, h.MFA.Remove(r.Context(), user.Subject, r.PostFormValue("id")), "notice.removed")
	}
}

// turnOff takes all factors, recovery codes and devices away. Sent twice it is done once.
func (h *handler) turnOff(w http.ResponseWriter, r *http.Request, user User) {
	if !h.Fresh(w, r, user) {
		return
	}
	err := h.MFA.Disable(r.Context(), user.Subject)
	if errors.Is(err, mfa.ErrNotEnrolled) {
		err = nil
	}
	h.changed(w, r, user, err, "notice.off")
}

// forget ends one remembered device, or without an id all of them.
func (h *handler) forget(w http.ResponseWriter, r *http.Request, user User) {
	if !h.Fresh(w, r, user) {
		return
	}
	if id := r.PostFormValue("id"); id != "" {
		h.changed(w, r, user, h.MFA.ForgetDevice(r.Context(), user.Subject, id), "notice.device_forgotten")
		return
	}
	h.changed(w, r, user, h.MFA.ForgetDevices(r.Context(), user.Subject, "removed"), "notice.devices_forgotten")
}

// again receives the browser after a POST was interrupted for a fresh proof: what the form held is gone, and the person
// is asked to choose again.
func (h *handler) again(w http.ResponseWriter, r *http.Request, _ User) {
	h.notice(w, "notice.again")
	h.goTo(w, r, link(pathSettings, journey(r)))
}

// changed answers a change of the settings.
func (h *handler) changed(w http.ResponseWriter, r *http.Request, user User, err error, notice string) {
	switch {
	case errors.Is(err, mfa.ErrNotFound):
		h.showSettings(w, r, http.StatusNotFound, user, &Problem{ID: "problem.settings.not_found"})
	case err != nil:
		h.Fail(w, r, err)
	default:
		h.notice(w, notice)
		h.goTo(w, r, link(pathSettings, journey(r)))
	}
}

const noticeCookie = "mfa_notice"

// notice keeps what the next page says. It is not in the URL, where anybody's link could say that MFA was turned off.
func (h *handler) notice(w http.ResponseWriter, id string) {
	h.Cookies.jar().Set(w, noticeCookie, id, time.Minute)
}

func (h *handler) takeNotice(w http.ResponseWriter, r *http.Request) string {
	id := h.Cookies.jar().Get(r, noticeCookie)
	if id != "" {
		h.Cookies.jar().Clear(w, noticeCookie)
	}
	return id
}

// takeThis is takeNotice for a page that has only this one to say.
func (h *handler) takeThis(w http.ResponseWriter, r *http.Request, id string) string {
	if h.Cookies.jar().Get(r, noticeCookie) != id {
		return ""
	}
	return h.takeNotice(w, r)
}
