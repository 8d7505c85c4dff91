package login

import (
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes float64) time.Time { return now.Add(time.Duration(minutes * float64(time.Minute))) }
	later := at(60 * 24)

	base := State{
		Asked: at(-2), MaxAge: -1, AuthTime: at(-60), FactorAt: at(-59), ConsentedAt: at(-999), Enrolled: true,
	}
	bare := func(s *State) { s.FactorAt = time.Time{} }
	newcomer := func(s *State) { bare(s); s.Enrolled = false }
	remembered := func(s *State) { bare(s); s.Remembered = true }

	for _, row := range []struct {
		name string
		edit func(*State)
		want Step
	}{
		{"not signed in", func(s *State) { s.AuthTime = time.Time{} }, Password},
		{"prompt=login", func(s *State) { s.Prompt = []string{"login"} }, Password},
		{"select_account", func(s *State) { s.Prompt = []string{"select_account"} }, Password},
		{"max_age 10 min", func(s *State) { s.MaxAge = 10 * time.Minute }, Password},
		{"max_age 0, signed in 1 ms before", func(s *State) { s.MaxAge = 0; s.AuthTime = s.Asked.Add(-time.Millisecond) }, Password},
		{"hint names somebody else", func(s *State) { s.OtherSubject = true }, Password},

		{"no factor", bare, SecondFactor},
		{"no factor and excluded", func(s *State) { bare(s); s.Excluded = true }, SecondFactor},
		{"prompt=login renews the factor too", func(s *State) { s.Prompt = []string{"login"}; s.AuthTime = at(-1) }, SecondFactor},
		{"remembered but always", func(s *State) { remembered(s); s.MFA = Always }, SecondFactor},
		{"remembered but aal2", func(s *State) { remembered(s); s.AAL2 = true }, SecondFactor},

		{"newcomer, required", func(s *State) { newcomer(s); s.MFA = Required }, Enroll},
		{"newcomer, always", func(s *State) { newcomer(s); s.MFA = Always }, Enroll},
		{"newcomer, aal2", func(s *State) { newcomer(s); s.AAL2 = true }, Enroll},
		{"newcomer, group", func(s *State) { newcomer(s); s.PolicyMFA = true }, Enroll},
		{"newcomer, group in grace", func(s *State) { newcomer(s); s.PolicyMFA = true; s.GraceEnds = later }, Enroll},
		{"postponed after grace", func(s *State) { newcomer(s); s.PolicyMFA = true; s.GraceEnds = at(-1); s.Postponed = true }, Enroll},
		{"compromised, no factor", func(s *State) { s.FactorAt = time.Time{}; s.Compromised = true }, SecondFactor},
		{"compromised", func(s *State) { s.Compromised = true }, NewPassword},
		{"compromised, newcomer, required", func(s *State) { newcomer(s); s.Compromised, s.MFA = true, Required }, NewPassword},
		{"compromised, prompt=none, excluded", func(s *State) { s.Compromised, s.Prompt, s.Excluded = true, []string{"none"}, true }, NewPassword},
		{"turned off since the factor, always", func(s *State) { s.Enrolled = false; s.MFA = Always }, Enroll},
		{"postponed in grace but aal2", func(s *State) {
			newcomer(s)
			s.PolicyMFA, s.GraceEnds, s.Postponed, s.AAL2 = true, later, true, true
		}, Enroll},

		{"excluded", func(s *State) { s.Excluded = true }, Refuse},

		{"undecided scopes", func(s *State) { s.ConsentedAt = time.Time{} }, Consent},
		{"prompt=consent", func(s *State) { s.Prompt = []string{"consent"} }, Consent},
		{"prompt=consent though skipped", func(s *State) { s.Prompt = []string{"consent"}; s.SkipConsent = true }, Consent},
		{"native app, decided before", func(s *State) { s.AskAlways = true }, Consent},

		{"few codes", func(s *State) { s.FewCodes = true }, Remind},
		{"nobody has asked for a year", func(s *State) { s.AskCodes = true }, Remind},
		{"nobody has asked, remembered", func(s *State) { remembered(s); s.AskCodes = true }, Remind},
		{"by a recovery code", func(s *State) { s.UsedCode = true }, Remind},
		{"by a recovery code, undecided scopes", func(s *State) { s.UsedCode = true; s.ConsentedAt = time.Time{} }, Consent},

		{"base", func(*State) {}, Issue},
		{"prompt=login, both renewed", func(s *State) { s.Prompt = []string{"login"}; s.AuthTime, s.FactorAt = at(-1), at(-1) }, Issue},
		{"max_age 0, both renewed", func(s *State) { s.MaxAge = 0; s.AuthTime, s.FactorAt = at(-1), at(-1) }, Issue},
		{"max_age 1 min, a slow person", func(s *State) {
			s.MaxAge, s.Asked, s.AuthTime, s.FactorAt = time.Minute, at(-5), at(-4), at(-3)
		}, Issue},
		{"max_age 61 min", func(s *State) { s.MaxAge = 61 * time.Minute }, Issue},
		{"remembered", remembered, Issue},
		{"remembered, required", func(s *State) { remembered(s); s.MFA = Required }, Issue},
		{"remembered, group", func(s *State) { remembered(s); s.PolicyMFA = true }, Issue},
		{"remembered, after prompt=login", func(s *State) { remembered(s); s.Prompt = []string{"login"}; s.AuthTime = at(-1) }, Issue},
		{"aal2 and always with factor", func(s *State) { s.AAL2 = true; s.MFA = Always }, Issue},
		{"passkey alone with aal2", func(s *State) { s.FactorAt = s.AuthTime; s.AAL2 = true }, Issue},
		{"newcomer, optional", newcomer, Issue},
		{"newcomer, group in grace, postponed", func(s *State) {
			newcomer(s)
			s.PolicyMFA, s.GraceEnds, s.Postponed = true, later, true
		}, Issue},
		{"newcomer, group in grace, prompt=none", func(s *State) {
			newcomer(s)
			s.PolicyMFA, s.GraceEnds, s.Prompt = true, later, []string{"none"}
		}, Issue},
		{"undecided but skipped", func(s *State) { s.ConsentedAt = time.Time{}; s.SkipConsent = true }, Issue},
		{"prompt=consent, decided", func(s *State) { s.Prompt = []string{"consent"}; s.ConsentedAt = at(-1) }, Issue},
		{"native app, decided now", func(s *State) { s.AskAlways = true; s.ConsentedAt = at(-1) }, Issue},
		{"few codes, reminded", func(s *State) { s.FewCodes = true; s.Reminded = true }, Issue},
		{"asked a moment ago", func(s *State) { s.AskCodes = true; s.Reminded = true }, Issue},
		{"nobody has asked, prompt=none", func(s *State) { s.AskCodes = true; s.Prompt = []string{"none"} }, Issue},
		{"nobody has asked, not enrolled", func(s *State) { newcomer(s); s.AskCodes = true }, Issue},
		{"few codes, prompt=none", func(s *State) { s.FewCodes = true; s.Prompt = []string{"none"} }, Issue},
		{"by a recovery code, reminded", func(s *State) { s.UsedCode = true; s.Reminded = true }, Issue},
		{"by a recovery code, prompt=none", func(s *State) { s.UsedCode = true; s.Prompt = []string{"none"} }, Issue},
		{"by a recovery code, turned off since", func(s *State) { s.UsedCode = true; s.Enrolled = false }, Issue},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := base
			row.edit(&s)
			if got := Next(s, now); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
