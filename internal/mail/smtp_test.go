package mail_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/mail"
)

// sink is an SMTP server that keeps what it is sent.
type sink struct {
	address string

	mu     sync.Mutex
	logins []string
	mails  []string
	from   []string
	to     []string
	refuse error // answer to DATA
}

type sinkOptions struct{ startTLS, implicitTLS, auth bool }

func newSink(t *testing.T, o sinkOptions) *sink {
	t.Helper()
	k := &sink{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		if o.auth {
			return &authSession{session{k}}, nil
		}
		return &session{k}, nil
	}))
	server.Domain = "sink.example"
	server.AllowInsecureAuth = true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.address = listener.Addr().String()
	borrowed := httptest.NewTLSServer(nil) // for its self-signed certificate
	borrowed.Close()
	if o.startTLS {
		server.TLSConfig = borrowed.TLS
	}
	if o.implicitTLS {
		listener = tls.NewListener(listener, borrowed.TLS)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return k
}

type session struct{ *sink }

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = append(s.from, from)
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.mails = append(s.mails, string(text))
	return nil
}

type authSession struct{ session }

func (s *authSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *authSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "p@ss word" {
			return &smtp.SMTPError{Code: 535, Message: "no, not " + password}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logins = append(s.logins, user)
		return nil
	}), nil
}

func (k *sink) received() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.mails...)
}

func dialer(t *testing.T, url string) mail.Sender {
	t.Helper()
	s, err := mail.SMTP(url, "Focus HQ <no-reply@idp.example>")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var hello = mail.Message{ID: "abc", At: time.Unix(1_790_000_000, 0), To: "Zoë <zoe@example.com>",
	Subject: "MFA is on – grüße\r\nBcc: eve@example.com", Text: "Hello Zoë\n.\nbye", HTML: "<p>Hello Zoë</p>"}

func TestSMTPSendsOneWellFormedMail(t *testing.T) {
	k := newSink(t, sinkOptions{})
	if err := dialer(t, "smtp://"+k.address).Send(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	got := k.received()
	if len(got) != 1 || len(k.to) != 1 || k.to[0] != "zoe@example.com" || k.from[0] != "no-reply@idp.example" {
		t.Fatalf("mails %d, to %q, from %q", len(got), k.to, k.from)
	}
	m, err := netmail.ReadMessage(strings.NewReader(got[0]))
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Message-ID": "<abc@idp.example>", "Auto-Submitted": "auto-generated", "Bcc": "",
		"From": `"Focus HQ" <no-reply@idp.example>`, "To": "=?utf-8?q?Zo=C3=AB?= <zoe@example.com>",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s = %q, want %q", header, got, want)
		}
	}
	if at, err := m.Header.Date(); err != nil || !at.Equal(hello.At) {
		t.Errorf("Date = %v, %v", at, err)
	}
	body, _ := io.ReadAll(m.Body)
	for _, want := range []string{"multipart/alternative", "text/plain", "text/html", "Hello Zo=C3=AB", "bye"} {
		if !strings.Contains(m.Header.Get("Content-Type")+string(body), want) {
			t.Errorf("the mail has no %s:\n%s", want, body)
		}
	}
}

func TestSMTPRefusedRecipientIsAboutTheMessage(t *testing.T) {
	k := newSink(t, sinkOptions{})
	err := dialer(t, "smtp://"+k.address).Send(t.Context(), mail.Message{To: "nobody@example.com", Text: "x"})
	if !errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), "no such mailbox") {
		t.Error(err)
	}
	k.refuse = &smtp.SMTPError{Code: 421, Message: "going down"}
	err = dialer(t, "smtp://"+k.address).Send(t.Context(), hello)
	if err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("421 is about the server: %v", err)
	}
}

