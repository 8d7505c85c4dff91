package account

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestSignedIn(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		f := fixtureOn(t, db)
		a := f.add("ada")
		for _, tt := range []struct {
			after time.Duration
			kept  bool
		}{{0, true}, {time.Minute, false}, {58 * time.Minute, false}, {time.Minute, true}, {time.Second, false}} {
			f.now = f.now.Add(tt.after)
			before := f.read(a.Subject)
			check(t, db.InTx(t.Context(), func(ctx context.Context) error {
				if !db.Postgres() {
					return f.SignedIn(ctx, before)
				}
				var was, is int // how many rows were written and no index of them
				const hot = `SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'accounts'`
				err := errors.Join(db.Get(ctx, &was, hot), f.SignedIn(ctx, before), db.Get(ctx, &is, hot))
				if tt.kept == (is > was) {
					t.Errorf("%v later: %d rows were written without their indexes", tt.after, is-was)
				}
				return err
			}))
			now := f.read(a.Subject)
			if now.SignedInAt.Equal(f.now) != tt.kept || now.Version != before.Version {
				t.Errorf("%v later: %v, want it kept %v", tt.after, now.SignedInAt, tt.kept)
			}
			check(t, f.SignedIn(t.Context(), a)) // as read long before: it must not go back
			if got := f.read(a.Subject).SignedInAt; !got.Equal(now.SignedInAt) {
				t.Errorf("%v later: %v", tt.after, got)
			}
		}
	}, "account")
}

// Everybody's factors are compared once a day, by one replica at a time, from where another one was stopped.
func TestCheckFactors(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		const people = 1200
		is := map[string]Factors{}
		for i := range people {
			a := Account{Subject: fmt.Sprintf("s%04d", i), Username: fmt.Sprint("ada", i)}
			f.insertOld(a)
			if i%3 == 0 {
				is[a.Subject] = Factors{true, i % 11}
			}
		}
		asked, broken := 0, errors.New("stopped")
		ask := func(_ context.Context, subjects []string) (map[string]Factors, error) {
			if asked++; asked == 2 {
				return nil, broken
			}
			if len(subjects) > 500 {
				t.Errorf("%d at once", len(subjects))
			}
			return is, nil
		}
		settled := func(want bool) {
			t.Helper()
			if got, err := f.Settled(ctx); got != want || err != nil {
				t.Errorf("settled: %v, %v", got, err)
			}
		}
		check(t, f.IndexNames(ctx))
		want(t, f.CheckFactors(ctx, ask), broken)
		settled(false)
		check(t, f.CheckFactors(ctx, ask)) // another replica has the turn, as far as anybody knows
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
		f.now = f.now.Add(shiftLife)
		check(t, f.CheckFactors(ctx, ask))
		if asked != 4 { // the second batch again, and the third
			t.Errorf("asked %d times", asked)
		}
		settled(true)
		kept := func() map[string]Factors {
			out := map[string]Factors{}
			var rows []row
			check(t, f.cfg.DB.Select(ctx, &rows, selectAccounts))
			for _, r := range rows {
				if k := (Factors{r.MFAEnrolled, r.CodesLeft}); k != (Factors{}) {
					out[r.Subject] = k
				}
			}
			return out
		}
		if diff := cmp.Diff(is, kept()); diff != "" {
			t.Errorf("-is +kept\n%s", diff)
		}

		delete(is, "s0000")
		is["s0001"] = Factors{true, 10}
		f.now = f.now.Add(23 * time.Hour)
		check(t, f.CheckFactors(ctx, ask))
		if asked != 4 {
			t.Error("asked again on the same day")
		}
		f.now = f.now.Add(time.Hour)
		event := ask
		ask = func(ctx context.Context, subjects []string) (map[string]Factors, error) {
			if subjects[0] == "s0000" { // what happens meanwhile is known better
				was := map[string]Factors{"s0001": {true, 9}}
				check(t, f.SetFactorFacts(ctx, "s0001", Factors{true, 10}))
				return was, nil
			}
			return event(ctx, subjects)
		}
		check(t, f.CheckFactors(ctx, ask))
		if got := kept()["s0001"]; got != (Factors{true, 10}) {
			t.Errorf("an event was overwritten: %+v", got)
		}
		check(t, f.SetFactorFacts(ctx, "nobody", Factors{true, 10}))
	})
}

func TestFigures(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
		f.now = noon
		var all []*Account
		for i := range 7 {
			all = append(all, f.add(fmt.Sprint("ada", i)))
		}
		check(t, f.SetFactorFacts(ctx, all[0].Subject, Factors{true, 10}))
		check(t, f.SetFactorFacts(ctx, all[1].Subject, Factors{true, 3}))
		check(t, f.SetFactorFacts(ctx, all[2].Subject, Factors{true, 2}))
		check(t, f.Disable(ctx, all[2].Subject))
		check(t, f.Disable(ctx, all[3].Subject))
		check(t, f.SignedIn(ctx, all[0]))
		f.now = noon.AddDate(0, 0, 20)
		check(t, f.SignedIn(ctx, all[4]))
		day := func(n int) time.Time { return noon.Truncate(24*time.Hour).AddDate(0, 0, n) }
		want := Figures{Day: day(20), People: 7, Disabled: 2, Enabled: 5, Enrolled: 2, FewCodes: 1, SignedIn30d: 2}
		got, err := f.FiguresNow(ctx)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		check(t, f.KeepFigures(ctx)) // nobody's factors were looked at yet: they would be wrong
		figures := func(from, to int, want ...Figures) {
			t.Helper()
			got, err := f.Figures(ctx, day(from), day(to))
			check(t, err)
			if diff := cmp.Diff(append([]Figures{}, want...), got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		figures(0, 40)
		check(t, f.CheckFactors(ctx, func(_ context.Context, subjects []string) (map[string]Factors, error) {
			return map[string]Factors{all[0].Subject: {true, 10}, all[1].Subject: {true, 3}, all[2].Subject: {true, 2}}, nil
		}))
		errs := make(chan error)
		for range 4 {
			go func() { errs <- f.KeepFigures(context.Background()) }()
		}
		for range 4 {
			check(t, <-errs)
		}
		f.add("later")
		check(t, f.KeepFigures(ctx)) // it is the same day
		figures(0, 40, want)
		f.now = noon.AddDate(0, 0, 40)
		check(t, f.KeepFigures(ctx))
		later := Figures{Day: day(40), People: 8, Disabled: 2, Enabled: 6, Enrolled: 2, FewCodes: 1, SignedIn30d: 1}
		figures(20, 40, want, later)
		figures(21, 40, later)
		figures(20, 39, want)
	})
}
