package mfahttp

import (
	"errors"
	"net/http"

	"github.com/focushq/idp/mfa"
)

// settings shows what the person has.
func (h *handler) settings(w http.ResponseWriter, r *http.Request, user *visitor) {
	h.showSettings(w, r, http.StatusOK, user, &SettingsPage{})
}

// showSettings completes page, of which what was wrong with a form is known.
func (h *handler) showSettings(w http.ResponseWriter, r *http.Request, code int, user *visitor, page *SettingsPage) {
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
	page.Query, page.Enrolled, page.Forced = journey(r), status.Enrolled, signingIn(r) && !status.Enrolled
	page.Authenticators, page.CodesLeft, page.Devices = status.Authenticators, status.CodesLeft, devices
	page.Sealed, page.RecoverySealed = status.Sealed, status.RecoverySealed
	page.RememberDays = h.rememberDays(user)
	page.Notice, page.DevicesForgotten = h.takeNotice(w, r, user.Subject)
	if page.AddKeyURL = h.addKeyURL(r); page.AddKeyURL != "" {
		if page.Passkeys, err = h.Passkeys.Passkeys(r.Context(), user.Subject); err != nil {
			h.Fail(w, r, err)
			return
		}
		keys := h.passkeyStatus(status)
		page.KeySealed = keys != nil && keys.Sealed
	}
	if !page.lists(page.RenameID) { // removed meanwhile
		page.RenameID = ""
	}
	page.BackName, page.BackURL = h.Back(r)
	if !status.Enrolled {
		page.Postpone, page.Overdue = h.postponable(user), user.waiting().Closed
	}
	h.leaveShown(w, r, user)
	waiting := user.waiting()
	if page.Demanded = waiting.Demanded; h.Now().Before(waiting.Due) {
		page.DueBy = waiting.Due
	}
	if signingIn(r) && status.Enrolled {
		page.NextURL = waiting.Resume
	}
	h.Pages.Render(w, r, code, PageSettings, page)
}

// rename gives an authenticator another name. A name is no secret: no fresh proof is asked for.
func (h *handler) rename(w http.ResponseWriter, r *http.Request, user *visitor) {
	h.renamed(w, r, user, h.MFA.Rename(r.Context(), user.Subject, r.PostFormValue("id"), r.PostFormValue("name")))
}

func (h *handler) renamed(w http.ResponseWriter, r *http.Request, user *visitor, err error) {
	id := ""
	switch {
	case errors.Is(err, mfa.ErrName):
		id = "problem.settings.name"
	case errors.Is(err, mfa.ErrTaken):
		id = "problem.settings.name_taken"
	}
	if id != "" {
		h.showSettings(w, r, http.StatusUnprocessableEntity, user, &SettingsPage{
			Problem:  &Problem{ID: id, Field: "name"},
			RenameID: r.PostFormValue("id"), NewName: r.PostFormValue("name"),
		})
		return
	}
	h.changed(w, r, user, err, "notice.renamed")
}

// remove takes an authenticator away; with the last one MFA is off.
func (h *handler) remove(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.fresh(w, r, user) {
		h.removed(w, r, user, "notice.removed", func() error {
			return h.MFA.Remove(r.Context(), user.Subject, r.PostFormValue("id"))
		})
	}
}

// removed takes a factor away, and says so; remembered devices go with it.
func (h *handler) removed(w http.ResponseWriter, r *http.Request, user *visitor, notice string, remove func() error) {
	before, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	if err = remove(); err == nil {
		left, err := h.MFA.Enrolled(r.Context(), user.Subject)
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		if !left {
			notice = noticeOff
		}
		h.noticeOf(w, user.Subject, notice, before)
		h.goTo(w, r, link(pathSettings, journey(r)))
		return
	}
	h.changed(w, r, user, err, notice)
}

// noticeOff is what the settings say when nothing is left.
const noticeOff = "notice.off"

// turnOff takes all factors, recovery codes and devices away. Sent twice it is done once.
func (h *handler) turnOff(w http.ResponseWriter, r *http.Request, user *visitor) {
	if !h.fresh(w, r, user) {
		return
	}
	h.removed(w, r, user, noticeOff, func() error {
		err := h.MFA.Disable(r.Context(), user.Subject)
		if errors.Is(err, mfa.ErrNotEnrolled) {
			return nil
		}
		return err
	})
}

// forget ends one remembered device, or without an id all of them.
func (h *handler) forget(w http.ResponseWriter, r *http.Request, user *visitor) {
	if !h.fresh(w, r, user) {
		return
	}
	if id := r.PostFormValue("id"); id != "" {
		h.changed(w, r, user, h.MFA.ForgetDevice(r.Context(), user.Subject, id), "notice.device_forgotten")
		return
	}
	h.changed(w, r, user, h.MFA.ForgetDevices(r.Context(), user.Subject, "removed"), "notice.devices_forgotten")
}

// changed answers a change of the settings.
func (h *handler) changed(w http.ResponseWriter, r *http.Request, user *visitor, err error, notice string) {
	switch {
	case errors.Is(err, mfa.ErrNotFound):
		h.showSettings(w, r, http.StatusNotFound, user, &SettingsPage{Problem: &Problem{ID: "problem.settings.not_found"}})
	case err != nil:
		h.Fail(w, r, err)
	default:
		h.notice(w, user.Subject, notice)
		h.goTo(w, r, link(pathSettings, journey(r)))
	}
}
