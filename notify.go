package idp

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mileusna/useragent"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/oauth"
	"github.com/focushq/idp/templates"
)

// letters says which events a person is told by mail, and by which one.
var letters = map[mfa.Kind]string{
	mfa.Enrolled: "mfa_on", mfa.Disabled: "mfa_off",
	mfa.AuthenticatorAdded: "authenticator_added", mfa.AuthenticatorRemoved: "authenticator_removed",
	mfa.CodesReplaced: "codes_replaced", mfa.RecoveryUsed: "recovery_used", mfa.DeviceRemembered: "device_remembered",
	"passkey_added": "passkey_added", "passkey_removed": "passkey_removed", "passkey_cloned": "passkey_cloned",
	mfa.WasReset: "mfa_reset", mfa.Warned: "warned", mfa.Sealed: "sealed", mfa.Unsealed: "unsealed",
}

// factorChanged records what happened to a factor and tells the person, in the transaction of the change. The figures
// count it even if that is undone: they are no audit log.
func (p *IdP) factorChanged(ctx context.Context, e mfa.Event) error {
	p.db.AfterCommit(ctx, func() { p.figures.factor(string(e.Kind)) }) // what is written may be tried twice
	event := audit.Event{Action: "mfa." + string(e.Kind), Subject: e.Subject, Detail: e.Detail}
	if e.Kind == mfapasskey.Name+"_accepted" { // until then it was anybody
		event.Actor = e.Subject
	}
	if err := p.Audit.Record(ctx, event); err != nil {
		return err
	}
	if err := p.keepFactors(ctx, e); err != nil {
		return err
	}
	copied := e.Kind == mfa.DeviceForgotten && e.Detail["cause"] == "reused"
	if copied { // two browsers had one cookie, and both the right password: one of them may be somebody else's
		if err := p.Actions().End(ctx, e.Subject); err != nil {
			return err
		}
	}
	letter, ok := letters[e.Kind]
	if !ok && !copied && !clockMoved(e) {
		return nil
	}
	factor := e.Detail["factor"]
	switch {
	case copied:
		letter = "device_copied"
	case !ok:
		letter = "clock_moved"
	case e.Kind == mfa.WasReset && e.Detail["enrolled"] == "false":
		return nil // there was nothing to take away
	case e.Kind == mfa.CodesReplaced && e.Detail["first"] != "":
		letter = "codes_made"
	case e.Kind == "passkey_added" && e.Detail["first"] != "":
		return nil // the letter that MFA is on says so, in the same transaction
	case factor == "recovery" && e.Kind != mfa.Unsealed, factor == mfapasskey.Name && (e.Kind == mfa.Enrolled || e.Kind == mfa.Warned || e.Kind == mfa.Sealed):
		letter += "_" + factor // another way out leads from there
	}
	left, err := strconv.Atoi(e.Detail["left"])
	switch {
	case e.Kind == mfa.RecoveryUsed && err == nil && left == 0:
		letter += "_last"
	case e.Kind == mfa.Disabled:
		demanded, err := p.demandsMFA(ctx, e.Subject)
		if err != nil {
			return err
		}
		if demanded { // the password alone is not enough for long
			letter += "_demanded"
		}
	}
	return p.tell(ctx, e.Subject, letter, templates.Letter{
		When: e.At, Name: e.Detail["name"], Left: left, Reason: e.Detail["reason"], Life: time.Duration(p.cfg.MFA.RememberDevice),
	})
}

// clockMoved reports whether two codes in a row were taken that say another time than the phone was known to have. Whoever
// reads codes off somebody's screen gets further by that; a step more or less is slow typing.
func clockMoved(e mfa.Event) bool {
	if e.Kind != mfa.CodeAccepted || e.Detail["pair"] == "" {
		return false
	}
	now, err := time.ParseDuration(e.Detail["offset"])
	before, failed := time.ParseDuration(e.Detail["before"])
	return err == nil && failed == nil && (now-before).Abs() > mfa.Period
}

