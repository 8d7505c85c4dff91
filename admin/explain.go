package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// Sentence is a message of the catalogue with its arguments: pages say it in the reader's language.
type Sentence struct {
	ID   string
	Args map[string]any
}

// String is the sentence in English.
func (s Sentence) String() string { return templates.English(s.ID, s.Args) }

// MarshalJSON writes the sentence in English as well.
func (s Sentence) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID   string         `json:"id"`
		Args map[string]any `json:"args,omitempty"`
		Text string         `json:"text"`
	}{s.ID, s.Args, s.String()})
}

// Explanation says why a sign-in went the way it did, from nothing but the trail: what was so at that time, not what is so now.
type Explanation struct {
	Subject string `json:"subject"` // "" when nobody has shown who they are
	Client  string `json:"client"`  // "" where a page of ours was wanted

	Asked   []Sentence      `json:"asked"`   // what the app wanted of this sign-in
	Rules   []Sentence      `json:"rules"`   // what its settings and the policy demanded
	Had     []Sentence      `json:"had"`     // what the person could show
	Steps   []ExplainedStep `json:"steps"`   // in order of time
	Outcome Sentence        `json:"outcome"` // how it ended
}

// ExplainedStep is one event of a sign-in.
type ExplainedStep struct {
	ID     string     `json:"id"` // of the audit entry
	At     time.Time  `json:"time"`
	Action string     `json:"action"`
	Result string     `json:"result"`
	What   Sentence   `json:"what"`
	Why    []Sentence `json:"why"`
}

// Actions of package login, whose rows are explained.
const (
	actionSignIn    = "sign_in"
	actionAsked     = "sign_in.asked"
	actionConsent   = "consent"
	actionPostponed = "account.mfa_postponed"
)

// Explains reports whether e is an event of a sign-in, which [Explain] has something to say about.
func Explains(e audit.Entry) bool {
	switch e.Action {
	case actionSignIn, actionAsked, actionConsent, actionPostponed, oauth.EventAuthorized, oauth.EventAuthorizationRefused,
		oauth.EventDeviceAnswered:
		return true
	}
	return e.Detail["flow"] != ""
}

// decides reports whether e tells of a decision of the dispatcher.
func decides(e audit.Entry) bool { return e.Detail["step"] != "" }

// Explain says why the sign-in went that way whose entries these are, as [Actions.SignIn] returns them. What older releases
// recorded has fewer details, and is explained by fewer sentences.
func Explain(entries []audit.Entry) Explanation {
	entries = slices.SortedFunc(slices.Values(entries), func(a, b audit.Entry) int { return cmp.Compare(a.ID, b.ID) })
	out := Explanation{
		Asked: []Sentence{}, Rules: []Sentence{}, Had: []Sentence{}, Steps: []ExplainedStep{}, Outcome: Sentence{ID: "explain.outcome.open"},
	}
	for _, e := range entries {
		out.Subject, out.Client = cmp.Or(out.Subject, e.Subject), cmp.Or(e.Client, out.Client)
		if e.Detail["client_mfa"] != "" || e.Detail["to"] != "" { // each says all of it: the last one is in force
			out.Asked = askedFor(e)
		}
		if decides(e) {
			out.Rules, out.Had = demanded(e), had(e)
		}
		out.Steps = append(out.Steps, ExplainedStep{
			ID: e.ID, At: e.At.UTC(), Action: e.Action, Result: e.Result, What: what(e), Why: why(e),
		})
		if end, ok := outcome(e); ok {
			out.Outcome = end
		}
	}
	return out
}

// String is the explanation in English, a sentence a line.
func (x Explanation) String() string {
	var text strings.Builder
	group := func(title string, sentences []Sentence) {
		if len(sentences) == 0 {
			return
		}
		fmt.Fprintf(&text, "%s\n", Sentence{ID: title})
		for _, s := range sentences {
			fmt.Fprintf(&text, "  %s\n", s)
		}
	}
	group("explain.title.asked", x.Asked)
	group("explain.title.rules", x.Rules)
	group("explain.title.had", x.Had)
	fmt.Fprintf(&text, "%s\n", Sentence{ID: "explain.title.steps"})
	for _, step := range x.Steps {
		fmt.Fprintf(&text, "  %s  %s\n", step.At.Format(time.RFC3339), step.What)
		for _, reason := range step.Why {
			fmt.Fprintf(&text, "      %s\n", reason)
		}
	}
	fmt.Fprintf(&text, "%s\n", x.Outcome)
	return text.String()
}
