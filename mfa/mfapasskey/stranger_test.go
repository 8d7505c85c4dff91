package mfapasskey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// Whoever knows a passkey's identifiers and has neither the device nor the password costs its owner nothing.
func TestAStrangerDelaysAndSealsNobody(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		_, err := w.verify("alice", d)
		w.must(err)
		w.forget()
		forged := passkeytest.New(t, origin)
		forged.ID, forged.Handle = d.ID, d.Handle
		for range 70 {
			_, _, err := w.signIn(forged)
			w.is(err, mfa.ErrInvalidCode)
			if _, counted := mfa.TriesLeft(err); counted {
				t.Fatalf("counted: %v", err)
			}
		}
		w.happened()
		_, err = w.verify("alice", d)
		w.must(err)
		_, _, err = w.signIn(d)
		w.must(err)

		// Those whom the owner has to wait for are those after the password. A stranger does not hear of them either.
		for range 5 {
			_, err = w.verify("alice", forged)
			w.is(err, mfa.ErrInvalidCode)
		}
		var wait *mfa.ThrottledError
		if _, _, err = w.signIn(forged); !errors.Is(err, mfa.ErrInvalidCode) || errors.As(err, &wait) {
			t.Errorf("a stranger is told of the wait: %v", err)
		}
		if _, _, err = w.signIn(d); !errors.As(err, &wait) || wait.Sealed {
			t.Errorf("the owner in the pause: %v", err)
		}
		for range 55 {
			w.pass(time.Hour)
			_, err = w.verify("alice", forged)
			w.is(err, mfa.ErrInvalidCode)
		}
		if _, _, err = w.signIn(forged); !errors.Is(err, mfa.ErrInvalidCode) || errors.As(err, &wait) {
			t.Errorf("a stranger is told of the seal: %v", err)
		}
		if _, _, err = w.signIn(d); !errors.As(err, &wait) || !wait.Sealed {
			t.Errorf("the owner after sixty: %v", err)
		}
	})
}

// The host refuses a person before their passkey is accepted, and is asked about right signatures only.
func TestTheHostAdmits(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		w.forget()
		refused, asked := errors.New("not here"), ""
		finish := func(d *passkeytest.Device, answer error) (string, error) {
			t.Helper()
			shown, ceremony, err := w.BeginSignIn(t.Context())
			w.must(err)
			asked = ""
			subject, _, err := w.FinishSignIn(t.Context(), ceremony, d.Get(shown), func(_ context.Context, subject string) error {
				asked = subject
				return answer
			})
			return subject, err
		}
		if subject, err := finish(d, refused); subject != "" || !errors.Is(err, refused) || asked != "alice" {
			t.Errorf("%q, %v, asked about %q", subject, err, asked)
		}
		w.happened()
		known, err := w.Passkeys(t.Context(), "alice")
		w.must(err)
		if !known[0].LastUsedAt.IsZero() {
			t.Error("a refused one counts as used")
		}
		forged := passkeytest.New(t, origin)
		forged.ID, forged.Handle = d.ID, d.Handle
		if _, err := finish(forged, nil); !errors.Is(err, mfa.ErrInvalidCode) || asked != "" {
			t.Errorf("%v, asked about %q", err, asked)
		}
		if subject, err := finish(d, nil); subject != "alice" || err != nil {
			t.Errorf("%q, %v", subject, err)
		}
		w.happened("passkey_accepted")
	})
}

// The right passkey stays right when another one is removed, or added, while the browser asks for it.
func TestPasskeysThatChangeMeanwhile(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		gone, other := w.add("alice")
		shown, ceremony, err := w.BeginVerify(t.Context(), "alice")
		w.must(err)
		w.must(w.Remove(t.Context(), "alice", other.ID))
		_, err = w.FinishVerify(t.Context(), "alice", ceremony, d.Get(shown))
		w.must(err)
		shown, ceremony, err = w.BeginVerify(t.Context(), "alice")
		w.must(err)
		w.add("alice")
		_, err = w.FinishVerify(t.Context(), "alice", ceremony, d.Get(shown))
		w.must(err)
		_, err = w.verify("alice", gone)
		w.is(err, mfa.ErrInvalidCode)
	})
}

// Whoever is signed in keeps ten ceremonies, the newest; nobody else loses one by that.
func TestCeremoniesDoNotPileUp(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		d, _ := w.add("alice")
		bobs, _ := w.add("bob")
		theirs, bobsCeremony, err := w.BeginVerify(t.Context(), "bob")
		w.must(err)
		nobody, strangers, err := w.BeginSignIn(t.Context())
		w.must(err)
		type begun struct {
			shown    []byte
			ceremony string
		}
		var all []begun
		for range 14 {
			w.pass(time.Second)
			shown, ceremony, err := w.BeginVerify(t.Context(), "alice")
			w.must(err)
			all = append(all, begun{shown, ceremony})
			_, _, err = w.BeginSignIn(t.Context())
			w.must(err)
		}
		for n, c := range all {
			_, err := w.FinishVerify(t.Context(), "alice", c.ceremony, d.Get(c.shown))
			if want := n >= 4; (err == nil) != want || !want && !errors.Is(err, mfa.ErrCeremony) {
				t.Errorf("ceremony %d of %d: %v", n+1, len(all), err)
			}
		}
		_, err = w.FinishVerify(t.Context(), "bob", bobsCeremony, bobs.Get(theirs))
		w.must(err)
		_, _, err = w.FinishSignIn(t.Context(), strangers, d.Get(nobody), nil)
		w.must(err)
	})
}

// Browsers write a name in lower case and leave the scheme's own port out, however it was configured.
func TestOriginsAsBrowsersWriteThem(t *testing.T) {
	for configured, written := range map[string]string{
		"https://ID.Example.com": "https://id.example.com", "HTTPS://id.example.com:443": "https://id.example.com",
		"https://Id.example.com:8443": "https://id.example.com:8443", "http://LOCALHOST:80": "http://localhost",
	} {
		w := newWorldAt(t, configured)
		d := passkeytest.New(t, written)
		shown, ceremony, err := w.BeginAdd(t.Context(), browser("alice"), "alice")
		w.must(err)
		if _, err = w.FinishAdd(t.Context(), browser("alice"), ceremony, "", d.Create(shown)); err != nil {
			t.Errorf("%s: %v", configured, err)
			continue
		}
		if _, _, err = w.signIn(d); err != nil {
			t.Errorf("%s: %v", configured, err)
		}
		raw, _, err := w.BeginSignIn(t.Context())
		w.must(err)
		if host := told(t, raw).RPID; host != "id.example.com" && host != "localhost" {
			t.Errorf("%s: the relying party is %q", configured, host)
		}
	}
}
