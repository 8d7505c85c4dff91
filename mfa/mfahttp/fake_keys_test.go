package mfahttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/mfa"
)

// fakeKeys is passkeys without cryptography. The browser's answer is one word: "made" for a new passkey ("bad" and
// "taken" are refused), the id of a passkey that is shown, that id after "copy of ", or anything else that is none.
type fakeKeys struct {
	mfa   *mfa.Service
	now   func() time.Time
	have  map[string][]mfa.Credential
	begun map[string]fakeCeremony
	names int
	err   error  // of every method of mfahttp.Passkeys
	then  func() // runs once, right after somebody has asked whether a person has passkeys
}

type fakeCeremony struct{ purpose, subject, session string }

func (f *fakeKeys) Name() string { return "passkey" }

func (f *fakeKeys) Enrolled(_ context.Context, subject string) (bool, error) {
	enrolled := len(f.have[subject]) > 0
	if then := f.then; then != nil {
		f.then = nil
		then()
	}
	return enrolled, nil
}

func (f *fakeKeys) Reset(_ context.Context, subject string) error {
	delete(f.have, subject)
	return nil
}

func (f *fakeKeys) id(kind string) string {
	f.names++
	return fmt.Sprintf("%s-%d", kind, f.names)
}

func (f *fakeKeys) begin(c fakeCeremony) (json.RawMessage, string, error) {
	id := f.id("ceremony")
	f.begun[id] = c
	return json.RawMessage(`{"challenge":"` + c.purpose + `"}`), id, f.err
}

func (f *fakeKeys) take(id string, c fakeCeremony) error {
	if f.begun[id] != c {
		return mfa.ErrCeremony
	}
	delete(f.begun, id)
	return nil
}

func (f *fakeKeys) BeginAdd(_ context.Context, owner mfa.Owner, _ string) (json.RawMessage, string, error) {
	if len(f.have[owner.Subject]) >= mfa.MaxCredentials {
		return nil, "", mfa.ErrTooMany
	}
	return f.begin(fakeCeremony{"create", owner.Subject, owner.Session})
}

func (f *fakeKeys) FinishAdd(ctx context.Context, owner mfa.Owner, ceremony, name string, response []byte) (mfa.Credential, error) {
	switch said := string(response); {
	case f.err != nil:
		return mfa.Credential{}, f.err
	case len(name) > 64:
		return mfa.Credential{}, mfa.ErrName
	case said != "made" && said != "bad" && said != "taken":
		return mfa.Credential{}, mfa.ErrMalformedResponse
	}
	if err := f.take(ceremony, fakeCeremony{"create", owner.Subject, owner.Session}); err != nil {
		return mfa.Credential{}, err
	}
	switch string(response) {
	case "bad":
		return mfa.Credential{}, mfa.ErrRefused
	case "taken":
		return mfa.Credential{}, mfa.ErrTaken
	}
	made := mfa.Credential{ID: f.id("key"), Name: name, AddedAt: f.now()}
	err := f.mfa.Add(ctx, f.Name(), owner.Subject, name, func(ctx context.Context) error {
		enrolled, err := f.mfa.Enrolled(ctx, owner.Subject)
		if made.First = !enrolled; err != nil {
			return err
		}
		if len(f.have[owner.Subject]) >= mfa.MaxCredentials {
			return mfa.ErrTooMany
		}
		f.have[owner.Subject] = append(f.have[owner.Subject], made)
		return nil
	})
	return made, err
}

func (f *fakeKeys) BeginVerify(_ context.Context, subject string) (json.RawMessage, string, error) {
	return f.begin(fakeCeremony{"get", subject, ""})
}

func (f *fakeKeys) FinishVerify(ctx context.Context, subject, ceremony string, response []byte) ([]mfa.Method, error) {
	id, copied := strings.CutPrefix(string(response), "copy of ")
	switch {
	case f.err != nil:
		return nil, f.err
	case !strings.HasPrefix(id, "key-"):
		return nil, mfa.ErrMalformedResponse
	}
	if err := f.take(ceremony, fakeCeremony{"get", subject, ""}); err != nil {
		return nil, err
	}
	err := f.mfa.Try(ctx, f.Name(), subject, func(context.Context) (string, bool, error) {
		at := f.find(subject, id)
		if copied || at < 0 {
			return "", false, nil
		}
		f.have[subject][at].LastUsedAt = f.now()
		return "", true, nil
	})
	if copied && errors.Is(err, mfa.ErrInvalidCode) {
		err = fmt.Errorf("%w: %w", mfa.ErrCloned, err)
	}
	return []mfa.Method{mfa.Passkey}, err
}

func (f *fakeKeys) find(subject, id string) int {
	return slices.IndexFunc(f.have[subject], func(c mfa.Credential) bool { return c.ID == id })
}

func (f *fakeKeys) Passkeys(_ context.Context, subject string) ([]mfa.Credential, error) {
	return f.have[subject], f.err
}

func (f *fakeKeys) Rename(_ context.Context, subject, id, name string) error {
	at := f.find(subject, id)
	switch {
	case name == "":
		return mfa.ErrName
	case at < 0:
		return mfa.ErrNotFound
	}
	f.have[subject][at].Name = name
	return nil
}

func (f *fakeKeys) Remove(ctx context.Context, subject, id string) error {
	return f.mfa.Drop(ctx, f.Name(), subject, "", func(context.Context) error {
		at := f.find(subject, id)
		if at < 0 {
			return mfa.ErrNotFound
		}
		f.have[subject] = slices.Delete(f.have[subject], at, at+1)
		return nil
	})
}

func (f *fakeKeys) Abandon(ctx context.Context, subject string) error {
	used := func(c mfa.Credential) bool { return !c.First || !c.LastUsedAt.IsZero() }
	switch keys := f.have[subject]; {
	case f.err != nil:
		return f.err
	case len(keys) == 0:
		return mfa.ErrNotFound
	case slices.ContainsFunc(keys, used):
		return mfa.ErrInUse
	}
	return f.mfa.Drop(ctx, f.Name(), subject, "", func(context.Context) error {
		delete(f.have, subject)
		return nil
	})
}
