package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// maxAnswers bounds what a server may say in one session; the longest honest one is a few kilobytes.
const maxAnswers = 1 << 20

// smtpSender sends each message over a connection of its own.
type smtpSender struct {
	host     string
	port     int
	implicit bool // TLS from the first byte (RFC 8314 section 3)
	loopback bool
	user     string
	password string
	from     *mail.Address
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// SMTP returns the Sender of a mail server: smtp://user:password@host:port uses STARTTLS (default port 587) and
// refuses to go on without it, smtps:// begins with TLS (default port 465). The user may be missing. On loopback
// STARTTLS is used when offered and certificates are not checked. From is the sender's address, with or without a
// name. No error quotes rawURL: it holds the password.
func SMTP(rawURL, from string) (Sender, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("mail: the SMTP URL is not of the form smtp://user:password@host:port or smtps://…")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("mail: the SMTP URL has more than a user, a password, a host and a port")
	}
	s := &smtpSender{host: u.Hostname(), port: 587, implicit: u.Scheme == "smtps", loopback: isLoopback(u.Hostname()),
		user: u.User.Username(), dial: (&net.Dialer{}).DialContext}
	s.password, _ = u.User.Password()
	if s.implicit {
		s.port = 465
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return nil, errors.New("mail: the SMTP URL has no valid port")
		}
	}
	checked, address, err := Message{To: from, Text: "-"}.checked()
	if err != nil {
		return nil, fmt.Errorf("mail: the sender's address %q is not valid", checked.To)
	}
	s.from = address
	return s, nil
}

// Send implements [Sender].
func (s *smtpSender) Send(ctx context.Context, m Message) error {
	letter, err := s.letter(m)
	if err != nil {
		return err
	}
	conn, err := s.dial(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)))
	if err != nil {
		return fmt.Errorf("mail: connect: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // ends any read that hangs
	defer stop()
	conn = &quietConn{conn, io.LimitedReader{R: conn, N: maxAnswers}}
	if s.implicit {
		conn = tls.Client(conn, s.tlsConfig())
	}
	err = s.session(ctx, conn, letter)
	if err == nil || letter.IsDelivered() {
		return nil // an error after that is about the farewell, and a second copy would be worse
	}
	return s.classify(ctx, err)
}

// session greets, secures, authenticates and sends.
func (s *smtpSender) session(ctx context.Context, conn net.Conn, letter *gomail.Msg) error {
	policy := gomail.TLSMandatory
	if s.loopback {
		policy = gomail.TLSOpportunistic
	}
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(sendWithin), gomail.WithTLSPolicy(policy),
		gomail.WithTLSConfig(s.tlsConfig()), gomail.WithoutNoop(),
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
	}
	if s.implicit {
		options = append(options, gomail.WithSSL())
	}
	if s.user != "" {
		// PLAIN and LOGIN refuse to run in the clear except to this machine.
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	defer client.CloseWithSMTPClient(session)
	return client.SendWithSMTPClient(session, letter)
}

func (s *smtpSender) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.loopback}
}

// letter builds the message as it goes over the wire.
func (s *smtpSender) letter(m Message) (*gomail.Msg, error) {
	m, to, err := m.checked()
	if err != nil {
		return nil, err
	}
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(s.from)
	letter.ToMailAddress(to)
	letter.Subject(m.Subject)
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	if m.ID != "" {
		_, domain, _ := strings.Cut(s.from.Address, "@")
		letter.SetMessageIDWithValue(m.ID + "@" + domain)
	}
	if !m.At.IsZero() {
		letter.SetDateWithValue(m.At)
	}
	letter.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		letter.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return letter, nil
}

// classify tells a refused message from a server that would not take any, and takes the password out of the text.
func (s *smtpSender) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	text := err.Error()
	if s.password != "" {
		text = strings.ReplaceAll(text, s.password, "…")
	}
	var refusal *gomail.SendError
	if errors.As(err, &refusal) && refusal.ErrorCode() >= 400 && refusal.ErrorCode() != 421 {
		switch refusal.Reason {
		case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
			return fmt.Errorf("%w: %s", ErrRefused, text)
		}
	}
	return fmt.Errorf("mail: smtp: %s", text)
}

// quietConn is a connection whose other side may say only so much: the reader above it keeps whole lines in memory.
type quietConn struct {
	net.Conn
	limited io.LimitedReader
}

func (c *quietConn) Read(p []byte) (int, error) { return c.limited.Read(p) }

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
