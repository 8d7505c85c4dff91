package mfahttp

import (
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/focushq/idp/mfa"
)

// start explains how it works.
func (h *handler) start(w http.ResponseWriter, r *http.Request, user *visitor) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	switch next := user.waiting().Resume; {
	case err != nil:
		h.Fail(w, r, err)
	case status.Enrolled && signingIn(r) && next != "" && !further(r): // came back to a step that is done
		h.goTo(w, r, next)
	default:
		h.showStart(w, r, http.StatusOK, user, status.Enrolled, nil)
	}
}

func (h *handler) showStart(w http.ResponseWriter, r *http.Request, status int, user *visitor, enrolled bool,
	problem *Problem) {
	page := &StartPage{
		Query: journey(r), Enrolled: enrolled, Forced: !enrolled && h.forced(r, user),
		Client: user.waiting().Client, Cancel: h.mayCancel(r), Problem: problem,
	}
	if page.Forced || signingIn(r) {
		page.Person = user.who()
	}
	if page.Forced && h.overdue(user) {
		page.Overdue = user.waiting().Due
	}
	if further(r) {
		page.ReturnURL = link(pathNewCodes, journey(r))
	}
	page.BackName, page.BackURL = h.Back(r)
	if !enrolled {
		page.Postpone = h.postponable(user)
	}
	page.KeyURL = h.addKeyURL(r)
	page.Notice, _ = h.takeNotice(w, r, user.Subject)
	h.Pages.Render(w, r, status, PageStart, page)
}

// enroll makes the pending key: by POST only, and only for somebody who has just proved who they are.
func (h *handler) enroll(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.mayCancel(r) && r.PostFormValue("cancel") != "" {
		h.Cancel(w, r)
		return
	}
	if !h.fresh(w, r, user) {
		return
	}
	e, err := h.MFA.Enroll(r.Context(), h.owner(user), user.Account)
	if err != nil {
		h.lost(w, r, user, "", err)
		return
	}
	h.goTo(w, r, link(pathScan, journey(r, "enrolment", e.ID)))
}

// postpone takes "not now" where the host's policy leaves the time.
func (h *handler) postpone(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.postponable(user).IsZero() {
		h.goTo(w, r, link(pathStart, journey(r)))
		return
	}
	h.Postpone(w, r, user.User)
}

// scan shows the key. It is the same one at every load, until the codes are in.
func (h *handler) scan(w http.ResponseWriter, r *http.Request, user *visitor) {
	e := h.pending(w, r, user)
	if e == nil || !h.fresh(w, r, user) {
		return
	}
	picture, err := mfa.QR(e.URI)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	page := &ScanPage{
		Query: journey(r, "enrolment", e.ID), Second: !e.First,
		QR: named(picture, e.Issuer), Key: grouped(e.Key), KeyRaw: e.Key, URI: template.URL(e.URI),
		Account: e.Account, Issuer: e.Issuer, Type: "TOTP", Algorithm: "SHA1",
		Digits: mfa.Digits, Period: int(mfa.Period / time.Second),
		ExpiresAt: e.ExpiresAt, Next: link(pathCodes, journey(r, "enrolment", e.ID)), LeaveURL: h.leaveURL(r, user, e.First),
	}
	if e.First && h.forced(r, user) {
		page.AnotherURL = user.waiting().Another
	}
	h.Pages.Render(w, r, http.StatusOK, PageScan, page)
}

// named gives the picture its id, and a name for people who don't see it: whose it is, never what is in it.
func named(svg []byte, issuer string) template.HTML {
	attributes := `<svg id="qr-image" role="img" aria-label="QR code: ` + template.HTMLEscapeString(issuer) + `"`
	return template.HTML(strings.Replace(string(svg), "<svg", attributes, 1))
}

// codes asks for two codes in a row.
func (h *handler) codes(w http.ResponseWriter, r *http.Request, user *visitor) {
	e := h.pending(w, r, user)
	switch {
	case e == nil:
	case e.Proven && e.First:
		h.goTo(w, r, link(pathRecovery, journey(r, "enrolment", e.ID)))
	default:
		h.showProof(w, r, http.StatusOK, user, e, nil)
	}
}

