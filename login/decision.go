package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
)

// Told is what nothing is decided by, and what the trail keeps beside the facts.
type Told struct {
	Policy    string   // by what PolicyMFA is demanded: role, everybody, groups
	Groups    []string // of the person's, that it names
	Factors   []string // that are enrolled: totp, and the names of others
	CodesLeft int      // recovery codes
	Device    Device
}

// Device says what became of the remembered device of a sign-in that it could have spared the factor.
type Device string

// What may have become of it; "" where there is nothing to spare.
const (
	DeviceCounts  Device = "remembered"
	DeviceNone    Device = "none"     // the browser has none of this person's
	DeviceBad     Device = "not_good" // it came with one that is over, forgotten or copied
	DeviceOff     Device = "off"      // no device is remembered here
	DeviceIgnored Device = "ignored"  // the client does not let it count: nobody looked
)

// eventAsked is the action of the audit row of a step that somebody who is signed in has to take. Its result is the step.
const eventAsked = "sign_in.asked"

// stepNames are the steps as the trail calls them. Names stay.
var stepNames = map[Step]string{
	Password: "password", SecondFactor: "second_factor", NewPassword: "new_password", Enroll: "enroll", Refuse: "refuse",
	Consent: "consent", Remind: "remind", Issue: "issue",
}

// flowOf names a sign-in in the trail by the id of its suspended request, which it does not show.
func flowOf(request string) string {
	if request == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("flow " + request))
	return hex.EncodeToString(sum[:8])
}

// inFlow makes what is recorded in ctx a part of req's sign-in.
func inFlow(ctx context.Context, req *oauth.Request) context.Context {
	return audit.WithFlow(audit.WithClient(ctx, req.Client().ID), flowOf(req.ID))
}

// asked returns what the trail keeps of what req's client wants, at the request and by its settings.
func asked(req *oauth.Request) map[string]string {
	out := map[string]string{
		"client_mfa": needNames[need(req.Client().MFA)], "prompt": strings.Join(req.Prompt(), " "),
		"acr_values": strings.Join(req.ACRValues(), " "), "scope_asked": strings.Join(req.Scopes(), " "),
	}
	if req.MaxAge() >= 0 {
		out["max_age"] = strconv.FormatInt(int64(req.MaxAge()/time.Second), 10)
	}
	if req.EssentialACR() {
		out["acr_essential"] = "true"
	}
	return compact(out)
}

var needNames = map[Need]string{Optional: "optional", Required: "required", Always: "always"}

// decided returns what the trail keeps of a decision: the step and its rule, what the client wants, the facts that it was
// made from, and what a token says, or would say, of the sign-in so far.
func (f *Flow) decided(req *oauth.Request, s State, who *person, step Step, rule Rule) map[string]string {
	out := asked(req)
	out["flow"], out["step"], out["rule"] = flowOf(req.ID), stepNames[step], string(rule)
	if who == nil {
		return compact(out)
	}
	out["session"], out["auth_time"], out["factor_at"] = who.session.ID, instant(s.AuthTime), instant(s.FactorAt)
	out["amr"], out["acr"] = strings.Join(who.session.AMR, " "), f.acr(req, who.session.AMR)
	out["factors"], out["device"] = strings.Join(s.Told.Factors, " "), string(s.Told.Device)
	if s.Enrolled {
		out["codes_left"] = strconv.Itoa(s.Told.CodesLeft)
	}
	if s.PolicyMFA {
		out["policy"], out["policy_groups"] = s.Told.Policy, strings.Join(s.Told.Groups, " ")
		out["grace_until"] = instant(s.GraceEnds)
	}
	return compact(out)
}

// wanted returns what the trail keeps of what a step of r is for: what an app wants that waits, or the page of ours that comes
// after it. Rule is why the step was asked for, if that stands in no other row.
func (f *Flow) wanted(r *http.Request, rule Rule) map[string]string {
	req := f.waiting(r)
	if req == nil {
		to, _, _ := strings.Cut(local(r.URL.Query().Get("to")), "?")
		return map[string]string{"to": to}
	}
	out := asked(req)
	if rule != "" {
		out["rule"] = string(rule)
	}
	return out
}

// passwordRule returns why req asks for a password, "" when whoever is signed in gives one though it does not.
func (f *Flow) passwordRule(req *oauth.Request, who *person) Rule {
	s := State{Asked: req.Asked, Prompt: req.Prompt(), MaxAge: req.MaxAge()}
	if who != nil {
		hint := req.HintSubject()
		s.AuthTime, s.OtherSubject = who.session.AuthTime, hint != "" && hint != who.account.Subject
	}
	return s.password(f.Now())
}

// compact removes what says nothing.
func compact(detail map[string]string) map[string]string {
	for name, value := range detail {
		if value == "" {
			delete(detail, name)
		}
	}
	return detail
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// demandedBy notes what of rules demands a factor of a.
func (t *Told) demandedBy(rules account.Policy, a *account.Account) {
	switch {
	case a.Role() != "":
		t.Policy = "role"
	case rules.MFARequired == account.MFAEverybody:
		t.Policy = account.MFAEverybody
	default:
		t.Policy = account.MFAGroups
		for _, name := range a.Groups {
			if slices.Contains(rules.MFARequiredGroups, name) {
				t.Groups = append(t.Groups, name)
			}
		}
	}
}

// tell leaves a decision with req, for the event of its answer.
func (f *Flow) tell(req *oauth.Request, s State, who *person, step Step, rule Rule) {
	if who != nil {
		req.Tell(who.account.Subject, f.decided(req, s, who, step, rule))
	}
}

// demands records that a page comes first, and why, if it is known who is to see it: of strangers nothing is kept before
// they have shown who they are, or anybody could fill the trail.
func (f *Flow) demands(r *http.Request, req *oauth.Request, s State, who *person, step Step, rule Rule) error {
	if who == nil {
		return nil
	}
	return f.Audit.Record(inFlow(r.Context(), req), audit.Event{
		Action: eventAsked, Actor: who.account.Subject, Subject: who.account.Subject, Result: stepNames[step],
		Detail: f.decided(req, s, who, step, rule),
	})
}
