package mfahttp

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/focushq/idp/mfa"
)

func (h *handler) showRecovery(w http.ResponseWriter, r *http.Request, code int, user *visitor, status mfa.Status,
	page *RecoveryPage) {
	page.Person, page.Own, page.Client = h.asked(r, user), changes(r, user), user.waiting().Client
	page.Query = journey(r, "way", "recovery")
	page.CodesLeft = status.CodesLeft
	page.BackURL, page.KeyURL = codeURL(r, status), h.keyURL(r, status)
	page.Cancel = h.mayCancel(r)
	h.Pages.Render(w, r, code, PageRecovery, page)
}

// useRecoveryCode lets a recovery code stand in for the app. It never remembers the device, whatever the form says: it
// may be a borrowed one.
func (h *handler) useRecoveryCode(w http.ResponseWriter, r *http.Request, user *visitor) {
	_, err := h.MFA.VerifyRecoveryCode(r.Context(), user.Subject, r.PostFormValue("recovery_code"))
	if err == nil {
		h.Cookies.jar().Clear(w, deviceCookie(user.Subject)) // its device has just ended, with all others
		h.Passed(w, r, user.User, user.amr(mfa.Password, mfa.RecoveryCode))
		return
	}
	status, lookup := h.MFA.Status(r.Context(), user.Subject)
	problem := h.codeProblem("recovery", err)
	switch {
	case lookup != nil:
		h.Fail(w, r, lookup)
	case errors.Is(err, mfa.ErrNotEnrolled) && !status.Enrolled:
		h.goTo(w, r, h.onward(r, user))
	case errors.Is(err, mfa.ErrNotEnrolled), status.CodesLeft == 0 && errors.Is(err, mfa.ErrInvalidCode): // no other one helps
		h.showRecovery(w, r, h.status(w, err), user, status, &RecoveryPage{Problem: &Problem{ID: "problem.recovery.none"}})
	case problem == nil:
		h.Fail(w, r, err)
	default:
		h.showRecovery(w, r, h.status(w, err), user, status, &RecoveryPage{Problem: problem, Wait: h.wait(err)})
	}
}

// newCodes shows a fresh set to somebody enrolled; inside a sign-in, or on the way to a page of the host's own after the use
// of a code, it first asks whether they want one.
func (h *handler) newCodes(w http.ResponseWriter, r *http.Request, user *visitor) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	switch {
	case err != nil:
		h.Fail(w, r, err)
	case !status.Enrolled:
		h.goTo(w, r, link(pathStart, journey(r)))
	case (signingIn(r) || own(r) && mfa.UsedRecoveryCode(user.AMR)) && r.URL.Query().Get("make") == "":
		h.remind(w, r, user, status)
	case h.fresh(w, r, user):
		h.showCodes(w, r, http.StatusOK, user, "", nil)
	}
}

// remind asks what to do about the recovery codes, and after the use of one about the phone.
func (h *handler) remind(w http.ResponseWriter, r *http.Request, user *visitor, status mfa.Status) {
	page := &RemindPage{
		Person: user.who(), Query: journey(r), CodesLeft: status.CodesLeft, UsedCode: mfa.UsedRecoveryCode(user.AMR),
		NoApp:   len(status.Authenticators) == 0,
		MakeURL: link(pathNewCodes, journey(r, "make", "1")), GoOn: link(pathGoOn, journey(r)),
	}
	page.Notice, _ = h.takeNotice(w, r, user.Subject)
	h.leaveShown(w, r, user)
	if page.UsedCode {
		page.AddURL = link(pathStart, journey(r, "more", "1"))
	}
	h.Pages.Render(w, r, http.StatusOK, PageRemind, page)
}

// confirmNewCodes asks for no fresh proof: the set that it names was shown only after one, in this session. Asking
// would throw away the codes that the person has just written down.
func (h *handler) confirmNewCodes(w http.ResponseWriter, r *http.Request, user *visitor) {
	if r.PostFormValue("saved") == "" {
		if h.fresh(w, r, user) {
			h.showCodes(w, r, http.StatusUnprocessableEntity, user, "", unsaved())
		}
		return
	}
	before, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	err = h.MFA.ConfirmRecoveryCodes(r.Context(), h.owner(user), r.PostFormValue("set"))
	switch {
	case errors.Is(err, mfa.ErrReplaced):
		if h.fresh(w, r, user) {
			h.showCodes(w, r, http.StatusUnprocessableEntity, user, "", &Problem{ID: "problem.enrol.replaced"})
		}
	case err != nil:
		h.lost(w, r, user, "", err)
	case signingIn(r):
		h.forgetShown(w)
		h.reminded(w, r, user)
	default:
		h.forgetShown(w)
		notice := "notice.codes_replaced"
		if before.CodesMadeAt.IsZero() {
			notice = "notice.key_on"
		}
		h.notice(w, user.Subject, notice)
		h.goTo(w, r, h.onward(r, user))
	}
}

