package mfa_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
)

var firefox = mfa.Label{Browser: "Firefox", System: "Linux"}

// remember ticks the box.
func (b *bench) remember(subject string) string {
	b.t.Helper()
	token, expires, err := b.RememberDevice(b.t.Context(), subject, firefox)
	b.must(err)
	if token == "" || !expires.Equal(b.clock().Add(b.RememberFor())) {
		b.t.Fatalf("%q until %v", token, expires)
	}
	b.kinds()
	return token
}

// present comes with a token and returns the one to come with next, or "" when it is not good any more.
func (b *bench) present(subject, token string) string {
	b.t.Helper()
	next, ok, err := b.DeviceRemembered(b.t.Context(), subject, token)
	b.must(err)
	if !ok {
		return ""
	}
	if next == "" {
		return token
	}
	return next
}

func TestSec_RD03_AnythingElseIsIgnored(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	token, other := b.remember("alice"), b.remember("alice")
	id, secret, _ := strings.Cut(token, ".")
	otherID, _, _ := strings.Cut(other, ".")
	if len(id) != 32 || len(secret) != 43 {
		t.Fatalf("token %s", token)
	}
	forged := []string{
		"", ".", id, id + ".", "." + secret, secret, token + "A", token + "=", " " + token, token[:len(token)-1],
		otherID + "." + secret, strings.ToUpper(token), id + "." + secret + "." + secret, strings.Repeat("a", 1<<20),
		id + "." + strings.Repeat("A", 43), "\x00" + token,
	}
	for i := range len(token) * 8 {
		flipped := []byte(token)
		flipped[i/8] ^= 1 << (i % 8)
		forged = append(forged, string(flipped))
	}
	for _, f := range forged {
		if next, ok, err := b.DeviceRemembered(t.Context(), "alice", f); next != "" || ok || err != nil {
			t.Fatalf("%.80q: %q, %v, %v", f, next, ok, err)
		}
	}
	b.happened()
	if b.present("alice", token) == "" {
		t.Fatal("the true token doesn't work any more")
	}
	devices, err := b.config.Store.Devices(t.Context(), "alice")
	b.must(err)
	for _, d := range devices {
		if len(d.Secret) != 32 || strings.Contains(token+other, string(d.Secret)) {
			t.Fatalf("kept as %x", d.Secret)
		}
	}
}

func TestSec_RD04_OnePerson(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	b.enroll("bob")
	alices, bobs := b.remember("alice"), b.remember("bob")
	if b.present("bob", alices) != "" || b.present("alice", bobs) != "" {
		t.Fatal("a token works for somebody else")
	}
	alices, bobs = b.present("alice", alices), b.present("bob", bobs)
	id, _, _ := strings.Cut(alices, ".")
	b.is(b.ForgetDevice(t.Context(), "bob", id), mfa.ErrNotFound)
	b.must(b.ForgetDevice(t.Context(), "alice", id))
	b.is(b.ForgetDevice(t.Context(), "alice", id), mfa.ErrNotFound)
	if b.present("alice", alices) != "" || b.present("bob", bobs) == "" {
		t.Fatal("the wrong device was forgotten")
	}
}

func TestSec_RD05_FixedEnd(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	token := b.remember("alice")
	for day := 1; day < 30; day++ {
		b.pass(24 * time.Hour)
		if token = b.present("alice", token); token == "" {
			t.Fatalf("asked on day %d", day)
		}
	}
	b.pass(24 * time.Hour)
	if b.present("alice", token) != "" {
		t.Fatal("daily use prolongs")
	}

	token = b.remember("alice")
	b.pass(8 * 24 * time.Hour)
	for _, setting := range []struct {
		days int
		good bool
	}{{7, false}, {0, false}, {9, true}, {30, true}} {
		b.config.RememberFor = time.Duration(setting.days) * 24 * time.Hour
		b.restart()
		next := b.present("alice", token)
		if (next != "") != setting.good {
			t.Errorf("remembered for %d days, after 8: %v", setting.days, next != "")
		}
		if next != "" {
			token = next
		}
	}
	b.config.RememberFor = 7 * 24 * time.Hour
	b.restart()
	short := b.remember("alice")
	b.config.RememberFor = 30 * 24 * time.Hour
	b.restart()
	b.pass(7 * 24 * time.Hour)
	if b.present("alice", short) != "" {
		t.Error("raising the setting prolongs an old promise")
	}
	b.config.RememberFor = 0
	b.restart()
	if token, _, err := b.RememberDevice(t.Context(), "alice", firefox); token != "" || err != nil {
		t.Errorf("remembering is off: %q, %v", token, err)
	}
}

