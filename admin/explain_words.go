package admin

import (
	"strconv"
	"strings"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
)

// say makes a sentence; args come as name, value, name, value…
func say(id string, args ...any) Sentence {
	s := Sentence{ID: id}
	for i := 0; i+1 < len(args); i += 2 {
		if s.Args == nil {
			s.Args = map[string]any{}
		}
		s.Args[args[i].(string)] = args[i+1]
	}
	return s
}

// known are the values of details that have a sentence of their own. What is not among them comes from another release.
var known = map[string]string{
	"prompt": "none login select_account consent",
	"mfa":    "optional required always",
	"policy": "role everybody groups",
	"factor": "totp passkey",
	"device": "remembered none not_good off ignored",
	"step":   "password second_factor new_password enroll consent remind",
	"rule": "not_signed_in other_subject prompt_login prompt_select_account max_age client_always acr not_remembered compromised client_required " +
		"policy excluded prompt_consent ask_always undecided few_codes used_code old_codes factor_given remembered grace no_factor_demanded",
	"sign_in": "password passkey factor refused",
	"consent": "allowed denied",
	"answer":  "allowed refused",
	"mfa.": "code_accepted code_refused code_replayed clock_wrong passkey_accepted passkey_refused recovery_used recovery_refused throttled " +
		"warned sealed device_used device_remembered device_forgotten enrolled codes_replaced enroll_refused",
}

func isKnown(kind, value string) bool {
	for _, each := range strings.Fields(known[kind]) {
		if each == value {
			return true
		}
	}
	return false
}

// askedFor says what the app wanted, or which page of ours.
func askedFor(e audit.Entry) (out []Sentence) {
	if page := e.Detail["to"]; page != "" {
		return []Sentence{say("explain.asked.page", "Page", page)}
	}
	for _, value := range strings.Fields(e.Detail["prompt"]) {
		if isKnown("prompt", value) {
			out = append(out, say("explain.asked."+value))
		}
	}
	if age, err := strconv.ParseInt(e.Detail["max_age"], 10, 64); err == nil {
		if age == 0 {
			out = append(out, say("explain.asked.max_age_0"))
		} else {
			out = append(out, say("explain.asked.max_age", "Age", time.Duration(age)*time.Second, "Seconds", age))
		}
	}
	if values := e.Detail["acr_values"]; values != "" {
		id := "explain.asked.acr"
		if e.Detail["acr_essential"] != "" {
			id = "explain.asked.acr_essential"
		}
		out = append(out, say(id, "Values", values))
	}
	if scopes := e.Detail["scope_asked"]; scopes != "" {
		out = append(out, say("explain.asked.scopes", "Scopes", scopes))
	}
	return out
}

// demanded says what the app's settings and the policy demand of everybody in this person's place.
func demanded(e audit.Entry) (out []Sentence) {
	if setting := e.Detail["client_mfa"]; isKnown("mfa", setting) {
		out = append(out, say("explain.client."+setting))
	}
	policy := e.Detail["policy"]
	if !isKnown("policy", policy) {
		return append(out, say("explain.policy.none"))
	}
	out = append(out, say("explain.policy."+policy, "Groups", e.Detail["policy_groups"]))
	if until, err := time.Parse(time.RFC3339, e.Detail["grace_until"]); err == nil {
		id := "explain.policy.until"
		if !e.At.Before(until) {
			id = "explain.policy.over"
		}
		out = append(out, say(id, "Until", until))
	}
	return out
}

// had says which factors the person had.
func had(e audit.Entry) (out []Sentence) {
	for _, name := range strings.Fields(e.Detail["factors"]) {
		if isKnown("factor", name) {
			out = append(out, say("explain.had."+name))
		} else {
			out = append(out, say("explain.had.other", "Name", name))
		}
	}
	if len(out) == 0 {
		return []Sentence{say("explain.had.nothing")}
	}
	if left, err := strconv.Atoi(e.Detail["codes_left"]); err == nil {
		out = append(out, say("explain.had.codes", "Count", left))
	}
	return out
}