func TestSMTPSecurity(t *testing.T) {
	tests := []struct {
		name, url string
		sink      sinkOptions
		want      string // of the error; "": sent
	}{
		{"loopback without TLS", "smtp://ADDRESS", sinkOptions{}, ""},
		{"loopback with a self-signed certificate", "smtp://ADDRESS", sinkOptions{startTLS: true}, ""},
		{"smtps", "smtps://ADDRESS", sinkOptions{implicitTLS: true}, ""},
		{"login on loopback", "smtp://me:p%40ss%20word@ADDRESS", sinkOptions{auth: true}, ""},
		{"login over STARTTLS", "smtp://me:p%40ss%20word@ADDRESS", sinkOptions{auth: true, startTLS: true}, ""},
		{"login over TLS", "smtps://me:p%40ss%20word@ADDRESS", sinkOptions{auth: true, implicitTLS: true}, ""},
		{"wrong password", "smtp://me:wrongsecret@ADDRESS", sinkOptions{auth: true}, "no, not …"},
		{"distant without STARTTLS", "smtp://me:p%40ss%20word@mail.example", sinkOptions{auth: true}, "STARTTLS"},
		{"distant with a foreign certificate", "smtp://mail.example", sinkOptions{startTLS: true}, "x509"},
		{"distant smtps with a foreign certificate", "smtps://mail.example", sinkOptions{implicitTLS: true}, "x509"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := newSink(t, test.sink)
			s := dialer(t, strings.Replace(test.url, "ADDRESS", k.address, 1))
			mail.DialInstead(s, k.address)
			err := s.Send(t.Context(), hello)
			if test.want == "" {
				if err != nil || len(k.received()) != 1 || test.sink.auth != (len(k.logins) == 1) {
					t.Errorf("error %v, %d mails, logins %q", err, len(k.received()), k.logins)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error = %v, want %q", err, test.want)
			}
			if len(k.received()) != 0 || len(k.logins) != 0 {
				t.Errorf("%d mails, logins %q", len(k.received()), k.logins)
			}
		})
	}
}

func TestSMTPURL(t *testing.T) {
	for _, url := range []string{"", "mail.example", "http://mail.example", "smtp://", "smtp://u:topsecret@h:0",
		"smtp://u:topsecret@h:99999", "smtp://u:topsecret@h/path", "smtp://u:topsecret@h?tls=no", "smtp://u:top secret@h\x00"} {
		if _, err := mail.SMTP(url, "a@example.com"); err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, from := range []string{"", "nobody", "a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com"} {
		if _, err := mail.SMTP("smtp://mail.example", from); err == nil {
			t.Errorf("from %q was accepted", from)
		}
	}
}

// serve runs a hand-written server for one connection.
func serve(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		talk(conn)
	}()
	return listener.Addr().String()
}

func TestSMTPServerThatHangsOrTalksForEver(t *testing.T) {
	silent := serve(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := dialer(t, "smtp://"+silent).Send(ctx, hello); err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("a silent server: %v", err)
	}
	endless := serve(t, func(conn net.Conn) {
		for chunk := []byte(strings.Repeat("220-hello ", 1000)); ; {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	})
	if err := dialer(t, "smtp://"+endless).Send(t.Context(), hello); err == nil {
		t.Error("an endless banner: no error")
	}
	if err := dialer(t, "smtp://"+serve(t, func(net.Conn) {})).Send(t.Context(), hello); err == nil {
		t.Error("a closing server: no error")
	}
}

func TestSMTPAcceptedMailIsSentWhateverFollows(t *testing.T) {
	address := serve(t, func(conn net.Conn) {
		say := func(s string) { io.WriteString(conn, s+"\r\n") }
		say("220 hello")
		buffer, seen := make([]byte, 4096), ""
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			seen += string(buffer[:n])
			switch {
			case strings.HasSuffix(seen, "\r\n.\r\n"):
				say("250 accepted")
				return // before RSET and QUIT
			case strings.HasSuffix(seen, "DATA\r\n"):
				say("354 go on")
			case !strings.Contains(seen, "DATA\r\n"):
				say("250 fine")
			}
		}
	})
	if err := dialer(t, "smtp://"+address).Send(t.Context(), hello); err != nil {
		t.Errorf("the mail was accepted, yet: %v", err)
	}
}

func TestOutboxOverSMTP(t *testing.T) {
	k := newSink(t, sinkOptions{})
	now := newClock()
	o := &mail.Outbox{DB: dbxtest.SQLite(t, "mail"), Sender: dialer(t, "smtp://"+k.address), Now: now.now}
	put(t, o, "retried")
	k.refuse = &smtp.SMTPError{Code: 451, Message: "try later"}
	deliver(t, o)
	if got := state(t, o); got.Waiting != 1 || !strings.Contains(got.Error, "try later") {
		t.Errorf("state = %+v", got)
	}
	k.mu.Lock()
	k.refuse = nil
	k.mu.Unlock()
	for range 3 {
		now.pass(time.Minute)
		deliver(t, o)
	}
	if got := k.received(); len(got) != 1 || !strings.Contains(got[0], "Subject: retried") {
		t.Errorf("received %d mails: %q", len(got), got)
	}
}
