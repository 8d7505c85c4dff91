package focushq

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// name is how the pages call the person.
func (s *session) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, claim := range []string{"name", "preferred_username", "email"} {
		if text := s.info.text(claim); text != "" {
			return text
		}
	}
	return s.idToken.Subject
}

type homeView struct {
	SignedOut bool // just now
	Words     []string
	ACR       string
	Issuer    string
}

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	v := homeView{Issuer: a.issuer.Host}
	title := "Welcome"
	if s := a.session(r); s != nil {
		title = "Hello, " + s.name()
		v.Words, v.ACR = a.inWords(s.idToken), s.idToken.ACR
	} else if a.getCookie(r, "notice") == "signed_out" {
		v.SignedOut = true
	}
	if a.getCookie(r, "notice") != "" {
		a.clearCookie(w, "notice")
	}
	a.render(w, r, http.StatusOK, "home", title, v)
}

type profileView struct {
	Name, Email, Username string
	EmailVerified         bool
	MFALabel, MFAURL      string
	MFA                   string // on, off; "": the provider doesn't tell
	Words                 []string
}

// profile shows who is signed in. Whether MFA is on is asked afresh on each view: the person may just have changed it.
func (a *App) profile(w http.ResponseWriter, r *http.Request) {
	s := a.session(r)
	if s == nil {
		a.authorize(w, r, "/profile")
		return
	}
	info, err := a.userinfo(r.Context(), s)
	if err != nil {
		a.fail(w, r, err, "/profile")
		return
	}
	v := profileView{Name: info.text("name"), Email: info.text("email"), Username: info.text("preferred_username"),
		MFALabel: "Multi-factor authentication settings (MFA)", Words: a.inWords(s.idToken)}
	v.EmailVerified, _ = info["email_verified"].(bool)
	if enrolled, told := info["mfa_enrolled"].(bool); told && enrolled {
		v.MFA = "on"
	} else if told {
		v.MFA, v.MFALabel = "off", "Enable multi-factor authentication"
	}
	back := url.Values{"client_id": {a.cfg.ClientID}, "return_to": {a.public + "/profile"}}
	v.MFAURL = strings.TrimSuffix(a.cfg.Issuer, "/") + "/account/mfa?" + back.Encode()
	a.render(w, r, http.StatusOK, "profile", "User Profile", v)
}

type tokensView struct {
	Words          []string
	IDToken        []row
	Access         []row // none: the access token is opaque
	Userinfo       []row
	CanRefresh     bool
	Refreshed      []row
	RefreshedAt    string
	RefreshedWords string
}

// tokens shows what the provider said, as it stands in the tokens and in words.
func (a *App) tokens(w http.ResponseWriter, r *http.Request) {
	s := a.session(r)
	if s == nil {
		a.authorize(w, r, "/tokens")
		return
	}
	info, err := a.userinfo(r.Context(), s)
	if err != nil {
		a.fail(w, r, err, "/tokens")
		return
	}
	a.render(w, r, http.StatusOK, "tokens", "What the tokens say", a.tokensView(s, info))
}

func (a *App) tokensView(s *session, info claims) tokensView {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := tokensView{Words: a.inWords(s.idToken), IDToken: a.table(s.idToken.all), Userinfo: a.table(info),
		CanRefresh: s.token.RefreshToken != ""}
	if access, err := decode(s.token.AccessToken); err == nil {
		v.Access = a.table(access)
	}
	if s.refreshed != nil {
		v.Refreshed, v.RefreshedAt = a.table(s.refreshed.all), a.clock(s.refreshedAt)
		v.RefreshedWords = compare(s.idToken, s.refreshed)
	}
	return v
}

// compare says whether a refreshed ID token still tells of the same sign-in.
func compare(before, after *idToken) string {
	if slices.Equal(before.AMR, after.AMR) && before.ACR == after.ACR && before.AuthTime == after.AuthTime {
		return "It tells of the same sign-in: amr, acr and auth_time are the same as before. " +
			"Renewing tokens proves nothing new."
	}
	return "It differs from the ID token of your sign-in in amr, acr or auth_time. It should not."
}

// refreshTokens renews the tokens because the person asked for it.
func (a *App) refreshTokens(w http.ResponseWriter, r *http.Request) {
	s := a.session(r)
	if s == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if err := a.renew(r, s); err != nil {
		a.fail(w, r, err, "/tokens")
		return
	}
	http.Redirect(w, r, "/tokens#refreshed", http.StatusSeeOther)
}

func (a *App) renew(r *http.Request, s *session) error {
	d, err := a.provider(r.Context())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.refresh(a.outgoing(r.Context()), d, s)
}

type sensitiveView struct {
	Words   []string
	Issuer  string
	SID     string
	Started string
}

// sensitive is for sign-ins with two factors. Anybody else is sent to the provider to add one (RFC 9470).
func (a *App) sensitive(w http.ResponseWriter, r *http.Request) {
	s := a.session(r)
	switch {
	case s != nil && s.idToken.ACR == aal2:
		a.render(w, r, http.StatusOK, "sensitive", "Sensitive page", sensitiveView{
			Words: a.inWords(s.idToken), Issuer: a.cfg.Issuer, SID: s.idToken.SID, Started: a.clock(s.started)})
	case s != nil && r.URL.Query().Has("refused"):
		a.fail(w, r, &problem{id: "insufficient"}, "/sensitive")
	default:
		a.authorize(w, r, "/sensitive", oauth2.SetAuthURLParam("acr_values", aal2))
	}
}

type mailView struct {
	Mail
	When string
	Body []span
}

// span is a piece of a mail's text; one with a URL is a link.
type span struct{ Text, URL string }

// mailbox lists what the demo sent, the latest first.
func (a *App) mailbox(w http.ResponseWriter, r *http.Request) {
	sent := a.cfg.Mailbox()
	list := make([]mailView, 0, len(sent))
	for i := len(sent) - 1; i >= 0; i-- {
		list = append(list, mailView{Mail: sent[i], When: a.clock(sent[i].At)})
	}
	a.render(w, r, http.StatusOK, "mailbox", "Demo mailbox", list)
}

func (a *App) mail(w http.ResponseWriter, r *http.Request) {
	for _, m := range a.cfg.Mailbox() {
		if m.ID == r.PathValue("id") {
			a.render(w, r, http.StatusOK, "mail", m.Subject, mailView{m, a.local(m.At).Format(time.RFC1123), a.linked(m.Text)})
			return
		}
	}
	a.fail(w, r, &problem{id: "not_found"}, "/mail")
}

// linked makes the provider's own URLs in a text clickable, and no others.
func (a *App) linked(text string) []span {
	origin := a.issuer.Scheme + "://" + a.issuer.Host + "/"
	var out []span
	for {
		at := strings.Index(text, origin)
		if at < 0 {
			return append(out, span{Text: text})
		}
		end := at + strings.IndexAny(text[at:]+" ", " \t\r\n<>\"")
		link := strings.TrimRight(text[at:end], ".,;:!?)")
		out = append(out, span{Text: text[:at]}, span{Text: link, URL: link})
		text = text[at+len(link):]
	}
}
