package admin_test

import (
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// signIns are walks through a sign-in. What is to be said of them stands in testdata/explain.txt.
var signIns = []struct {
	name   string
	client func(*oauth.Client)
	walk   func(*walk)
	event  string // the action of the entry that is asked about; "": the app's answer
	amr    string // and acr, on record for the app's answer; "": not looked at
}{{
	name: "password only",
	walk: func(w *walk) { w.password(w.begin()) },
	amr:  "pwd; aal1",
}, {
	name: "password and code",
	walk: func(w *walk) { w.enrol(); w.code(w.password(w.begin())) },
	amr:  "pwd otp mfa; aal2",
}, {
	name: "wrong password, wrong code",
	walk: func(w *walk) {
		w.enrol()
		page := w.begin().Submit("login-submit", "username", "alice", "password", "wrong")
		w.code(w.password(page).Submit("mfa-submit", "code", "000000"))
	},
	amr: "pwd otp mfa; aal2",
}, {
	name: "recovery code",
	walk: func(w *walk) {
		w.enrol()
		page := w.password(w.begin()).Follow("#use-recovery-code").Submit("recovery-submit", "recovery_code", w.codes[0])
		page.Submit("remind-later")
	},
	amr: "pwd mfa; aal2",
}, {
	name: "remembered device",
	walk: func(w *walk) {
		w.enrol()
		w.code(w.password(w.begin()), "remember", "1")
		w.must(w.p.Actions().EndSession(w.Context(), w.alice.Subject, w.newest("").Detail["session"]))
		w.p.Clock.Add(2 * time.Hour)
		w.password(w.begin())
	},
	amr: "pwd; aal1",
}, {
	name: "remembered device that was forgotten",
	walk: func(w *walk) {
		w.enrol()
		w.code(w.password(w.begin()), "remember", "1")
		w.must(w.p.Actions().EndSessions(w.Context(), w.alice.Subject))
		w.p.Clock.Add(2 * time.Hour)
		w.password(w.begin())
	},
	event: "sign_in.asked",
}, {
	name:   "remembered device, strict client",
	client: func(c *oauth.Client) { c.MFA = "always" },
	walk: func(w *walk) {
		w.enrol()
		other := w.p.AddClient(oauth.Client{ID: "other", RedirectURIs: []string{"https://app.example/callback"}})
		w.code(w.password(w.b.Get(other.AuthCodeURL("s"))), "remember", "1")
		w.must(w.p.Actions().EndSession(w.Context(), w.alice.Subject, w.newest("").Detail["session"]))
		w.p.Clock.Add(2 * time.Hour)
		w.code(w.password(w.begin()))
	},
	amr: "pwd otp mfa; aal2",
}, {
	name: "aal2 is asked for in a session without a factor",
	walk: func(w *walk) {
		w.enrol()
		w.code(w.password(w.begin()), "remember", "1")
		w.must(w.p.Actions().EndSession(w.Context(), w.alice.Subject, w.newest("").Detail["session"]))
		w.p.Clock.Add(2 * time.Hour)
		w.password(w.begin())
		w.p.Clock.Add(2 * time.Hour)
		w.code(w.begin("acr_values", "aal2"))
	},
	amr: "pwd otp mfa; aal2",
}, {
	name: "answered at once, hours after the sign-in",
	walk: func(w *walk) {
		w.enrol()
		w.code(w.password(w.begin()))
		w.p.Clock.Add(5 * time.Hour)
		w.begin()
	},
	amr: "pwd otp mfa; aal2",
}, {
	name: "passkey as second factor",
	walk: func(w *walk) { d := w.passkey(); w.touch(w.password(w.begin()), d) },
	amr:  "pwd hwk mfa; aal2",
}, {
	name: "passkey alone",
	walk: func(w *walk) { d := w.passkey(); w.touch(w.begin(), d) },
	amr:  "hwk user mfa; aal2",
}, {
	name:   "enrolment, demanded by the client",
	client: func(c *oauth.Client) { c.MFA = "required" },
	walk:   func(w *walk) { w.setUp(w.password(w.begin())) },
	amr:    "pwd otp mfa; aal2",
}, {
	name: "enrolment, put off",
	walk: func(w *walk) {
		w.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: 48 * time.Hour})
		w.password(w.begin()).Submit("enrol-postpone")
	},
	amr: "pwd; aal1",
}, {
	name: "enrolment, grace is over",
	walk: func(w *walk) {
		w.must(w.p.Accounts.SetGroups(w.Context(), []account.Group{{Name: "staff"}}))
		w.alice.Groups = []string{"staff"}
		w.must(w.p.Accounts.Update(w.Context(), w.alice))
		w.policy(account.Policy{MFARequiredGroups: []string{"staff"}, MFAGrace: time.Hour})
		w.password(w.begin()).Submit("enrol-postpone")
		w.p.Clock.Add(2 * time.Hour)
		w.begin()
	},
	event: "sign_in.asked",
}, {
	name: "whoever has a role",
	walk: func(w *walk) {
		w.must(w.p.Accounts.SetRole(w.Context(), w.alice.Subject, account.Auditor))
		w.password(w.begin())
	},
	event: "sign_in.asked",
}, {
	name: "prompt=none, a factor is missing",
	walk: func(w *walk) {
		w.password(w.begin())
		w.enrol()
		w.p.Clock.Add(2 * time.Hour)
		w.begin("prompt", "none")
	},
}, {
	name: "prompt=none and max_age=0",
	walk: func(w *walk) {
		w.password(w.begin())
		w.p.Clock.Add(2 * time.Hour)
		w.begin("prompt", "none", "max_age", "0")
	},
}, {
	name: "prompt=none in grace",
	walk: func(w *walk) {
		w.password(w.begin())
		w.policy(account.Policy{MFARequired: account.MFAEverybody, MFAGrace: 48 * time.Hour})
		w.begin("prompt", "none")
	},
	amr: "pwd; aal1",
}, {
	name: "prompt=login",
	walk: func(w *walk) {
		w.password(w.begin())
		w.p.Clock.Add(2 * time.Hour)
		w.password(w.begin("prompt", "login"))
	},
	amr: "pwd; aal1",
}, {
	name: "max_age",
	walk: func(w *walk) {
		w.password(w.begin())
		w.p.Clock.Add(2 * time.Hour)
		w.password(w.begin("max_age", "600"))
	},
	amr: "pwd; aal1",
}, {
	name: "a password that others know",
	walk: func(w *walk) {
		w.must(w.p.Actions().Compromised(w.Context(), w.alice.Subject, "seen in a list"))
		w.password(w.begin())
	},
	event: "sign_in.asked",
}, {
	name:   "another group's app",
	client: func(c *oauth.Client) { c.Groups = []string{"staff"} },
	walk: func(w *walk) {
		w.must(w.p.Accounts.SetGroups(w.Context(), []account.Group{{Name: "staff"}}))
		w.password(w.begin())
	},
}, {
	name:   "consent",
	client: func(c *oauth.Client) { c.Consent = "ask" },
	walk:   func(w *walk) { w.password(w.begin()).Submit("consent-allow") },
	amr:    "pwd; aal1",
}, {
	name:   "consent is not given",
	client: func(c *oauth.Client) { c.Consent = "ask" },
	walk:   func(w *walk) { w.password(w.begin()).Submit("consent-deny") },
}, {
	name: "cancelled at the second factor",
	walk: func(w *walk) { w.enrol(); w.password(w.begin()).Submit("mfa-submit", "cancel", "1") },
}, {
	name: "few codes are left",
	walk: func(w *walk) {
		w.enrol()
		for _, code := range w.codes[:8] {
			_, err := w.p.MFA.VerifyRecoveryCode(w.Context(), w.alice.Subject, code)
			w.must(err)
		}
		w.code(w.password(w.begin()))
	},
	event: "sign_in.asked",
}, {
	name: "a page of the account",
	walk: func(w *walk) {
		w.enrol()
		w.code(w.b.Get("/account").Submit("login-submit", "username", "alice", "password", idptest.Password))
	},
	event: "sign_in",
}}

// setUp goes through the pages of an enrolment.
func (w *walk) setUp(page *idptest.Page) {
	w.Helper()
	page = page.Submit("enrol-start")
	w.phone.Key, w.phone.Clock = strings.ReplaceAll(page.Text("#totp-key"), " ", ""), w.p.Clock.Now
	page.Submit("scan-next").Submit("codes-next", "code1", w.phone.Code(-1), "code2", w.phone.Code(0)).Submit("enrol-confirm", "saved", "1").
		Follow("#done-next")
}
