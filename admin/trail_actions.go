package admin

import (
	"slices"
	"strings"

	"github.com/focushq/idp/audit"
)

// TrailGroup is what an auditor looks for together.
type TrailGroup struct {
	ID      string // its name is the message "trail.group." + ID
	Actions []string
}

// TrailGroups returns every action that the trail may hold, each in one group. Whoever adds an event adds it here, and its words
// as the message "trail." + action; tests compare the list with the source.
func TrailGroups() []TrailGroup {
	return []TrailGroup{
		{"sign_ins", []string{actionSignIn, actionAsked, "sign_out", "session.ended", "console.entered", "return_refused"}},
		{"factors", []string{
			"mfa.enrolled", "mfa.enroll_refused", "mfa.authenticator_added", "mfa.authenticator_renamed", "mfa.authenticator_removed", "mfa.disabled",
			"mfa.codes_replaced", "mfa.passkey_added", "mfa.passkey_renamed", "mfa.passkey_removed", "mfa.reset", actionPostponed,
		}},
		{"codes", []string{
			"mfa.code_accepted", "mfa.code_refused", "mfa.code_replayed", "mfa.clock_wrong", "mfa.recovery_used", "mfa.recovery_refused",
			"mfa.passkey_accepted", "mfa.passkey_refused", "mfa.passkey_cloned", "mfa.throttled", "mfa.warned", "mfa.sealed", "mfa.unsealed", "mfa.unsealable",
		}},
		{"devices", []string{"mfa.device_remembered", "mfa.device_used", "mfa.device_forgotten", "mfa.devices_forgotten"}},
		{"passwords", []string{
			"account.password_set", "account.password_compromised", "account.reset_asked", "account.link_made", "account.link_used",
		}},
		{"people", []string{
			"account.created", "account.updated", "account.role_set", "account.disabled", "account.enabled", "account.deleted", "account.email_verified",
			"account.email_changed", "people.imported", "people.exported",
		}},
		{"apps", []string{
			actionConsent, "oauth.authorized", "oauth.authorization_refused", "oauth.device_answered", "oauth.grants_revoked", "oauth.logout_noticed",
			"oauth.logout_notice_failed",
		}},
		{"tokens", []string{"oauth.token_issued", "oauth.token_refused", "oauth.token_revoked", "oauth.code_reused", "oauth.refresh_reused"}},
		{"clients", []string{
			"oauth.client_created", "oauth.client_updated", "oauth.client_deleted", "oauth.client_secret_rotated", "oauth.client_secret_ended",
			"oauth.registration_token_created",
		}},
		{"settings", []string{
			"account.groups_set", "account.policy_set", "brand.set", "mail.tried", "oauth.key_created", "oauth.key_revoked", "keyset.rotated",
			"keyset.resealed",
		}},
		{"administration", []string{EventRefused, EventTrailExported, "audit.pruned", "backup.made", "backup.restored"}},
	}
}

// trailGroup returns the actions of a group, nil when there is none of that id.
func trailGroup(id string) []string {
	groups := TrailGroups()
	at := slices.IndexFunc(groups, func(g TrailGroup) bool { return g.ID == id })
	if at < 0 {
		return nil
	}
	return groups[at].Actions
}

// TrailWords says what e is about, for people and administrators alike: who did it stands beside it, and so may the name of a
// factor (Detail "name").
func TrailWords(e audit.Entry) Sentence {
	switch {
	case e.Action == actionSignIn && isKnown("sign_in", e.Result):
		if kind := refusedKind(e); kind != "" {
			return say("trail.sign_in." + kind)
		}
		if (e.Result == "password" || e.Result == "passkey") && e.Detail["browser"] == "new" {
			return say("trail.sign_in." + e.Result + "_new")
		}
		return say("trail.sign_in." + e.Result)
	case e.Action == actionAsked && isKnown("step", e.Result):
		return say("explain.asks." + e.Result)
	case e.Action == actionConsent && isKnown("consent", e.Result):
		return say("trail.consent." + e.Result)
	case e.Action == "account.password_set" && e.Result == "refused":
		return say("trail.account.password_refused")
	case e.Action == "oauth.device_answered" && isKnown("answer", e.Detail["answer"]):
		return say("trail.oauth.device_" + e.Detail["answer"])
	case !listed(e.Action):
		return say("trail.other", "Action", strings.TrimSpace(e.Action+" "+e.Result))
	}
	return say("trail." + e.Action)
}

// refusedKind names the sign-in that was refused otherwise than by a wrong password, "" for every other row.
func refusedKind(e audit.Entry) string {
	switch {
	case e.Result != "refused":
		return ""
	case e.Detail["cause"] == "disabled":
		return "refused_disabled"
	case e.Detail["with"] == "passkey":
		return "refused_passkey"
	}
	return ""
}

// RefusedFactor reports whether e is a second factor that was refused, or not looked at: whoever gave it has shown no more than the
// password of the person whom the trail names.
func RefusedFactor(e audit.Entry) bool {
	switch e.Action {
	case "mfa.code_refused", "mfa.code_replayed", "mfa.clock_wrong", "mfa.recovery_refused", "mfa.passkey_refused", "mfa.passkey_cloned", "mfa.throttled",
		"mfa.warned", "mfa.sealed":
		return true
	}
	return false
}

func listed(action string) bool {
	return slices.ContainsFunc(TrailGroups(), func(g TrailGroup) bool { return slices.Contains(g.Actions, action) })
}
