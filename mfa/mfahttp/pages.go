package mfahttp

import (
	"html/template"
	"slices"
	"time"

	"github.com/focushq/idp/mfa"
)

// The names of the pages. Whoever implements [Pages] gets one of them with a pointer to its struct.
const (
	PageChallenge     = "mfa"          // *ChallengePage
	PageKey           = "mfa_key"      // *KeyPage
	PagePair          = "mfa_pair"     // *PairPage
	PageRecovery      = "recovery"     // *RecoveryPage
	PageSettings      = "mfa_settings" // *SettingsPage
	PageStart         = "mfa_start"    // *StartPage
	PageScan          = "mfa_scan"     // *ScanPage
	PageCodes         = "mfa_codes"    // *CodesPage
	PageRecoveryCodes = "mfa_recovery" // *RecoveryCodesPage
	PageDone          = "mfa_done"     // *DonePage
	PageAddKey        = "mfa_add_key"  // *AddKeyPage
	PageRemind        = "mfa_remind"   // *RemindPage
)

// Fields that several pages have: Query is an encoded query without "?" that belongs behind the path of every form of
// the page; fields that end in URL are whole URLs; Cancel says that a form to the page's own path with cancel=1 ends
// the sign-in.

// Person says whose sign-in a page belongs to.
type Person struct {
	Account    string // the name of who is signing in; "" outside of a sign-in
	AnotherURL string // where somebody else signs in instead, "" for nowhere

	// Of a page that asks for a second factor alone:

	SignedIn        bool   // they are in already, and asked again
	AppName, AppURL string // the relying party from which they came to a page of the host's own, "" for none
}

// Asking is what the pages have in common that ask for the app's codes or for a passkey. Their forms have remember=1 when the
// box is ticked.
type Asking struct {
	Person
	Query        string
	Own          bool   // it is for a page of the host's own, not for an app
	Insists      bool   // a remembered device spares nobody the second factor here
	Client       string // the app that asks, "" for none
	RememberDays int    // 0: no box
	Problem      *Problem
	RecoveryURL  string // the same step with a recovery code
	Cancel       bool
	Wait         time.Duration // nothing is looked at before; 0: now
}

// ChallengePage asks for a code of the app. Form: POST /mfa with code.
type ChallengePage struct {
	Asking
	Entry   string // the entry to look for in the app: "Issuer: account"
	KeyURL  string // the same step with a passkey, "" without any
	PairURL string // the same step with two codes in a row, "" while there is no need for that
}

// KeyPage asks for a passkey. Form: POST /mfa with ceremony and response, which the script Script fills in with options
// from OptionsURL.
type KeyPage struct {
	Asking     // RecoveryURL is "" for somebody who may Abandon: there are no codes yet
	OptionsURL string
	Script     string // see [PasskeyScript]
	Notice     string // message id of what has just been done, "" for nothing
	CodeURL    string // the same step with a code of the app, "" without an app
	Abandon    bool   // a form to /mfa with abandon=1 removes the first passkey, which has never worked
}

// PairPage asks for two codes, one after the other, which find out how the phone's clock goes. Form: POST /mfa with code1
// and code2.
type PairPage struct {
	Asking
	Entry        string // the entry to look for in the app: "Issuer: account"
	Remaining    int    // seconds until the app shows the next code
	Code1, Code2 string // as they were typed
	BackURL      string // the same step with one code
}

// RecoveryPage asks for a recovery code. Form: POST /mfa with recovery_code.
type RecoveryPage struct {
	Person
	Query     string
	Own       bool // it is for a page of the host's own, not for an app
	Problem   *Problem
	BackURL   string // to the app's code, "" without an app
	KeyURL    string // to the passkey, "" without any
	Client    string // the app that asks, "" for none
	CodesLeft int    // 0: there is nothing to ask for
	Cancel    bool
	Wait      time.Duration
}

// SettingsPage shows what the person has; for somebody without a factor it explains, like [StartPage]. Forms: POST
// /account/mfa/rename with id and name, /remove with id, /off, /devices/forget with id (without: all of them), and
// /enrol/start to add an authenticator; /passkeys/rename with id and name, /passkeys/remove with id. New recovery codes:
// a link to /account/mfa/codes.
type SettingsPage struct {
	Query                  string
	Enrolled               bool
	Authenticators         []mfa.Authenticator
	CodesLeft              int
	Devices                []mfa.Device
	Sealed, RecoverySealed bool // too many wrong codes: none is looked at
	Passkeys               []mfa.Credential
	AddKeyURL              string // to add a passkey, "" where there are none
	KeySealed              bool   // too many wrong passkeys: none is looked at
	RememberDays           int
	BackName, BackURL      string
	Notice                 string // message id of what has just been done, "" for nothing
	DevicesForgotten       bool   // which has ended remembered devices
	RenameID, NewName      string // the one whose new name is the Problem, and what was typed; "" for none
	Forced                 bool   // a sign-in waits for the enrolment
	NextURL                string // on with the sign-in that led here, "" outside of one
	Postpone               time.Time
	Overdue                bool      // a policy lets somebody without a factor into no other page
	Demanded               bool      // a policy asks this person for a factor: what is turned off is asked for again
	DueBy                  time.Time // the day until which it waits for somebody without one; zero: none is set
	Problem                *Problem
}

