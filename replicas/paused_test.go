package replicas

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"

	"github.com/focushq/idp/idptest"
)

// A replica stands still in the middle of requests, as a virtual machine does that is moved; meanwhile the other one spends
// what they wanted, or ends whose they were. When it wakes, none of them succeeds.
func TestFault_R15_ReplicaThatWakes(t *testing.T) {
	t.Parallel()
	f := start(t, plan{settings: generous})
	asleep, awake := f.each[0], f.each[1]
	for trial := range times(2, 30) {
		p := f.enrolled(fmt.Sprint("sleeper", trial))
		b, factor := f.tab(p.Subject), p.phone.Code(0)
		code := f.tab(f.AddUser(fmt.Sprint("code", trial)).Subject).codeIn(awake.origin, f.app)
		q := f.AddUser(fmt.Sprint("disabled", trial))
		tokens, err := f.redeem(awake.origin, f.app, f.tab(q.Subject).codeIn(awake.origin, f.app))
		if err != nil || tokens.status != http.StatusOK {
			t.Fatal(tokens.status, err)
		}
		gone := f.tab(q.Subject)
		u, _ := url.Parse(link(f.app))
		tries := []func(origin string) (won bool, err error){
			func(origin string) (bool, error) {
				a, err := f.redeem(origin, f.app, code)
				return a.status == http.StatusOK, err
			},
			func(origin string) (bool, error) {
				a, err := b.post(origin, "/mfa?to=%2Faccount", url.Values{"code": {factor}})
				return a.location == "/account", err
			},
			func(origin string) (bool, error) {
				a, err := f.call(origin, "/oauth2/token", f.app, "grant_type", "refresh_token", "refresh_token", tokens.json("refresh_token"))
				return a.status == http.StatusOK, err
			},
			func(origin string) (bool, error) {
				a, err := gone.get(origin, u.RequestURI())
				return a.status == http.StatusSeeOther && a.location != "" && a.location[0] != '/', err
			},
		}
		// Every other time the requests have a head start: it stops somewhere in the middle of them.
		started := trial%2 == 1
		if !started {
			f.pause(asleep)
		}
		var sent sync.WaitGroup
		woken, won := make([]bool, len(tries)), make([]bool, len(tries))
		for i, try := range tries {
			sent.Go(func() { // the kernel takes it, the process does not yet
				var err error
				if woken[i], err = try(asleep.origin); err != nil {
					t.Errorf("the one that slept: %v", err)
				}
			})
		}
		if started {
			f.pause(asleep)
		}
		for i, try := range tries[:2] {
			if won[i], err = try(awake.origin); err != nil {
				t.Errorf("the one that is awake: %v", err)
			}
		}
		if err := f.Actions().Disable(t.Context(), q.Subject); err != nil {
			t.Fatal(err)
		}
		_ = asleep.cmd.Process.Signal(syscall.SIGCONT)
		sent.Wait()
		for i := range tries {
			switch once := i < 2; {
			case once && woken[i] == won[i]:
				t.Errorf("%d: won at the one that slept %v, at the other one %v", i, woken[i], won[i])
			case !started && woken[i]:
				t.Errorf("%d: what was spent or ended meanwhile succeeds at a replica that wakes", i)
			}
		}
		if page := idptest.NewBrowser(t, f.front.URL).Get("/login"); page.Status != http.StatusOK {
			t.Errorf("afterwards: %d", page.Status)
		}
	}
}

// pause stops a process where it stands, and returns when it does.
func (f *fleet) pause(r *replica) {
	f.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		f.t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(r.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		f.t.Fatalf("not stopped: %v, %v", status, err)
	}
}
