package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// keep gives somebody of i a passkey.
func (i *installation) keep(username, name string) {
	i.t.Helper()
	ctx := context.Background()
	cfg, err := idp.LoadConfig("", i.getenv, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	p, err := idp.New(ctx, cfg)
	if err != nil {
		i.t.Fatal(err)
	}
	defer p.Close()
	who, err := p.Accounts.ByUsername(ctx, username)
	if err != nil {
		i.t.Fatal(err)
	}
	owner := mfa.Owner{Subject: who.Subject, Session: "s1"}
	options, ceremony, err := p.Passkeys.BeginAdd(ctx, owner, username)
	if err == nil {
		_, err = p.Passkeys.FinishAdd(ctx, owner, ceremony, name, passkeytest.New(i.t, cfg.PublicURL).Create(options))
	}
	if err != nil {
		i.t.Fatal(err)
	}
}

// Help desks see what somebody has, also while passkeys are off, and reset it.
func TestUserShowsPasskeys(t *testing.T) {
	i := &installation{t: t, env: map[string]string{"IDP_DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "idp.db")}}
	i.idp("plum lantern river 42\n", "user", "add", "alice")
	show := func() (v struct {
		Enrolled bool `json:"mfa_enrolled"`
		MFA      mfaView
	}) {
		t.Helper()
		if err := json.Unmarshal([]byte(i.idp("", "user", "show", "alice", "--output", "json")), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := show(); v.Enrolled || v.MFA.Passkeys == nil || len(v.MFA.Passkeys) != 0 {
		t.Errorf("nothing: %+v", v)
	}
	i.keep("alice", "Laptop")
	i.keep("alice", "Blue key")
	if v := show(); !v.Enrolled || !slices.Contains(v.MFA.Passkeys, "Laptop") || !slices.Contains(v.MFA.Passkeys, "Blue key") || v.MFA.PasskeysUnused {
		t.Errorf("two: %+v", v)
	}
	if text := i.idp("", "user", "show", "alice"); !strings.Contains(text, "Laptop") || !strings.Contains(text, "Blue key") {
		t.Error(text)
	}
	i.env["IDP_MFA_PASSKEYS"] = "off"
	if v := show(); !v.Enrolled || !v.MFA.PasskeysUnused {
		t.Errorf("off: %+v", v)
	}
	if text := i.idp("", "user", "show", "alice"); !strings.Contains(text, "passkeys are off") {
		t.Error(text)
	}
	i.idp("", "user", "reset-mfa", "alice", "--reason", "lost")
	delete(i.env, "IDP_MFA_PASSKEYS")
	if v := show(); v.Enrolled || len(v.MFA.Passkeys) != 0 {
		t.Errorf("reset: %+v", v)
	}
}