// lists reports whether one of the page's authenticators and passkeys has this id.
func (p *SettingsPage) lists(id string) bool {
	return find(p.Authenticators, id) != nil ||
		slices.ContainsFunc(p.Passkeys, func(c mfa.Credential) bool { return c.ID == id })
}

// StartPage explains how it works. Form: POST /account/mfa/enrol/start.
type StartPage struct {
	Person            // inside a sign-in, or when Forced
	Query             string
	Enrolled          bool // this will be a further authenticator
	Forced            bool // a sign-in, or a page that a policy keeps closed, waits for the enrolment
	Client            string
	Postpone          time.Time // until when POST /account/mfa/enrol/postpone is possible; zero: it is not
	Overdue           time.Time // when the time to put it off was over; zero: there is time, or there was none
	ReturnURL         string    // a further one inside a sign-in: back to where it was offered
	Cancel            bool
	BackName, BackURL string
	KeyURL            string // to a passkey instead of an app, "" where there are none
	Notice            string // message id of what has just been done, "" for nothing
	Problem           *Problem
}

// AddKeyPage offers to make a passkey. Form: POST /account/mfa/passkeys/add with name, ceremony and response; the script
// Script fills in the last two with options from OptionsURL.
type AddKeyPage struct {
	Person     // inside a sign-in, or when Forced
	Query      string
	OptionsURL string
	Script     string // see [PasskeyScript]
	Name       string // as it was typed; an empty one becomes "Passkey"
	First      bool   // nothing else is enrolled: recovery codes follow
	Forced     bool   // as on a [StartPage]
	Client     string // the app that asks, "" for none
	Cancel     bool
	Problem    *Problem
	BackURL    string // without a passkey: to the settings, or to the explanation with the app
}

// ScanPage shows the key of a pending enrolment.
type ScanPage struct {
	Query          string
	Second         bool          // a further authenticator: no recovery codes follow
	QR             template.HTML // an SVG element with the id qr-image, black on white with its quiet zone
	Key            string        // base32 in groups of four
	KeyRaw         string
	URI            template.URL // otpauth://
	Account        string
	AnotherURL     string // where somebody else signs in instead, when a sign-in waits for a first one; else ""
	Issuer         string
	Type           string // always TOTP
	Algorithm      string // always SHA1
	Digits, Period int    // always 6 and 30 (seconds)
	ExpiresAt      time.Time
	Next           string // URL of the next step
	LeaveURL       string // where somebody goes who gives up: inside a sign-in there is a way on
}

// CodesPage asks for two codes, one after the other. Form: POST /account/mfa/enrol/codes with code1 and code2.
type CodesPage struct {
	Person       // when a sign-in waits for a first one
	Query        string
	Second       bool // a further authenticator: no recovery codes follow
	Problem      *Problem
	Entry        string // the entry to look for in the app: "Issuer: account"
	Remaining    int    // seconds until the app shows the next code
	Code1, Code2 string // as they were typed
	ScanURL      string
	LeaveURL     string // as on a [ScanPage]
}

// RecoveryCodesPage shows recovery codes, this once. Form: POST /account/mfa/enrol/recovery, or /account/mfa/codes for a
// Replacement, with set, and with saved=1 when the person has kept them.
type RecoveryCodesPage struct {
	Query        string
	Codes        []string // in groups of four; no order is meant
	Set          string
	Product      string
	Account      string
	AnotherURL   string // as on a [ScanPage]
	Date         string // 2006-01-02
	DownloadName string
	DownloadURI  template.URL // data: a text file, for browsers without scripts too
	Address      string       // of the sign-in, "" when the host has told none
	Reloaded     bool         // codes that were shown before and not confirmed are void now
	Problem      *Problem
	Replacement  bool   // no part of an app's enrolment; the old codes are good until these are confirmed
	First        bool   // a Replacement of nothing: the first factor was a passkey
	Steps        bool   // which was made just before
	Notice       string // message id of what has just been done, "" for nothing
	CodesLeft    int    // of the old ones, for a Replacement
	LeaveURL     string // where somebody goes who gives up, "" when there is GoOn
	GoOn         string // a form POST to it does that inside a sign-in, without codes or with the old ones; "" when there is LeaveURL
}

// DonePage says that the enrolment is complete.
type DonePage struct {
	Query             string
	Name              string        // the authenticator's
	Second            bool          // a further authenticator, or one beside a passkey
	DevicesForgotten  bool          // remembered devices have ended with it
	Offset            time.Duration // the phone's clock minus ours, when it is worth telling; else 0
	Provisional       bool          // the Offset may be that of slow typing
	BackName, BackURL string
	NextURL           string // on with the sign-in, "" outside of one
	SettingsURL       string // to remove the one that was lost; "" where nothing says that one was
}

// RemindPage says, inside a sign-in, that few recovery codes are left, or that one of them was used just now, which offers
// a new authenticator; with more than [mfa.FewCodes] left and none used it asks whether they are still at hand. Form: POST
// to GoOn.
type RemindPage struct {
	Person
	Query     string
	CodesLeft int
	UsedCode  bool
	NoApp     bool   // they have passkeys only
	Notice    string // message id of what has just been done, "" for nothing
	AddURL    string // to a new authenticator, "" unless UsedCode
	MakeURL   string
	GoOn      string
}