func (h *handler) showProof(w http.ResponseWriter, r *http.Request, status int, user *visitor, e *mfa.Enrollment,
	problem *Problem) {
	page := &CodesPage{
		Query: journey(r, "enrolment", e.ID), Second: !e.First, Problem: problem,
		Entry: entry(e.Issuer, e.Account), Remaining: h.remaining(),
		Code1: cut(r.PostFormValue("code1")), Code2: cut(r.PostFormValue("code2")),
		ScanURL: link(pathScan, journey(r, "enrolment", e.ID)), LeaveURL: h.leaveURL(r, user, e.First),
	}
	if e.First && h.forced(r, user) {
		page.Person = user.who()
	}
	h.Pages.Render(w, r, status, PageCodes, page)
}

// prove takes the two codes. Sent again after they were right, it goes on to the next step.
func (h *handler) prove(w http.ResponseWriter, r *http.Request, user *visitor) {
	e := h.pending(w, r, user)
	if e == nil {
		return
	}
	if !e.First && !h.fresh(w, r, user) {
		return // the codes of a further authenticator are the last step before it counts
	}
	if !e.Proven {
		code, next := r.PostFormValue("code1"), r.PostFormValue("code2")
		_, err := h.MFA.VerifyEnrollment(r.Context(), h.owner(user), e.ID, code, next)
		if err != nil {
			if problem := h.pairProblem(e, err); problem != nil {
				h.showProof(w, r, http.StatusUnprocessableEntity, user, e, problem)
				return
			}
			h.lost(w, r, user, e.ID, err)
			return
		}
	}
	if e.First {
		h.goTo(w, r, link(pathRecovery, journey(r, "enrolment", e.ID)))
		return
	}
	h.finish(w, r, user, e.ID, "")
}

// recoveryCodes shows a fresh set at every load; the set before is void.
func (h *handler) recoveryCodes(w http.ResponseWriter, r *http.Request, user *visitor) {
	e := h.pending(w, r, user)
	switch {
	case e == nil:
	case !e.Proven, !e.First:
		h.goTo(w, r, link(pathCodes, journey(r, "enrolment", e.ID)))
	default:
		h.showCodes(w, r, http.StatusOK, user, e.ID, nil)
	}
}

// confirm turns MFA on, with the set of codes that the person saw.
func (h *handler) confirm(w http.ResponseWriter, r *http.Request, user *visitor) {
	e := h.pending(w, r, user)
	switch {
	case e == nil:
	case !e.Proven, !e.First:
		h.goTo(w, r, link(pathCodes, journey(r, "enrolment", e.ID)))
	case r.PostFormValue("saved") == "":
		h.showCodes(w, r, http.StatusUnprocessableEntity, user, e.ID, unsaved())
	case r.PostFormValue("set") == "": // what confirms a further authenticator, which is done behind a fresh proof alone
		h.showCodes(w, r, http.StatusUnprocessableEntity, user, e.ID, &Problem{ID: "problem.enrol.replaced"})
	default:
		h.finish(w, r, user, e.ID, r.PostFormValue("set"))
	}
}

// finish makes the pending authenticator one of the person's, and its two codes this session's second factor.
func (h *handler) finish(w http.ResponseWriter, r *http.Request, user *visitor, enrollment, set string) {
	before, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	_, err = h.MFA.Confirm(r.Context(), h.owner(user), enrollment, set)
	switch {
	case errors.Is(err, mfa.ErrReplaced):
		h.showCodes(w, r, http.StatusUnprocessableEntity, user, enrollment, &Problem{ID: "problem.enrol.replaced"})
		return
	case err != nil:
		h.lost(w, r, user, enrollment, err)
		return
	}
	h.forgetShown(w)
	if before.Devices > 0 {
		h.noticeOf(w, user.Subject, noticeAdded, before)
	}
	// Of a first authenticator the codes are news of this session. Whoever adds a further one has given a factor already.
	if first := set != ""; first || signingIn(r) || further(r) {
		if err := h.Proved(w, r, user.User, user.amr(mfa.Password, mfa.TOTP)); err != nil {
			h.Fail(w, r, err)
			return
		}
	}
	h.goTo(w, r, link(pathDone, journey(r, "enrolment", enrollment)))
}

