package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// stored reads a client.
func (w *world) stored(id string) *oauth.Client {
	w.Helper()
	client, err := w.server.Clients().Get(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return client
}

// at once calls fn n times at the same moment and returns the errors.
func atOnce(n int, fn func(i int) error) []error {
	errs, begin := make([]error, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			errs[i] = fn(i)
		})
	}
	close(begin)
	wg.Wait()
	return errs
}

// oneOf wants that one succeeded and all others were refused by that error.
func (w *world) oneOf(errs []error, refusal error) {
	w.Helper()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else if !errors.Is(err, refusal) {
			w.Errorf("%v, want %v", err, refusal)
		}
	}
	if done != 1 {
		w.Errorf("%d of %d succeeded", done, len(errs))
	}
}

func TestTheSecondOfTwoEditsIsTold(t *testing.T) {
	both(t, func(w *world) {
		ctx, clients := w.Context(), w.server.Clients()
		first, second := w.stored("web"), w.stored("web")
		first.Name, second.Disabled = "First", true
		if err := clients.Update(ctx, first); err != nil {
			w.Fatal(err)
		}
		if err := clients.Update(ctx, second); !errors.Is(err, oauth.ErrStale) {
			w.Errorf("the second: %v", err)
		}
		w.host.set(func(h *host) {
			if got := h.events[len(h.events)-1]; got.Kind != oauth.EventClientUpdated || got.Detail["fields"] != "name" {
				w.Errorf("recorded: %+v", got)
			}
		})
		if is := w.stored("web"); is.Name != "First" || is.Disabled || is.Version != 2 || first.Version != 2 {
			w.Errorf("%+v", is)
		}
		first.Name = "Again" // with the version of the last one
		if err := clients.Update(ctx, first); err != nil {
			w.Error(err)
		}
		if err := clients.Update(ctx, &oauth.Client{ID: "web", Name: "Anyhow", RedirectURIs: []string{callback}}); err != nil {
			w.Errorf("without a version: %v", err)
		}
		if err := clients.Update(ctx, &oauth.Client{ID: "gone", Version: 1, RedirectURIs: []string{callback}}); !errors.Is(err, oauth.ErrNotFound) {
			w.Error(err)
		}
		// What is undone with its transaction leaves the caller's version as it was.
		kept, boom := w.stored("web"), errors.New("boom")
		version := kept.Version
		err := w.db.InTx(ctx, func(ctx context.Context) error {
			if err := clients.Update(ctx, kept); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) || kept.Version != version || w.stored("web").Version != version {
			w.Errorf("%v: version %d, was %d", err, kept.Version, version)
		}
	})
}

func TestFortyEditsOfOneState(t *testing.T) {
	both(t, func(w *world) {
		ctx, was := w.Context(), w.stored("web")
		before := w.host.count(oauth.EventClientUpdated)
		w.oneOf(atOnce(40, func(i int) error {
			edited := *was
			edited.Name = fmt.Sprint("Name ", i)
			return w.server.Clients().Update(ctx, &edited)
		}), oauth.ErrStale)
		if n := w.host.count(oauth.EventClientUpdated) - before; w.stored("web").Version != was.Version+1 || n != 1 {
			w.Errorf("version %d, %d events", w.stored("web").Version, n)
		}
	})
}

// A button that is pressed twice must not take the secret away that the app still uses.
func TestFortyRotationsOfOneState(t *testing.T) {
	both(t, func(w *world) {
		ctx, was, used := w.Context(), w.stored("web"), w.secrets["web"]
		secrets := make([]string, 40)
		w.oneOf(atOnce(40, func(i int) (err error) {
			secrets[i], err = w.server.Clients().Rotate(ctx, "web", oauth.Rotation{Version: was.Version, Overlap: time.Hour})
			return err
		}), oauth.ErrStale)
		is := w.stored("web")
		good := slices.DeleteFunc(secrets, func(s string) bool { return !w.server.Clients().SecretIs(is, s) })
		if len(good) != 1 || !w.server.Clients().SecretIs(is, used) {
			w.Errorf("%d new ones are good, the one in use %v", len(good), w.server.Clients().SecretIs(is, used))
		}
		// The same, by those who did not look at a version but want to keep the former one.
		if err := w.server.Clients().EndFormerSecret(ctx, "web", 0); err != nil {
			w.Fatal(err)
		}
		w.oneOf(atOnce(40, func(int) error {
			_, err := w.server.Clients().Rotate(ctx, "web", oauth.Rotation{Overlap: time.Hour, KeepFormer: true})
			return err
		}), oauth.ErrTwoSecrets)
		if !w.server.Clients().SecretIs(w.stored("web"), good[0]) {
			w.Error("the one in use has ended")
		}
		// Forty who end it: one does.
		before := w.host.count(oauth.EventClientSecretEnded)
		w.oneOf(atOnce(40, func(int) error { return w.server.Clients().EndFormerSecret(ctx, "web", 0) }), oauth.ErrNoFormerSecret)
		if n := w.host.count(oauth.EventClientSecretEnded) - before; n != 1 {
			w.Errorf("%d events", n)
		}
		w.wantError(w.token(w.exchangeBy("web", w.code("web"), good[0])), 401, "invalid_client")
	})
}

func (w *world) exchangeBy(client, code, secret string) url.Values {
	w.secrets[client] = secret
	return w.exchange(client, code)
}

func TestTwoLiveSecrets(t *testing.T) {
	both(t, func(w *world) {
		ctx, clients, born := w.Context(), w.server.Clients(), w.clock.Now().Truncate(time.Second)
		live := func(want ...oauth.LiveSecret) {
			w.Helper()
			got := clients.Secrets(w.stored("web"))
			if !slices.EqualFunc(got, want, func(a, b oauth.LiveSecret) bool {
				return a.Former == b.Former && a.Since.Equal(b.Since) && a.Until.Equal(b.Until)
			}) {
				w.Errorf("%+v, want %+v", got, want)
			}
		}
		live(oauth.LiveSecret{Since: born})
		w.clock.Add(time.Hour)
		if _, err := clients.Rotate(ctx, "web", oauth.Rotation{Overlap: 2 * time.Hour, KeepFormer: true}); err != nil {
			w.Fatal(err)
		}
		now := born.Add(time.Hour)
		live(oauth.LiveSecret{Since: now}, oauth.LiveSecret{Former: true, Since: born, Until: now.Add(2 * time.Hour)})
		w.clock.Add(time.Hour)
		if err := clients.EndFormerSecret(ctx, "web", 1); !errors.Is(err, oauth.ErrStale) {
			w.Errorf("of another state: %v", err)
		}
		if err := clients.EndFormerSecret(ctx, "web", 2); err != nil {
			w.Fatal(err)
		}
		live(oauth.LiveSecret{Since: now})
		w.wantError(w.with("web", w.secrets["web"]), 401, "invalid_client")
		if err := clients.EndFormerSecret(ctx, "web", 0); !errors.Is(err, oauth.ErrNoFormerSecret) {
			w.Error(err)
		}
		if err := clients.EndFormerSecret(ctx, "gone", 0); !errors.Is(err, oauth.ErrNotFound) {
			w.Error(err)
		}
		// Without an overlap, whatever is good before is good no more, and needs no other word.
		if _, err := clients.Rotate(ctx, "web", oauth.Rotation{Overlap: time.Hour}); err != nil {
			w.Fatal(err)
		}
		if _, err := clients.Rotate(ctx, "web", oauth.Rotation{KeepFormer: true}); err != nil {
			w.Fatal(err)
		}
		if got := clients.Secrets(w.stored("web")); len(got) != 1 {
			w.Errorf("%+v", got)
		}
		// By itself, when its time is over.
		if _, err := clients.Rotate(ctx, "web", oauth.Rotation{Overlap: time.Minute, KeepFormer: true}); err != nil {
			w.Fatal(err)
		}
		w.clock.Add(time.Minute)
		if got := clients.Secrets(w.stored("web")); len(got) != 1 {
			w.Errorf("%+v", got)
		}
		if got := clients.Secrets(w.stored("spa")); got != nil {
			w.Errorf("of a public client: %+v", got)
		}
	})
}

// A client that had no secret for a while doesn't get its old one back.
func TestASecretDoesNotComeBack(t *testing.T) {
	both(t, func(w *world) {
		edited := w.stored("web")
		for _, method := range []string{"none", "client_secret_post"} {
			edited.AuthMethod = method
			if err := w.server.Clients().Update(w.Context(), edited); err != nil {
				w.Fatal(err)
			}
		}
		is := w.stored("web")
		if w.server.Clients().SecretIs(is, w.secrets["web"]) || len(w.server.Clients().Secrets(is)) != 0 {
			w.Error("it is good again")
		}
		secret, err := w.server.Clients().Rotate(w.Context(), "web", oauth.Rotation{Version: is.Version, Overlap: time.Hour, KeepFormer: true})
		if is = w.stored("web"); err != nil || !w.server.Clients().SecretIs(is, secret) || len(w.server.Clients().Secrets(is)) != 1 {
			w.Errorf("%v: %+v", err, w.server.Clients().Secrets(is))
		}
	})
}

func TestReservedClientsAreTheHosts(t *testing.T) {
	both(t, func(w *world) {
		cfg := w.config()
		cfg.Reserved = []string{"idp-console"}
		server, _ := w.start(cfg)
		ctx, clients := w.Context(), server.Clients()
		console := &oauth.Client{ID: "idp-console", Name: "Console", RedirectURIs: []string{callback}, Consent: "skip"}
		before := w.host.count(oauth.EventClientCreated)
		for _, err := range atOnce(40, func(int) error { return clients.Establish(ctx, console, "a secret of the host's own") }) {
			if err != nil {
				w.Error(err)
			}
		}
		if n := w.host.count(oauth.EventClientCreated) - before; n != 1 {
			w.Errorf("%d were created", n)
		}
		is, err := clients.Get(ctx, "idp-console")
		if err != nil || is.Version != 1 || !clients.SecretIs(is, "a secret of the host's own") || !clients.Reserved(is.ID) {
			w.Fatalf("%+v %v", is, err)
		}
		changed := *console
		changed.Name = "Other"
		if err := clients.Establish(ctx, &changed, "another secret of the host's"); err != nil {
			w.Error(err)
		}
		if is, err = clients.Get(ctx, "idp-console"); err != nil || is.Name != "Other" || clients.SecretIs(is, "a secret of the host's own") {
			w.Errorf("%+v %v", is, err)
		}
		_, created := clients.Create(ctx, console, "")
		_, rotated := clients.RotateSecret(ctx, "idp-console", "", 0)
		for name, err := range map[string]error{
			"create": created, "rotate": rotated, "update": clients.Update(ctx, is), "delete": clients.Delete(ctx, "idp-console"),
			"end secret": clients.EndFormerSecret(ctx, "idp-console", 0),
		} {
			if !errors.Is(err, oauth.ErrReserved) {
				w.Errorf("%s: %v", name, err)
			}
		}
		var invalid *oauth.InvalidError
		if err := clients.Establish(ctx, &oauth.Client{ID: "web"}, ""); !errors.As(err, &invalid) || strings.TrimSpace(invalid.Field) != "id" {
			w.Error(err)
		}
	})
}
