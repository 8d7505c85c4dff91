package mfahttp

import (
	"errors"
	"net/http"

	"github.com/focushq/idp/mfa"
)

// passkeySettings are the routes of people's passkeys.
func (h *handler) passkeySettings() routes {
	return routes{
		"GET " + pathAddKey:      h.addKey,
		"POST " + pathAddKey:     h.keepKey,
		"POST " + pathAddOptions: h.addOptions,
		"POST " + pathRenameKey:  h.renameKey,
		"POST " + pathRemoveKey:  h.removeKey,
		// Where the browser lands when Fresh has interrupted a POST.
		"GET " + pathAddOptions: h.backToAddKey,
		"GET " + pathRenameKey:  h.againAt(pathSettings),
		"GET " + pathRemoveKey:  h.againAt(pathSettings),
	}
}

// addKeyURL is where a passkey is added, "" where there are none.
func (h *handler) addKeyURL(r *http.Request) string {
	if h.Passkeys == nil {
		return ""
	}
	return link(pathAddKey, journey(r))
}

// addKey offers to add a passkey.
func (h *handler) addKey(w http.ResponseWriter, r *http.Request, user *visitor) {
	if !h.fresh(w, r, user) {
		return
	}
	status, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	known, err := h.Passkeys.Passkeys(r.Context(), user.Subject)
	switch {
	case err != nil:
		h.Fail(w, r, err)
	case len(known) >= mfa.MaxCredentials: // said before somebody makes one in vain
		h.showAddKey(w, r, http.StatusUnprocessableEntity, user, status, tooManyKeys())
	default:
		h.showAddKey(w, r, http.StatusOK, user, status, nil)
	}
}

func tooManyKeys() *Problem {
	return &Problem{ID: "problem.key.too_many", Args: map[string]any{"Max": mfa.MaxCredentials}}
}

func (h *handler) showAddKey(w http.ResponseWriter, r *http.Request, code int, user *visitor, status mfa.Status,
	problem *Problem) {
	page := &AddKeyPage{
		Query: journey(r), OptionsURL: link(pathAddOptions, journey(r)), Script: PasskeyScript(),
		Name: r.PostFormValue("name"), First: !status.Enrolled, Forced: !status.Enrolled && h.forced(r, user),
		Client: user.waiting().Client, Cancel: h.mayCancel(r), Problem: problem, BackURL: link(pathSettings, journey(r)),
	}
	if page.Forced || signingIn(r) {
		page.Person = user.who()
	}
	if page.First || further(r) {
		page.BackURL = link(pathStart, journey(r)) // where the app is the other choice
	}
	h.Pages.Render(w, r, code, PageAddKey, page)
}

// addOptions returns what the browser needs to make a passkey.
func (h *handler) addOptions(w http.ResponseWriter, r *http.Request, user *visitor) {
	if !h.fresh(w, r, user) {
		return
	}
	options, ceremony, err := h.Passkeys.BeginAdd(r.Context(), h.owner(user), user.Account)
	switch {
	case errors.Is(err, mfa.ErrTooMany):
		h.noOptions(w, r, tooManyKeys(), 0)
	case err != nil:
		h.Fail(w, r, err)
	default:
		WriteOptions(w, options, ceremony)
	}
}

// keepKey keeps the passkey that the browser made. It counts at once, and is no factor of this session: without an
// attestation it has proved nothing. So the first one leads to the codes by way of the host's second step, where it is
// used for the first time.
//
// It asks for no fresh proof. The ceremony is the proof: it was begun behind one, by this person in this session, and ends
// after five minutes. A proof that runs out in the meantime would leave a passkey on the device that is known to nobody.
func (h *handler) keepKey(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.mayCancel(r) && r.PostFormValue("cancel") != "" {
		h.Cancel(w, r)
		return
	}
	before, err := h.MFA.Status(r.Context(), user.Subject)
	if err != nil {
		h.Fail(w, r, err)
		return
	}
	_, err = h.Passkeys.FinishAdd(r.Context(), h.owner(user), r.PostFormValue("ceremony"), r.PostFormValue("name"),
		[]byte(r.PostFormValue("response")))
	switch problem := h.keyProblem(err); {
	case problem != nil:
		h.showAddKey(w, r, http.StatusUnprocessableEntity, user, before, problem)
	case err != nil:
		h.Fail(w, r, err)
	case before.CodesLeft > 0 && further(r):
		h.reminded(w, r, user)
	case before.CodesLeft > 0:
		h.noticeOf(w, user.Subject, noticeKeyAdded, before)
		h.goTo(w, r, h.onward(r, user))
	default:
		h.leaveShown(w, r, user)
		if before.Enrolled {
			h.noticeOf(w, user.Subject, noticeKeyAdded, before)
		} else {
			h.notice(w, user.Subject, noticeTryKey)
		}
		h.goTo(w, r, link(pathNewCodes, journey(r, "make", "1")))
	}
}

// noticeKeyAdded is what the page after a further passkey says.
const noticeKeyAdded = "notice.key_added"

// noticeTryKey is what the second step says after the first passkey was added.
const noticeTryKey = "notice.key_try"

// renameKey gives a passkey another name.
func (h *handler) renameKey(w http.ResponseWriter, r *http.Request, user *visitor) {
	h.renamed(w, r, user, h.Passkeys.Rename(r.Context(), user.Subject, r.PostFormValue("id"), r.PostFormValue("name")))
}

// removeKey takes a passkey away; when nothing else is left MFA is off.
func (h *handler) removeKey(w http.ResponseWriter, r *http.Request, user *visitor) {
	if h.fresh(w, r, user) {
		h.removed(w, r, user, "notice.key_removed", func() error {
			return h.Passkeys.Remove(r.Context(), user.Subject, r.PostFormValue("id"))
		})
	}
}

// backToAddKey receives the browser when Fresh has interrupted a request for options.
func (h *handler) backToAddKey(w http.ResponseWriter, r *http.Request, _ *visitor) {
	h.goTo(w, r, link(pathAddKey, journey(r)))
}