// done says that the enrolment is complete, and how far off the phone's clock is when that is more than a step.
func (h *handler) done(w http.ResponseWriter, r *http.Request, user *visitor) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	added := find(status.Authenticators, r.URL.Query().Get("enrolment"))
	if added == nil {
		h.goTo(w, r, h.onward(r, user))
		return
	}
	page := &DonePage{Query: journey(r), Name: added.Name, NextURL: user.waiting().Resume}
	if page.Second, err = h.second(r, user, status, added); err != nil {
		h.Fail(w, r, err)
		return
	}
	_, page.DevicesForgotten = h.takeThis(w, r, user.Subject, noticeAdded)
	if further(r) {
		page.SettingsURL = link(pathSettings, journey(r))
	}
	if added.Offset.Abs() > mfa.Period {
		page.Offset, page.Provisional = added.Offset, added.Provisional
	}
	page.BackName, page.BackURL = h.Back(r)
	h.Pages.Render(w, r, http.StatusOK, PageDone, page)
}

// noticeAdded is what the last page of an enrolment says, and the settings where that page was passed by.
const noticeAdded = "notice.added"

// second reports whether the person had another factor when this authenticator was added.
func (h *handler) second(r *http.Request, user *visitor, status mfa.Status, added *mfa.Authenticator) (bool, error) {
	if status.Authenticators[0].ID != added.ID || h.passkeyStatus(status) == nil {
		return status.Authenticators[0].ID != added.ID, nil
	}
	keys, err := h.Passkeys.Passkeys(r.Context(), user.Subject)
	return err == nil && len(keys) > 0 && !keys[0].AddedAt.After(added.AddedAt), err
}

// leaveURL is where somebody goes who gives an enrolment up: inside a sign-in that waits for it, to where it can be put
// off or the sign-in ended, as far as the host lets them.
func (h *handler) leaveURL(r *http.Request, user *visitor, first bool) string {
	if first && signingIn(r) {
		return link(pathStart, journey(r))
	}
	return h.onward(r, user)
}

// pending returns the enrolment that the URL names, or answers the request and returns nil.
func (h *handler) pending(w http.ResponseWriter, r *http.Request, user *visitor) *mfa.Enrollment {
	id := r.URL.Query().Get("enrolment")
	e, err := h.MFA.Enrollment(r.Context(), h.owner(user), id)
	if err != nil {
		h.lost(w, r, user, id, err)
		return nil
	}
	return e
}

// lost answers when an enrolment cannot begin or go on: it says why, beside the button to start again. One that was
// confirmed already (a second click, the Back button) leads to the page that says so.
func (h *handler) lost(w http.ResponseWriter, r *http.Request, user *visitor, id string, err error) {
	status, lookup := h.MFA.Status(r.Context(), user.Subject)
	switch {
	case lookup != nil:
		h.Fail(w, r, lookup)
	case errors.Is(err, mfa.ErrNotFound) && find(status.Authenticators, id) != nil:
		h.goTo(w, r, link(pathDone, journey(r, "enrolment", id)))
	case errors.Is(err, mfa.ErrNotFound):
		h.showStart(w, r, http.StatusNotFound, user, status.Enrolled, &Problem{ID: "problem.enrol.not_found"})
	case errors.Is(err, mfa.ErrNotProven):
		h.goTo(w, r, link(pathCodes, journey(r, "enrolment", id)))
	case errors.Is(err, mfa.ErrNotEnrolled): // turned off meanwhile
		h.goTo(w, r, link(pathStart, journey(r)))
	case errors.Is(err, mfa.ErrExpired):
		h.showStart(w, r, http.StatusGone, user, status.Enrolled, &Problem{ID: "problem.enrol.expired"})
	case errors.Is(err, mfa.ErrTooMany):
		h.showStart(w, r, http.StatusUnprocessableEntity, user, status.Enrolled,
			&Problem{ID: "problem.enrol.too_many", Args: map[string]any{"Max": mfa.MaxAuthenticators}})
	default:
		h.Fail(w, r, err)
	}
}

// find returns the authenticator with this identifier, which is its enrolment's.
func find(authenticators []mfa.Authenticator, id string) *mfa.Authenticator {
	for i := range authenticators {
		if authenticators[i].ID == id {
			return &authenticators[i]
		}
	}
	return nil
}

// grouped splits a key into groups of four, for people who type it.
func grouped(key string) string {
	var groups []string
	for len(key) > 4 {
		groups, key = append(groups, key[:4]), key[4:]
	}
	return strings.Join(append(groups, key), " ")
}
