package templates

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"strings"
	text "text/template"
	"time"
)

// Letter is the data of a mail: what happened to an account, when and from where. It has no field for a secret, and
// Link is for the mails that exist to carry one ("reset", "invite").
type Letter struct {
	Account string    // user name
	Person  string    // full name, by which the reader is greeted; "": by the user name
	When    time.Time // of the event
	Browser string    // "" when nobody's browser did it
	System  string
	Address string        // IP address
	URL     string        // the account's page, to look for oneself; it does nothing by being opened
	Name    string        // of the authenticator, the passkey or the app
	Left    int           // recovery codes left
	Life    time.Duration // how long the device is remembered, or the link is good
	Reason  string        // an administrator's
	Link    string

	// Language is what the reader prefers, in the form of Accept-Language; where there is nothing in it: English.
	Language string
}

// Greeted is what the reader is called. A name that a mail program could make a link of is nobody's.
func (l Letter) Greeted() string {
	if l.Person == "" || strings.ContainsAny(l.Person, `<>@:/\`) || strings.Contains(strings.ToLower(l.Person), "www.") {
		return l.Account
	}
	return l.Person
}

// mails are the sentences and templates of mails, in more languages than the pages.
type mails struct {
	texts *catalogue
	text  map[string]*text.Template     // by language
	html  map[string]*template.Template // likewise
}

func (s *Set) parseMails(files layered) (*mails, error) {
	texts, err := loadCatalogue(files, pageMessages, mailMessages)
	if err != nil {
		return nil, err
	}
	m := &mails{texts, map[string]*text.Template{}, map[string]*template.Template{}}
	for _, lang := range texts.languages() {
		funcs := s.funcs(texts, lang)
		if m.text[lang], err = text.New("mail_notice.txt").Funcs(text.FuncMap(funcs)).ParseFS(files, "mail_notice.txt"); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		if m.html[lang], err = parsed(template.New("mail_notice.html").Funcs(funcs).ParseFS(files, "mail_notice.html")); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Mail returns the mail called name: mfa_on, mfa_off, mfa_off_demanded, authenticator_added, authenticator_removed, codes_replaced, codes_made,
// recovery_used, recovery_used_last, new_browser, new_browser_passkey, device_remembered, device_copied, clock_moved, password_changed, password_compromised, email_changed, app_ended, mfa_reset, warned, warned_recovery, sealed,
// sealed_recovery, unsealed, passkey_added, passkey_removed, passkey_cloned, mfa_on_passkey, warned_passkey, sealed_passkey; trial tells of nothing; reset and invite carry a link. The subject is one line.
func (s *Set) Mail(ctx context.Context, name string, data Letter) (subject, plain, html string, err error) {
	mails, err := s.mails()
	if err != nil {
		return "", "", "", err
	}
	lang := mails.texts.closest(data.Language)
	if !mails.texts.ids["mail."+name+".subject"] {
		return "", "", "", fmt.Errorf("%w: mail %s", ErrUnknown, name)
	}
	brand := s.brand(ctx)
	help := brand.Help
	if help == defaultHelp {
		help = mails.texts.text(lang, "mail.help")
	}
	letter := struct {
		Kind, Lang, Product, Help, HelpURL string
		Data                               Letter
	}{name, lang, brand.Name, help, brand.HelpURL, data}
	var body, page bytes.Buffer
	if err := mails.text[lang].Execute(&body, letter); err != nil {
		return "", "", "", fmt.Errorf("templates: mail %s: %w", name, err)
	}
	if err := mails.html[lang].Execute(&page, letter); err != nil {
		return "", "", "", fmt.Errorf("templates: mail %s: %w", name, err)
	}
	subject = mails.texts.text(lang, "mail."+name+".subject", "Product", brand.Name)
	return strings.Join(strings.Fields(subject), " "), body.String(), page.String(), nil
}
