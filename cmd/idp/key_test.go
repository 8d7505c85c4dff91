package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/mfa/mfatest"
)

// TestSec_DR03_RotationSurvivesKilling: the rotation of the encryption key is killed at ten moments while the provider
// serves. Whatever it had done, the provider goes on, and the next one ends what was begun.
func TestSec_DR03_RotationSurvivesKilling(t *testing.T) {
	i := serve(t)
	link := strings.Fields(i.screen.String()[strings.Index(i.screen.String(), i.url+"/setup"):])[0]
	page := idptest.NewBrowser(t, i.url).Get(link).
		Submit("setup-submit", "username", "root", "email", "root@example.com", "password", "plum lantern river 42").Submit("enrol-start")
	phone := mfatest.Phone{Key: strings.ReplaceAll(page.Text("#totp-key"), " ", ""), Clock: time.Now}
	page = page.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	codes := page.All("#recovery-codes li")
	page.Submit("enrol-confirm", "saved", "1")

	for n := range 10 {
		cmd := exec.Command(os.Args[0])
		cmd.Args = []string{"idp", "key", "rotate", "--encryption"}
		for name, value := range i.env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// From before its first to after its last step: where it dies is for the machine to choose, what must hold is not.
		time.Sleep(time.Duration(30*(n+1)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if response, err := http.Get(i.url + "/oauth2/jwks"); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("after kill %d: %v", n, err)
		}
		signIn := idptest.NewBrowser(t, i.url).Get("/account").Submit("login-submit", "username", "root", "password", "plum lantern river 42")
		signIn = signIn.Follow("#use-recovery-code").Submit("recovery-submit", "recovery_code", codes[n])
		if strings.HasPrefix(signIn.URL.Path, "/mfa") || signIn.Status != http.StatusOK {
			t.Fatalf("after kill %d: %d at %s", n, signIn.Status, signIn.URL)
		}
	}
	out := i.idp("", "key", "rotate", "--encryption")
	if !strings.Contains(out, "sealed anew: 5 secrets") { // three signing keys, an authenticator, the codes
		t.Error(out)
	}
	folder := filepath.Dir(strings.TrimPrefix(i.env["IDP_DATABASE_URL"], "sqlite:"))
	if keys, err := seal.Load(filepath.Join(folder, "keyset.json")); err != nil || keys.Count() < 2 {
		t.Error(err)
	}
}