// demandsMFA reports whether the policy asks this person for a factor.
func (p *IdP) demandsMFA(ctx context.Context, subject string) (bool, error) {
	a, err := p.Accounts.BySubject(ctx, subject)
	if errors.Is(err, account.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rules, err := p.Accounts.Policy(ctx)
	if err != nil {
		return false, err
	}
	demanded, _ := p.Accounts.MFAGrace(a, rules)
	return demanded, nil
}

// accountChanged does the same for what happened to an account.
func (p *IdP) accountChanged(ctx context.Context, e account.Event) error {
	event := audit.Event{Action: e.Kind, Subject: e.Subject, Detail: e.Detail}
	if e.Kind == account.EventResetAsked { // by somebody who typed that name
		event.Actor = audit.Anonymous
		p.post(ctx)
	}
	if e.Kind == account.EventPolicySet {
		if err := p.rules.changed(ctx); err != nil {
			return err
		}
	}
	err := p.Audit.Record(ctx, event)
	letter, ok := map[string]string{
		account.EventPasswordSet: "password_changed", account.EventCompromised: "password_compromised",
	}[e.Kind]
	if err == nil && e.Kind == account.EventEmailChanged { // whoever took the account over has changed it for that
		return p.addressChanged(ctx, e)
	}
	if err != nil || !ok {
		return err
	}
	return p.tell(ctx, e.Subject, letter, templates.Letter{When: p.now(), Reason: e.Detail["reason"]})
}

// addressChanged writes to the address that was replaced, and to the new one if there is one.
func (p *IdP) addressChanged(ctx context.Context, e account.Event) error {
	letter := templates.Letter{When: p.now()}
	if err := p.tell(ctx, e.Subject, "email_changed", letter); err != nil {
		return err
	}
	return p.write(ctx, e.Subject, e.Former, "email_changed", letter)
}

// actor says who did what happens without the person's browser: the client, whoever came with something of its own, or the
// provider itself, which tells clients of logouts. "" for what the person or an administrator did.
func actor(e oauth.Event) string {
	switch e.Kind {
	case oauth.EventTokenIssued, oauth.EventTokenRevoked:
		return e.Client
	case oauth.EventLogoutNoticed, oauth.EventLogoutUnnoticed:
		return audit.Server
	case oauth.EventTokenRefused, oauth.EventCodeReused, oauth.EventRefreshReused:
		return audit.Anonymous
	}
	return ""
}

// oauthHappened records what clients did, and tells the person when somebody else may have their token.
func (p *IdP) oauthHappened(ctx context.Context, e oauth.Event) error {
	err := p.Audit.Record(ctx, audit.Event{Action: e.Kind, Actor: actor(e), Subject: e.Subject, Client: e.Client, Detail: e.Detail})
	if err != nil || e.Kind != oauth.EventRefreshReused {
		return err
	}
	name := e.Client
	if client, err := p.OAuth.Clients().Get(ctx, e.Client); err == nil {
		name = client.Name
	}
	return p.tell(ctx, e.Subject, "app_ended", templates.Letter{When: p.now(), Name: name})
}

// newBrowser tells somebody that they signed in where they had not before (NIST SP 800-63B-4 section 4.6, OWASP ASVS 5.0
// requirement 6.3.5).
func (p *IdP) newBrowser(ctx context.Context, who *account.Account, with string) error {
	letter := "new_browser"
	if with == mfapasskey.Name {
		letter += "_passkey"
	}
	return p.tell(ctx, who.Subject, letter, templates.Letter{When: p.now()})
}

// tell puts a letter to the person into the outbox: sent only if the change is committed, and never in its way.
func (p *IdP) tell(ctx context.Context, subject, name string, letter templates.Letter) error {
	return p.write(ctx, subject, "", name, letter)
}

// write is tell to another address than the person's own.
func (p *IdP) write(ctx context.Context, subject, address, name string, letter templates.Letter) error {
	if !p.mailing {
		p.untold.Store(true)
		return nil
	}
	a, err := p.Accounts.BySubject(ctx, subject)
	if errors.Is(err, account.ErrNotFound) {
		return nil
	}
	if err == nil && a.Disabled && letter.Reason == admin.Deleted {
		return nil // that letter would ask to set MFA up again
	}
	if err != nil {
		return err
	}
	if address = cmp.Or(address, a.Email); address == "" {
		return nil
	}
	message, err := p.compose(ctx, a, address, name, letter)
	if err != nil {
		return err
	}
	err = p.outbox.Put(ctx, message)
	p.post(ctx)
	if errors.Is(err, mail.ErrInvalid) { // an address that no server takes must not keep its owner from a change
		p.log.WarnContext(ctx, "no mail to this address", "subject", subject, "letter", name, "error", err)
		return nil
	}
	return err
}

// compose writes the letter called name to a, at an address.
func (p *IdP) compose(ctx context.Context, a *account.Account, address, name string, letter templates.Letter) (mail.Message, error) {
	request := audit.RequestOf(ctx)
	browser := useragent.Parse(request.Agent)
	letter.Account, letter.Person = a.Username, a.Name
	letter.Address, letter.URL = request.Address, p.cfg.PublicURL+"/account"
	letter.Browser, letter.System = browser.Name, browser.OS
	letter.Language = language(a, request)
	title, text, html, err := p.pages.Mail(ctx, name, letter)
	if err != nil {
		return mail.Message{}, fmt.Errorf("idp: mail %s: %w", name, err)
	}
	return mail.Message{To: address, Subject: title, Text: text, HTML: html}, nil
}

// tryMail sends a letter to the person of subject at once, beside the outbox, and tells how that went.
func (p *IdP) tryMail(ctx context.Context, subject string) (mail.Trial, error) {
	if !p.mailing {
		return mail.Trial{}, admin.ErrNoMail
	}
	a, err := p.Accounts.Active(ctx, subject)
	if err != nil {
		return mail.Trial{}, err
	}
	if a.Email == "" {
		return mail.Trial{}, admin.ErrNoAddress
	}
	message, err := p.compose(ctx, a, a.Email, "trial", templates.Letter{When: p.now()})
	if err != nil {
		return mail.Trial{}, err
	}
	message.ID, message.At = strings.ToLower(rand.Text()), p.now()
	return mail.Try(ctx, p.outbox.Sender, message), nil
}

// ProbeMail connects to the mail server and signs in, within 20 seconds, and sends nothing. It reports false where no mail is
// sent at all.
func (p *IdP) ProbeMail(ctx context.Context) (mail.Trial, bool) {
	if !p.mailing {
		return mail.Trial{}, false
	}
	return mail.Probe(ctx, p.outbox.Sender), true
}

// Untold reports whether people would have been told something by mail since the start, had smtp_url been set.
func (p *IdP) Untold() bool { return p.untold.Load() }

// language returns what a person is written in: what their profile says, else what the browser asked for in which it was
// done. Another one's browser, an administrator's, says nothing about them.
func language(a *account.Account, request audit.Request) string {
	if locale, ok := a.Profile["locale"].(string); ok {
		return locale
	}
	if request.Actor == "" || request.Actor == audit.Anonymous || request.Actor == a.Subject {
		return request.Language
	}
	return ""
}