// goOn leaves the reminder without new codes.
func (h *handler) goOn(w http.ResponseWriter, r *http.Request, user *visitor) { h.reminded(w, r, user) }

// reminded goes on after it, or after new codes inside a sign-in.
func (h *handler) reminded(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.Reminded == nil {
		h.goTo(w, r, h.onward(r, user))
		return
	}
	h.Reminded(w, r, user.User)
}

// unsaved is the answer to a "Confirm" before the codes were copied, downloaded or ticked as saved. Only their hashes
// are kept: they cannot be shown again, so the page has new ones, and says so.
func unsaved() *Problem { return &Problem{ID: "problem.enrol.unsaved", Field: "saved"} }

// showCodes makes a fresh set for an enrolment, or for "" in the place of the active one, and shows it, this once.
func (h *handler) showCodes(w http.ResponseWriter, r *http.Request, status int, user *visitor, enrollment string,
	problem *Problem) {
	codes, set, err := h.MFA.NewRecoveryCodes(r.Context(), h.owner(user), enrollment)
	if err != nil {
		h.lost(w, r, user, enrollment, err)
		return
	}
	page := &RecoveryCodesPage{
		Codes: codes, Set: set, Product: h.MFA.Issuer(), Account: user.Account, Date: h.Now().UTC().Format(time.DateOnly),
		Address: h.Origin, Problem: problem, Replacement: enrollment == "", Reloaded: h.shownBefore(w, r, user, enrollment),
	}
	page.Reloaded = page.Reloaded || problem != nil // whoever confirmed has seen a set
	if enrollment == "" {
		status, err := h.MFA.Status(r.Context(), user.Subject)
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		page.First, page.CodesLeft = status.CodesMadeAt.IsZero(), status.CodesLeft
		first, err := h.firstKey(r, user, status)
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		page.Steps = first != nil
		page.Notice, _ = h.takeThis(w, r, user.Subject, noticeKeyAdded)
		page.Query = journey(r, "make", "1")
		if signingIn(r) {
			page.GoOn = link(pathGoOn, journey(r))
		} else {
			page.LeaveURL = h.onward(r, user)
		}
	} else {
		page.LeaveURL = h.leaveURL(r, user, true)
		page.Query = journey(r, "enrolment", enrollment)
		if h.forced(r, user) {
			page.AnotherURL = user.waiting().Another
		}
	}
	page.DownloadName = fileName(page.Product)
	page.DownloadURI = download(page)
	h.Pages.Render(w, r, status, PageRecoveryCodes, page)
}

const shownCookie = "mfa_shown"

// shownBefore reports whether this browser was shown an earlier set for the same purpose that was not confirmed, and
// notes that it is now.
func (h *handler) shownBefore(w http.ResponseWriter, r *http.Request, user *visitor, enrollment string) bool {
	purpose := short(user.Subject + "/" + enrollment)
	before := h.Cookies.jar().Get(r, shownCookie) == purpose
	h.Cookies.jar().Set(w, shownCookie, purpose, mfa.EnrollmentLife)
	return before
}

// leaveShown is for the pages from which new codes are asked for anew: what was shown before is no news there.
func (h *handler) leaveShown(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.Cookies.jar().Get(r, shownCookie) == short(user.Subject+"/") {
		h.forgetShown(w)
	}
}

func (h *handler) forgetShown(w http.ResponseWriter) { h.Cookies.jar().Clear(w, shownCookie) }

// fileName names a download after the product, in characters that every file system takes.
func fileName(product string) string {
	plain := strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return unicode.ToLower(c)
		}
		return '-'
	}, product)
	return plain + "-recovery-codes.txt"
}

// download returns the codes as a text file inside a link: nothing but the page itself ever holds them.
func download(page *RecoveryCodesPage) template.URL {
	address := ""
	if page.Address != "" {
		address = "Sign-in: " + page.Address + "\r\n"
	}
	text := fmt.Sprintf("%s recovery codes\r\n\r\nAccount: %s\r\n%sDate: %s\r\n\r\n%s\r\n\r\n%s\r\n",
		page.Product, page.Account, address, page.Date, strings.Join(page.Codes, "\r\n"),
		"Each code works once, in any order, when your phone or passkey is not at hand. Nobody will ever ask you for them.")
	return template.URL("data:text/plain;charset=utf-8," + url.PathEscape(text))
}