// what says what happened.
func what(e audit.Entry) Sentence {
	kind, isFactor := strings.CutPrefix(e.Action, "mfa.")
	switch {
	case e.Action == actionSignIn && isKnown("sign_in", e.Result):
		if kind := refusedKind(e); kind != "" {
			return say("explain.did." + kind)
		}
		return say("explain.did." + e.Result)
	case e.Action == actionAsked && isKnown("step", e.Result):
		return say("explain.asks." + e.Result)
	case e.Action == actionConsent && isKnown("consent", e.Result):
		return say("explain.did." + e.Result)
	case e.Action == actionPostponed:
		return say("explain.did.postponed")
	case e.Action == oauth.EventAuthorized:
		return say("explain.did.authorized", "Scopes", e.Detail["scope"])
	case e.Action == oauth.EventAuthorizationRefused && e.Detail["error"] != "":
		return say("explain.did.authorization_refused", "Error", e.Detail["error"])
	case isFactor && isKnown("mfa.", kind):
		return say("explain.did." + kind)
	}
	return say("explain.did.other", "Action", strings.TrimSpace(e.Action+" "+e.Result))
}

// why says what the event followed from.
func why(e audit.Entry) []Sentence {
	out := []Sentence{}
	rule := e.Detail["rule"]
	if isKnown("rule", rule) {
		out = append(out, say("explain.why."+rule, "Values", e.Detail["acr_values"]))
	}
	if e.Detail["cause"] == "cancelled" {
		out = append(out, say("explain.why.cancelled"))
	}
	if !decides(e) {
		return out
	}
	// Said by the rule already, or by what the client wants.
	if device := e.Detail["device"]; isKnown("device", device) && device != "remembered" {
		out = append(out, say("explain.device."+device))
	}
	if at, err := time.Parse(time.RFC3339, e.Detail["auth_time"]); err == nil {
		out = append(out, say("explain.session.age", "Age", lasted(e.At.Sub(at)), "At", at))
	}
	if amr := e.Detail["amr"]; amr != "" {
		id := "explain.session.so_far"
		if e.Action == oauth.EventAuthorized {
			id = "explain.session.told"
		}
		out = append(out, say(id, "AMR", amr, "ACR", e.Detail["acr"], "AuthTime", e.Detail["auth_time"]))
	}
	return out
}

// outcome says how the sign-in ended, if e is its end, or how it would have been the last that is known.
func outcome(e audit.Entry) (Sentence, bool) {
	switch e.Action {
	case oauth.EventAuthorized:
		return say("explain.outcome.authorized", "ACR", e.Detail["acr"], "AMR", e.Detail["amr"]), true
	case oauth.EventAuthorizationRefused:
		step := e.Detail["step"]
		switch {
		case e.Detail["cause"] == "cancelled":
			return say("explain.outcome.cancelled"), true
		case isKnown("step", step) && strings.Contains(e.Detail["prompt"], "none"):
			return say("explain.outcome.silent_"+step, "Error", e.Detail["error"]), true
		}
		return say("explain.outcome.refused", "Error", e.Detail["error"]), true
	case oauth.EventDeviceAnswered:
		if e.Detail["answer"] == "refused" {
			return say("explain.outcome.device_refused"), true
		}
	case actionAsked:
		if isKnown("step", e.Result) {
			return say("explain.outcome.open_" + e.Result), true
		}
	case actionSignIn:
		if e.Detail["to"] != "" && e.Result != "refused" {
			return say("explain.outcome.page", "Page", e.Detail["to"]), true
		}
	}
	return Sentence{}, false
}

// lasted is d as people say it, who round down.
func lasted(d time.Duration) time.Duration {
	if d < 2*time.Minute {
		return max(0, d.Truncate(time.Second))
	}
	return d.Truncate(time.Minute)
}