func TestSec_RD06_WhatEndsDevices(t *testing.T) {
	for name, change := range map[string]func(b *bench, codes []string) error{
		"password": func(b *bench, _ []string) error { return b.ForgetDevices(b.t.Context(), "alice", "password_changed") },
		"reset":    func(b *bench, _ []string) error { return b.Reset(b.t.Context(), "alice", "lost phone") },
		"disabled": func(b *bench, _ []string) error { return b.Disable(b.t.Context(), "alice") },
		"recovery code": func(b *bench, codes []string) error {
			_, err := b.VerifyRecoveryCode(b.t.Context(), "alice", codes[0])
			return err
		},
		"added": func(b *bench, _ []string) error {
			b.add("alice")
			return nil
		},
		"removed": func(b *bench, _ []string) error {
			status, err := b.Status(b.t.Context(), "alice")
			b.must(err)
			return b.Remove(b.t.Context(), "alice", status.Authenticators[0].ID)
		},
	} {
		b := newBench(t)
		_, codes := b.enroll("alice")
		b.enroll("bob")
		b.add("alice")
		one, two, bobs := b.remember("alice"), b.remember("alice"), b.remember("bob")
		b.must(change(b, codes))
		b.restart()
		if b.present("alice", one) != "" || b.present("alice", two) != "" {
			t.Errorf("%s: still remembered", name)
		}
		if b.present("bob", bobs) == "" {
			t.Errorf("%s: another person's device is gone", name)
		}
	}
}

func TestSec_RD07_SecretsRotate(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	first := b.remember("alice")
	second := b.present("alice", first)
	if second == first {
		t.Fatal("use doesn't change the secret")
	}
	// The answer was lost: the earlier secret stays good however long that takes.
	if b.present("alice", first) != first {
		t.Fatal("a parallel tab is asked")
	}
	b.pass(48 * time.Hour)
	retried := b.present("alice", first)
	if retried == "" || retried == first || retried == second {
		t.Fatalf("after a lost answer: %q", retried)
	}
	// The new one was seen: a minute more, then it is a copy.
	third := b.present("alice", retried)
	b.pass(60 * time.Second)
	if b.present("alice", first) == "" || b.present("alice", third) == "" {
		t.Fatal("within the overlap both are good")
	}
	b.pass(time.Second)
	b.kinds()
	if b.present("alice", first) != "" {
		t.Fatal("an old secret is good after the overlap")
	}
	b.happened(mfa.DeviceForgotten)
	if b.present("alice", third) != "" {
		t.Fatal("the device survives its copy")
	}
}

func TestSec_RD07_AnyOldSecretIsACopy(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	tokens := []string{b.remember("alice")}
	for range 20 {
		b.pass(time.Hour)
		tokens = append(tokens, b.present("alice", tokens[len(tokens)-1]))
	}
	if slices.Contains(tokens, "") {
		t.Fatal(tokens)
	}
	b.pass(time.Hour)
	b.kinds()
	if b.present("alice", tokens[3]) != "" || b.present("alice", tokens[20]) != "" {
		t.Fatal("a copied cookie doesn't end the device")
	}
	b.happened(mfa.DeviceForgotten)
}

func TestSec_RD07_ParallelTabs(t *testing.T) {
	b := newBench(t)
	b.enroll("alice")
	token := b.remember("alice")
	for range 50 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var fresh []string
		for range 16 {
			wg.Go(func() {
				next, ok, err := b.DeviceRemembered(context.Background(), "alice", token)
				mu.Lock()
				defer mu.Unlock()
				if !ok || err != nil {
					t.Errorf("a tab is asked: %v", err)
				}
				if next != "" {
					fresh = append(fresh, next)
				}
			})
		}
		wg.Wait()
		if len(fresh) != 1 {
			t.Fatalf("%d new secrets", len(fresh))
		}
		token = fresh[0]
		b.pass(time.Hour)
	}
}

func TestDevices(t *testing.T) {
	b := newBench(t)
	_, _, err := b.RememberDevice(t.Context(), "alice", firefox)
	b.is(err, mfa.ErrNotEnrolled)
	b.enroll("alice")
	older := b.remember("alice")
	ticked := b.clock()
	b.pass(time.Hour)
	newer := b.present("alice", b.remember("alice"))
	b.pass(time.Hour)
	older = b.present("alice", older)
	all, err := b.Devices(t.Context(), "alice", older)
	b.must(err)
	if len(all) != 2 || all[0].This || !all[1].This || !strings.HasPrefix(older, all[1].ID) || !strings.HasPrefix(newer, all[0].ID) {
		t.Fatalf("%+v", all)
	}
	if d := all[1]; d.Browser != "Firefox" || d.System != "Linux" || !d.FirstUsedAt.Equal(ticked) ||
		!d.LastUsedAt.Equal(b.clock()) || !d.ExpiresAt.Equal(ticked.Add(720*time.Hour)) {
		t.Fatalf("%+v", d)
	}
	b.pass(718*time.Hour + 30*time.Minute)
	all, err = b.Devices(t.Context(), "alice", "")
	b.must(err)
	status, err := b.Status(t.Context(), "alice")
	if err != nil || len(all) != 1 || all[0].This || status.Devices != 1 {
		t.Fatalf("the older one has ended: %+v, %+v, %v", all, status, err)
	}
	b.must(b.Prune(t.Context()))
	kept, err := b.config.Store.Devices(t.Context(), "alice")
	if err != nil || len(kept) != 1 {
		t.Fatalf("%d are kept, %v", len(kept), err)
	}
}
