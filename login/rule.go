package login

// Rule says by which of its rules [Choose] chose a step. The trail keeps it: names stay.
type Rule string

// The rules, in the order in which they are looked at.
const (
	ByNobody        Rule = "not_signed_in"         // Password
	ByOtherSubject  Rule = "other_subject"         // Password: id_token_hint or the claim sub names somebody else
	ByPromptLogin   Rule = "prompt_login"          // Password
	ByPromptSelect  Rule = "prompt_select_account" // Password
	ByMaxAge        Rule = "max_age"               // Password
	ByAlways        Rule = "client_always"         // SecondFactor, Enroll: the client's setting, whatever is remembered
	ByACR           Rule = "acr"                   // SecondFactor, Enroll: the client asked for aal2
	ByNewBrowser    Rule = "not_remembered"        // SecondFactor
	ByCompromised   Rule = "compromised"           // NewPassword
	ByRequired      Rule = "client_required"       // Enroll: the client's setting
	ByPolicy        Rule = "policy"                // Enroll
	ByExcluded      Rule = "excluded"              // Refuse
	ByPromptConsent Rule = "prompt_consent"        // Consent
	ByAskAlways     Rule = "ask_always"            // Consent: this client's people are asked each time
	ByUndecided     Rule = "undecided"             // Consent
	ByFewCodes      Rule = "few_codes"             // Remind
	ByUsedCode      Rule = "used_code"             // Remind
	ByOldCodes      Rule = "old_codes"             // Remind
	ByFactor        Rule = "factor_given"          // Issue
	ByRemembered    Rule = "remembered"            // Issue: the device stands for the factor
	ByGrace         Rule = "grace"                 // Issue: the policy demands a factor, and leaves time
	ByNoDemand      Rule = "no_factor_demanded"    // Issue: there is none, and nobody demands one
)
