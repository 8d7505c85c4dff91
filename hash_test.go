package idp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
)

// TestSec_PW07_NoSettingWeakensTheHash: what tests spare, an installation has.
func TestSec_PW07_NoSettingWeakensTheHash(t *testing.T) {
	for _, key := range []string{"hash_memory", "hashmemory", "HashMemory"} {
		getenv := func(string) string { return "" }
		path := filepath.Join(t.TempDir(), "idp.yaml")
		if err := os.WriteFile(path, []byte(key+": 64\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(path, getenv, nil); err == nil || !strings.Contains(err.Error(), "there is no key") {
			t.Errorf("%s: %v", key, err)
		}
	}
	cfg, err := LoadConfig("", func(name string) string {
		if strings.Contains(name, "HASH") {
			return "64"
		}
		return ""
	}, nil)
	if err != nil || cfg.HashMemory != 0 {
		t.Fatalf("HashMemory = %d, %v", cfg.HashMemory, err)
	}
	p, _ := start(t, func(c *Config) { c.HashMemory = cfg.HashMemory })
	a, err := p.Accounts.Create(t.Context(), account.NewAccount{Username: "alice", Password: "a long walk along the canal"})
	if err != nil {
		t.Fatal(err)
	}
	var hash string
	const stored = "SELECT password FROM accounts WHERE subject = $1"
	if err := p.db.Get(t.Context(), &hash, stored, a.Subject); err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %v", hash, err)
	}
}
