package mfahttp

import (
	"fmt"
	"strings"
	"time"
)

// plainSentence words a problem in English.
func plainSentence(p *Problem) (string, error) {
	sentence := map[string]string{
		"code.malformed": "A code has 6 digits. Enter it as the app shows it.",
		"code.wrong":     "This code is not right. Enter the one that the app shows now for this entry.",
		"code.replayed":  "This code was used before. Wait for the next one.",
		"code.clock": "This code was right some time ago: your phone's clock is {Offset}. Let the phone set its clock " +
			"automatically, then enter a new code.",
		"code.sealed": "After too many wrong codes, codes of the app are not accepted any more. Sign in with a recovery code.",

		"recovery.malformed": "A recovery code has 16 letters and digits. Enter it as it stands on your list.",
		"recovery.wrong":     "This is none of your unused recovery codes. Each works once: try another one.",
		"recovery.none":      "You have no recovery code left. Use another way to sign in.",
		"recovery.sealed":    "After too many wrong tries, recovery codes are not accepted any more. Use your app or passkey.",
		"throttled":          "Too many tries.",

		"key.refused":   "This passkey was not accepted. Use another one that you have added here.",
		"key.cloned":    "This passkey was not accepted: there seems to be a copy of it. Remove it in the settings, and add a new one.",
		"key.ceremony":  "That took too long, or was sent already. Try again.",
		"key.malformed": "Your browser sent no passkey. Try again.",
		"key.sealed":    "After too many wrong tries, passkeys are not accepted any more. Sign in with a recovery code.",
		"key.taken":     "This passkey is known already.",
		"key.in_use":    "This passkey has worked, or is not all that you have: it stays. Use it, or choose another way.",
		"key.too_many":  "You have {Max} passkeys, which is as many as there can be. Remove one first.",

		"pair.malformed": "A code has 6 digits. Enter both as the app shows them.",
		"pair.same":      "Both codes are the same. Enter the first one, wait for the app to show another, and enter that.",
		"pair.swapped":   "The codes are in the wrong order: the older one comes first.",
		"pair.wrong":     "These are not two codes of this entry. Look for it in the app, and enter two new ones.",
		"pair.replayed":  "These codes were used before. Enter two new ones.",
		"pair.clock": "Your phone's clock is {Offset}, which is too much. Let the phone set its clock automatically, then " +
			"enter two new codes.",
		"pair.one":    "Only one more code is looked at, so two at once are too many. Enter one code.",
		"pair.sealed": "After too many wrong codes, codes of the app are not accepted any more. Sign in with a recovery code.",

		"enrol.malformed":       "A code has 6 digits. Enter both as the app shows them.",
		"enrol.same":            "Both codes are the same. Enter the first one, wait for the app to show another, and enter that.",
		"enrol.swapped":         "The codes are in the wrong order: the older one comes first.",
		"enrol.gap":             "Between these two codes there was another one. Enter two in a row.",
		"enrol.field1":          "The current code is not right, the next one is. Enter two new codes.",
		"enrol.field2":          "The current code is right, the next one is not. Enter two new codes.",
		"enrol.wrong_entry":     "Neither code belongs to this entry. Look for “{Name}” in the app, or scan the QR code again.",
		"enrol.other_entry":     "These codes belong to “{Other}”. Use the entry that you have just added.",
		"enrol.other_abandoned": "These codes belong to “{Other}”, which you did not finish. Delete it and use the newest entry.",
		"enrol.clock": "Your phone's clock is {Offset}, which is too much. Let the phone set its clock automatically, then " +
			"enter two new codes.",
		"enrol.unsaved": "The box was not ticked, so nothing is confirmed. Codes can't be shown twice: these are new ones, and what you have " +
			"saved before is void. Save these, then tick the box.",
		"enrol.replaced":  "This page was opened once more, which made new codes. Save these instead.",
		"enrol.expired":   "The time to set this up is over, and nothing has changed. Start again.",
		"enrol.not_found": "This is not being set up any more. Start again.",
		"enrol.too_many":  "You have {Max} authenticators, which is as many as there can be. Remove one first.",

		"settings.name":       "Enter a short name that none of your other authenticators has.",
		"settings.name_taken": "Another passkey of yours has that name.",
		"settings.not_found":  "It is gone already.",
	}[strings.TrimPrefix(p.ID, "problem.")]
	if sentence == "" {
		return "", fmt.Errorf("mfahttp: no plain words for %s", p.ID)
	}
	for name, value := range p.Args {
		text := fmt.Sprint(value)
		if offset, ok := value.(time.Duration); ok && name == "Offset" {
			text = plainOffset(offset)
		}
		sentence = strings.ReplaceAll(sentence, "{"+name+"}", text)
	}
	if left, ok := p.Args["Left"].(int); ok {
		sentence += fmt.Sprintf(" Tries left before a pause: %d.", left)
	}
	if single, _ := p.Args["Single"].(bool); single {
		sentence += " Two more at once must wait now: enter one code, for which you have one try."
	}
	if wait, ok := p.Args["Wait"].(time.Duration); ok {
		sentence += " Wait " + plainDuration(wait) + " before the next try."
	}
	return sentence, nil
}

// plainNotice words what has just been done; an id that is not known says nothing: it comes from a cookie.
func plainNotice(id string) string {
	return map[string]string{
		"codes_replaced": "Your new recovery codes are good, the old ones are void.", "renamed": "The name is changed.",
		"removed": "The authenticator is removed.", "off": "Multi-factor authentication is off.",
		"device_forgotten": "That browser is forgotten.", "devices_forgotten": "All browsers are forgotten.",
		"key_added": "The passkey is added.", "key_removed": "The passkey is removed.",
		"key_try":       "The passkey is added. Use it now, to see that it works.",
		"added":         "The authenticator is added.",
		"key_abandoned": "The passkey is removed. Multi-factor authentication is off, as it was before.",
		"key_on":        "Multi-factor authentication is on, and your recovery codes are good.",
		"again":         "Please choose again.",
	}[strings.TrimPrefix(id, "notice.")]
}

// plainOffset says how a phone's clock goes.
func plainOffset(offset time.Duration) string {
	if offset < 0 {
		return plainDuration(-offset) + " behind"
	}
	return plainDuration(offset) + " ahead"
}

func plainDuration(d time.Duration) string {
	n, unit := int(d/time.Second), "second"
	if n >= 120 {
		n, unit = (n+59)/60, "minute"
	}
	if n >= 120 && unit == "minute" {
		n, unit = (n+59)/60, "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
