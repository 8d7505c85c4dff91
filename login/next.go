package login

import (
	"slices"
	"time"
)

// Step is what a sign-in needs next.
type Step int

// The steps, in the order in which they are asked.
const (
	Password     Step = iota // who is it?
	SecondFactor             // prove it with the factor that is enrolled
	NewPassword              // somebody else may know the password: choose another one
	Enroll                   // enrol a factor first
	Refuse                   // the client isn't for this person
	Consent                  // may the client have what it asks for?
	Remind                   // few recovery codes are left, or perhaps lost, or the phone is
	Issue                    // nothing is missing: answer the client
)

// String returns the step's name for logs and tests.
func (s Step) String() string {
	return [...]string{"Password", "SecondFactor", "NewPassword", "Enroll", "Refuse", "Consent", "Remind", "Issue"}[s]
}

// Need is a client's demand for a second factor, its "mfa" setting.
type Need int

// The demands. Whoever is enrolled is asked under each of them.
const (
	Optional Need = iota // only those enrolled are asked
	Required             // everybody enrols; a remembered device counts
	Always               // everybody enrols; a remembered device does not count
)

// State holds the facts of a sign-in as they were loaded, never a store or a request.
type State struct {
	Asked  time.Time     // the request's first arrival, kept while it is suspended
	Prompt []string      // OpenID Connect Core section 3.1.2.1
	MaxAge time.Duration // negative: absent
	AAL2   bool          // asked for by acr_values or claims, aliases resolved

	MFA         Need // the client's
	Excluded    bool // its groups do not include the person
	SkipConsent bool
	AskAlways   bool // an earlier consent does not speak for this one: a native app (RFC 8252 section 8.6), or one that may lead elsewhere

	AuthTime     time.Time // password or passkey; zero: not signed in
	FactorAt     time.Time // code, recovery code or passkey; zero: none
	OtherSubject bool      // id_token_hint names somebody else
	Remembered   bool      // this person's remembered-device token
	Postponed    bool      // chose "not now" since AuthTime
	Reminded     bool      // saw the reminder since AuthTime
	Compromised  bool      // the password was, and is still the same

	Enrolled    bool
	PolicyMFA   bool      // the policy demands a factor: of everybody, of a group of theirs, of administrators
	GraceEnds   time.Time // until then what PolicyMFA demands may be postponed; zero: it may not
	FewCodes    bool      // three or fewer recovery codes left
	AskCodes    bool      // nobody has asked for a year whether the recovery codes are still there
	UsedCode    bool      // the factor was a recovery code: the phone may be gone
	ConsentedAt time.Time // last decision on the requested scopes; zero: some undecided

	Told Told
}

// Factor reports whether a second factor was given since the password.
func (s State) Factor() bool { return !s.FactorAt.IsZero() && !s.FactorAt.Before(s.AuthTime) }

// Strict reports whether a remembered device does not count.
func (s State) Strict() bool { return s.MFA == Always || s.AAL2 }

// Next returns the first step still missing.
func Next(s State, now time.Time) Step {
	step, _ := Choose(s, now)
	return step
}

// Choose is [Next] with its reason.
func Choose(s State, now time.Time) (Step, Rule) {
	if rule := s.password(now); rule != "" {
		return Password, rule
	}
	missing := s.Enrolled && !s.Factor()
	postponed := now.Before(s.GraceEnds) && (s.Postponed || s.prompt("none"))
	switch {
	case missing && s.Strict():
		return SecondFactor, s.strictness()
	case missing && !s.Remembered:
		return SecondFactor, ByNewBrowser
	case s.Compromised: // whoever else has the password does not get past the factor to replace it
		return NewPassword, ByCompromised
	case !s.Enrolled && s.Strict(): // also whoever turned MFA off since they gave a factor
		return Enroll, s.strictness()
	case !s.Enrolled && s.MFA == Required:
		return Enroll, ByRequired
	case !s.Enrolled && s.PolicyMFA && !postponed:
		return Enroll, ByPolicy
	}

	switch {
	case s.Excluded:
		return Refuse, ByExcluded
	case s.prompt("consent") && !s.fresh(s.ConsentedAt):
		return Consent, ByPromptConsent
	case s.AskAlways && !s.fresh(s.ConsentedAt):
		return Consent, ByAskAlways
	case s.ConsentedAt.IsZero() && !s.SkipConsent:
		return Consent, ByUndecided
	}
	if rule := s.reminder(); rule != "" {
		return Remind, rule
	}
	switch {
	case s.Factor():
		return Issue, ByFactor
	case s.Enrolled:
		return Issue, ByRemembered
	case s.PolicyMFA:
		return Issue, ByGrace
	}
	return Issue, ByNoDemand
}

func (s State) prompt(value string) bool { return slices.Contains(s.Prompt, value) }

// fresh reports whether something happened for this request.
func (s State) fresh(at time.Time) bool { return !at.Before(s.Asked) }

// password returns why a password, or a passkey, is missing, "" when none is.
func (s State) password(now time.Time) Rule {
	switch {
	case s.AuthTime.IsZero():
		return ByNobody
	case s.OtherSubject:
		return ByOtherSubject
	case s.fresh(s.AuthTime):
		return ""
	case s.prompt("login"):
		return ByPromptLogin
	case s.prompt("select_account"):
		return ByPromptSelect
	case s.MaxAge == 0, s.MaxAge > 0 && now.Sub(s.AuthTime) > s.MaxAge:
		return ByMaxAge
	}
	return ""
}

// strictness returns why [State.Strict] is.
func (s State) strictness() Rule {
	if s.MFA == Always {
		return ByAlways
	}
	return ByACR
}

// reminder returns why the person is reminded of recovery codes, "" when they are not.
func (s State) reminder() Rule {
	switch {
	case !s.Enrolled || s.Reminded || s.prompt("none"):
		return ""
	case s.UsedCode:
		return ByUsedCode
	case s.FewCodes:
		return ByFewCodes
	case s.AskCodes:
		return ByOldCodes
	}
	return ""
}
