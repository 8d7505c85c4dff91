package mfahttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/mfa"
)

// deviceCookie names the cookie of subject's remembered device: one per person, so that several can share a browser.
func deviceCookie(subject string) string { return "device_" + short(subject) }

// short is a name for text that does not show it.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Remembered reports whether this browser is one that subject has had remembered, and renews its cookie. A cookie that
// is damaged, foreign, revoked or too old is removed and counts for nothing. A host calls it after the password, and
// puts no method into the session's amr for it: a remembered device is none.
func Remembered(c Config, w http.ResponseWriter, r *http.Request, subject string) (bool, error) {
	name := deviceCookie(subject)
	token := c.Cookies.jar().Get(r, name)
	if token == "" || c.MFA.RememberFor() == 0 {
		return false, nil
	}
	next, ok, err := c.MFA.DeviceRemembered(r.Context(), subject, token)
	switch {
	case err != nil:
		return false, err
	case !ok:
		c.Cookies.jar().Clear(w, name)
		return false, nil
	case next == "": // a parallel tab has been given the new one
		return true, nil
	}
	device, err := this(r.Context(), c.MFA, subject, next)
	if err != nil || device == nil {
		return false, err
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	c.Cookies.jar().Set(w, name, next, device.ExpiresAt.Sub(now())) // use prolongs nothing, the cookie neither
	return true, nil
}

// Presented reports whether this browser comes with a remembered device's cookie of subject's, good or not: [Remembered]
// says which.
func Presented(c Config, r *http.Request, subject string) bool {
	return c.Cookies.jar().Get(r, deviceCookie(subject)) != ""
}

// this returns the device that token belongs to, nil when there is none.
func this(ctx context.Context, service *mfa.Service, subject, token string) (*mfa.Device, error) {
	devices, err := service.Devices(ctx, subject, token)
	if err != nil {
		return nil, err
	}
	for i := range devices {
		if devices[i].This {
			return &devices[i], nil
		}
	}
	return nil, nil
}

// rememberDevice honours the box of the challenge. Where remembering is off it does nothing. A browser that is ticked
// again stays one line in the list.
func (h *handler) rememberDevice(w http.ResponseWriter, r *http.Request, subject string) error {
	before, err := this(r.Context(), h.MFA, subject, h.thisDevice(r, subject))
	if err != nil {
		return err
	}
	if before != nil {
		err := h.MFA.ForgetDevice(r.Context(), subject, before.ID)
		if err != nil && !errors.Is(err, mfa.ErrNotFound) {
			return err
		}
	}
	token, expires, err := h.MFA.RememberDevice(r.Context(), subject, label(r))
	if err != nil || token == "" {
		return err
	}
	h.Cookies.jar().Set(w, deviceCookie(subject), token, expires.Sub(h.Now()))
	return nil
}

// thisDevice returns the token of this browser's device, "" when it has none.
func (h *handler) thisDevice(r *http.Request, subject string) string {
	return h.Cookies.jar().Get(r, deviceCookie(subject))
}

// label names a browser in its owner's list. What the browser says about itself proves nothing and may be anything.
func label(r *http.Request) mfa.Label {
	agent := useragent.Parse(r.UserAgent())
	return mfa.Label{Browser: cut(agent.Name), System: cut(agent.OS)}
}

func cut(name string) string {
	const enough = 40
	for i := range name {
		if i >= enough {
			return name[:i]
		}
	}
	return name
}
