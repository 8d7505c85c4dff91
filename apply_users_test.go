package idp

import (
	"path/filepath"
	"testing"

	"github.com/focushq/idp/account"
)

func TestARehearsalHashesNothing(t *testing.T) {
	cfg := Defaults()
	cfg.PublicURL, cfg.DatabaseURL = "http://localhost:1", "sqlite:"+filepath.Join(t.TempDir(), "idp.db")
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, dryRun := range []bool{true, false} {
		a := &applying{
			IdP: p, d: &Desired{Users: []DesiredUser{{Username: "zoe", Password: "${env:PW}"}, {Username: "bob"}}}, dryRun: dryRun,
			passwords: map[string]account.Hashed{},
		}
		if err := a.hashPasswords(t.Context(), func(string) string { return "plum lantern river 42" }); err != nil {
			t.Fatal(err)
		}
		hashed, ok := a.passwords["zoe"]
		if !ok || (hashed == account.Hashed{}) != dryRun || len(a.passwords) != 1 {
			t.Errorf("dry run %v: %v", dryRun, a.passwords)
		}
	}
}
