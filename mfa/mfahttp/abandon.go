package mfahttp

import (
	"errors"
	"net/http"

	"github.com/focushq/idp/mfa"
)

// firstKey returns the first passkey of somebody who has nothing else yet, no codes either; nil for everybody else.
func (h *handler) firstKey(r *http.Request, user *visitor, status mfa.Status) (*mfa.Credential, error) {
	alone := len(status.Authenticators) == 0 && len(status.Factors) == 1 && status.CodesMadeAt.IsZero()
	if !alone || h.passkeyStatus(status) == nil {
		return nil, nil
	}
	keys, err := h.Passkeys.Passkeys(r.Context(), user.Subject)
	if err != nil || len(keys) != 1 || !keys[0].First {
		return nil, err
	}
	return &keys[0], nil
}

// mayAbandon reports whether the page of the passkey offers to remove it: the first one, which has never worked, beside
// which nothing stands yet. Else who cannot use it would be locked out by having tried. [Passkeys].Abandon decides.
func (h *handler) mayAbandon(r *http.Request, user *visitor, status mfa.Status) (bool, error) {
	first, err := h.firstKey(r, user, status)
	return first != nil && first.LastUsedAt.IsZero(), err
}

// abandonKey removes it, for a password that was given just now: an old session says little of who sits there. What
// waited for a factor may ask for one again, and then for an enrolment; nothing else follows.
func (h *handler) abandonKey(w http.ResponseWriter, r *http.Request, user *visitor) {
	if !h.Fresh(w, r, user.User, ProofPassword) {
		return
	}
	err := h.Passkeys.Abandon(r.Context(), user.Subject)
	switch {
	case err == nil:
		h.notice(w, user.Subject, "notice.key_abandoned")
		h.goTo(w, r, h.onward(r, user))
	case errors.Is(err, mfa.ErrNotFound): // a second click
		h.goTo(w, r, h.onward(r, user))
	case errors.Is(err, mfa.ErrInUse):
		status, err := h.MFA.Status(r.Context(), user.Subject)
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		h.showKey(w, r, http.StatusUnprocessableEntity, user, status, &KeyPage{Asking: Asking{Problem: &Problem{ID: "problem.key.in_use"}}})
	default:
		h.Fail(w, r, err)
	}
}
