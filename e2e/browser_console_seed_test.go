package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// seeded is an installation that has been in use for three months.
type seeded struct {
	t        *testing.T
	p        *idp.IdP
	provider string
	folder   string
	now      time.Time
	mu       sync.Mutex
	subjects map[string]string
	ids      map[string]string // of what is in no other list here
	phone    *demoPhone        // of root, an administrator
}

const seedPassword = "plum lantern river 42"

func (s *seeded) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *seeded) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// seed fills the data of an installation in folder, day by day, as if it had run since then.
func seed(t *testing.T, folder, provider string) *seeded {
	t.Helper()
	s := &seeded{t: t, provider: provider, folder: folder, now: time.Now().AddDate(0, 0, -90), subjects: map[string]string{}, ids: map[string]string{}}
	cfg := idp.Defaults()
	cfg.PublicURL, cfg.DatabaseURL = provider, "sqlite:"+filepath.Join(folder, "data", "idp.db")
	cfg.Now, cfg.Log = s.clock, slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	s.p, err = idp.New(t.Context(), cfg)
	s.must(err)
	defer s.p.Close()
	// There is nobody yet whose names and factors were not looked at: figures are whole from the first day on.
	s.must(s.p.Accounts.IndexNames(t.Context()))
	s.must(s.p.Accounts.CheckFactors(t.Context(), func(context.Context, []string) (map[string]account.Factors, error) { return nil, nil }))
	s.people()
	s.apps()
	for day := range 91 { // the last one is today
		s.day(day)
		s.mu.Lock()
		s.now = s.now.Add(24 * time.Hour)
		s.mu.Unlock()
	}
	keys, err := s.p.OAuth.Keys().List(t.Context())
	s.must(err)
	s.ids["kid"] = keys[0].KID
	return s
}

func (s *seeded) add(n account.NewAccount) {
	s.t.Helper()
	n.Email, n.Groups = n.Username+"@example.com", []string{"staff"}
	if n.Username[len(n.Username)-1]%2 == 0 {
		n.Groups = append(n.Groups, "engineering")
	}
	if n.Role != "" {
		n.Groups = append(n.Groups, "board")
	}
	made, err := s.p.Accounts.Create(s.t.Context(), n)
	s.must(err)
	s.subjects[n.Username] = made.Subject
}

func (s *seeded) people() {
	ctx := s.t.Context()
	for name, words := range map[string]string{"staff": "Everybody who works here", "engineering": "", "board": "Reads the figures"} {
		s.must(s.p.Accounts.CreateGroup(ctx, account.Group{Name: name, Description: words}))
	}
	s.add(account.NewAccount{Username: "root", Name: "Robin Root", Password: seedPassword, Role: account.Administrator})
	s.phone = &demoPhone{key: s.enroll("root").Key}
	s.add(account.NewAccount{Username: "helen", Name: "Helen Help", Password: seedPassword, Role: account.HelpDesk})
	s.add(account.NewAccount{Username: "arthur", Name: "Arthur Audit", Password: seedPassword, Role: account.Auditor})
	s.add(account.NewAccount{Username: "alice", Name: "Alice Example", Password: seedPassword})
	first := []string{"Amara", "Bjarne", "Chiara", "Dmitri", "Elif", "Farid", "Grace", "Henrik", "Ines", "Jonas", "Keiko", "Luca", "Mina", "Nadia", "Oskar", "Priya"}
	last := []string{"Okafor", "Lindqvist", "Rossi"}
	for i, family := range last {
		for j, given := range first {
			s.add(account.NewAccount{Username: fmt.Sprintf("person%02d", i*len(first)+j), Name: given + " " + family})
		}
	}
	policy, err := s.p.Accounts.Policy(ctx)
	s.must(err)
	policy.MFARequiredGroups = []string{"engineering"}
	s.must(s.p.Accounts.SetPolicy(ctx, policy))
}

func (s *seeded) apps() {
	ctx := audit.WithActor(s.t.Context(), s.subjects["root"])
	desk := s.p.Actions().Desk(admin.Actor{Subject: s.subjects["root"], Role: account.Administrator})
	for _, app := range []struct {
		template string
		client   oauth.Client
	}{
		{admin.TemplateWeb, oauth.Client{ID: "focus-hq", Name: "Focus HQ", RedirectURIs: []string{"https://focus.example/callback"}, MFA: "required"}},
		{admin.TemplateWeb, oauth.Client{ID: "wiki", Name: "Wiki", RedirectURIs: []string{"https://wiki.example/oidc/callback"}, Groups: []string{"staff"}}},
		{admin.TemplateSPA, oauth.Client{ID: "boards", Name: "Boards", RedirectURIs: []string{"https://boards.example/"}}},
		{admin.TemplateMachine, oauth.Client{ID: "nightly", Name: "Nightly report", Scopes: []string{"read"}, Resources: []string{"https://api.example/"}}},
	} {
		_, _, err := desk.CreateClient(ctx, app.template, &app.client)
		s.must(err)
	}
}

// day is one on which some set up MFA, and some mistype.
func (s *seeded) day(n int) {
	ctx := s.t.Context()
	if n == 1 {
		for _, name := range []string{"alice", "helen"} {
			s.enroll(name)
		}
	}
	if name := fmt.Sprintf("person%02d", n/2); n%2 == 0 && n > 8 && n < 76 {
		s.enroll(name)
	}
	if n > 3 {
		who, err := s.p.Accounts.BySubject(ctx, s.subjects[fmt.Sprintf("person%02d", n/2)])
		s.must(err)
		s.must(s.p.Accounts.SignedIn(ctx, who))
	}
	refused := []int{3, 1, 4, 2, 0, 1, 2}[n%7]
	if n == 83 {
		refused = 31 // somebody tried what others have lost
	}
	for range refused {
		s.must(s.p.Audit.Record(ctx, audit.Event{Action: "sign_in", Actor: audit.Anonymous, Client: "wiki", Result: "refused"}))
	}
	for range 20 + n%7 {
		s.must(s.p.Audit.Record(ctx, audit.Event{Action: "sign_in", Actor: s.subjects["alice"], Subject: s.subjects["alice"], Client: "focus-hq", Result: "password"}))
	}
	s.must(s.p.Accounts.KeepFigures(ctx))
}

// enroll sets up an app for somebody.
func (s *seeded) enroll(name string) *mfatest.Phone {
	s.t.Helper()
	ctx, who := s.t.Context(), mfa.Owner{Subject: s.subjects[name], Session: "seed"}
	enrollment, err := s.p.MFA.Enroll(ctx, who, name)
	s.must(err)
	phone, err := mfatest.Scan(enrollment.URI)
	s.must(err)
	phone.Clock = s.clock
	_, err = s.p.MFA.VerifyEnrollment(ctx, who, enrollment.ID, phone.Code(0), phone.Code(1))
	s.must(err)
	_, set, err := s.p.MFA.NewRecoveryCodes(ctx, who, enrollment.ID)
	s.must(err)
	_, err = s.p.MFA.Confirm(ctx, who, enrollment.ID, set)
	s.must(err)
	return phone
}
