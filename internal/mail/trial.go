package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail/smtp"
)

// trialWithin bounds a trial: somebody waits for it.
const trialWithin = 20 * time.Second

// Bounds of what is kept of a session.
const (
	maxLines = 200
	maxLine  = 500 // characters
)

// Stage is how far a trial came: what was done last without fault.
type Stage string

// The stages, in their order.
const (
	StageNone      Stage = ""
	StageConnected Stage = "connected"
	StageGreeted   Stage = "greeted"       // also in TLS, where that is asked for
	StageSignedIn  Stage = "authenticated" // or nobody had to
	StageFrom      Stage = "sender_accepted"
	StageTo        Stage = "recipient_accepted"
	StageSent      Stage = "sent"
)

// Trial is how a session with the mail server went.
type Trial struct {
	Server  string        `json:"server"` // host and port; "" where mail goes nowhere over a network
	TLS     string        `json:"tls"`    // such as "TLS 1.3", "" in the clear
	Reached Stage         `json:"reached"`
	Lines   []Line        `json:"lines"`
	Fault   Fault         `json:"fault,omitempty"`  // "": none
	Detail  string        `json:"detail,omitempty"` // of the fault, as the system or the server put it
	Took    time.Duration `json:"-"`
}

// Line is a line of an SMTP session. Secrets in it are "…".
type Line struct {
	From string `json:"from"` // "client", "server", or "note" for what is no line of either
	Text string `json:"text"`
}

// OK reports whether nothing failed.
func (t Trial) OK() bool { return t.Fault == "" }

// Probe connects to the mail server of s, greets it and authenticates, within 20 seconds, and sends nothing. Of a Sender that is
// none of [SMTP] there is nothing to probe.
func Probe(ctx context.Context, s Sender) Trial { return try(ctx, s, nil) }

// Try sends m by s, as [Sender.Send] does, within 20 seconds, and tells how that went. It is for a message to whoever asked
// for it: the caller must not let anybody choose the recipient.
func Try(ctx context.Context, s Sender, m Message) Trial { return try(ctx, s, &m) }

func try(ctx context.Context, s Sender, m *Message) Trial {
	ctx, cancel := context.WithTimeout(ctx, trialWithin)
	defer cancel()
	begun := time.Now()
	t := Trial{Lines: []Line{}}
	if sender, ok := s.(*smtpSender); ok {
		d := &dialogue{Trial: &t, s: sender}
		if err := d.hold(ctx, m); err != nil {
			t.Fault, t.Detail = faultOf(ctx, d, err), d.clean(err.Error())
		}
	} else if m != nil {
		if err := s.Send(ctx, *m); err != nil {
			t.Fault, t.Detail = FaultOther, harmless(err)
		} else {
			t.Reached = StageSent
		}
	}
	t.Took = time.Since(begun)
	return t
}

// dialogue is one SMTP session (RFC 5321) whose every line is kept. [smtpSender.Send] has a library for it, which does not
// tell all that the server says.
type dialogue struct {
	*Trial
	s      *smtpSender
	conn   net.Conn
	text   *textproto.Conn
	offers map[string]string // what the server can do, by the keyword
	secret []string          // never kept, whoever says it
	step   string            // what is tried
}

// hold has the session from the connection to the farewell.
func (d *dialogue) hold(ctx context.Context, m *Message) error {
	d.Server = net.JoinHostPort(d.s.host, strconv.Itoa(d.s.port))
	if d.s.password != "" {
		d.secret = []string{
			d.s.password, base64.StdEncoding.EncodeToString([]byte(d.s.password)),
			base64.StdEncoding.EncodeToString([]byte("\x00" + d.s.user + "\x00" + d.s.password)),
		}
	}
	var letter bytes.Buffer
	var to string
	if m != nil {
		built, err := d.s.letter(*m)
		if err != nil {
			return err
		}
		if _, err := built.WriteTo(&letter); err != nil {
			return fmt.Errorf("mail: %w", err)
		}
		_, address, _ := m.checked() // letter has done that too
		to = address.Address
	}
	d.step = "connect"
	conn, err := d.s.dial(ctx, "tcp", d.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // ends any read that hangs
	d.conn, d.Reached = &quietConn{conn, io.LimitedReader{R: conn, N: maxAnswers}}, StageConnected
	for _, step := range []func(context.Context) error{d.greet, d.authenticate} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if m != nil {
		if err := d.send(to, letter.Bytes()); err != nil {
			return err
		}
	}
	_, _ = d.ask("QUIT", 221) // whatever follows: it is done
	return nil
}

// greet hears the server's greeting and greets it, in TLS where that is to be.
func (d *dialogue) greet(ctx context.Context) error {
	if d.s.implicit {
		if err := d.secure(ctx); err != nil {
			return err
		}
	}
	d.text, d.step = textproto.NewConn(d.conn), "greet"
	if _, err := d.hear(220); err != nil {
		return err
	}
	if err := d.hello(); err != nil {
		return err
	}
	if _, offered := d.offers["STARTTLS"]; !d.s.implicit && (offered || !d.s.loopback) {
		if d.step = "starttls"; !offered {
			return errNoTLS
		}
		if _, err := d.ask("STARTTLS", 220); err != nil {
			return err
		}
		if err := d.secure(ctx); err != nil {
			return err
		}
		d.text, d.step = textproto.NewConn(d.conn), "greet"
		if err := d.hello(); err != nil { // what was offered in the clear may have been anybody's (RFC 3207 section 4.2)
			return err
		}
	}
	d.Reached = StageGreeted
	return nil
}

func (d *dialogue) secure(ctx context.Context) error {
	d.step = "tls"
	secured := tls.Client(d.conn, d.s.tlsConfig())
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	d.conn, d.TLS = secured, tls.VersionName(secured.ConnectionState().Version)
	d.note("note", "from here on in "+d.TLS)
	return nil
}

func (d *dialogue) hello() error {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	answer, err := d.ask("EHLO "+oneLine(name), 250)
	d.offers = map[string]string{}
	for i, line := range strings.Split(answer, "\n") {
		if keyword, values, _ := strings.Cut(line, " "); i > 0 {
			d.offers[strings.ToUpper(keyword)] = strings.ToUpper(values)
		}
	}
	return err
}

// authenticate signs in by the mechanism that Send would choose.
func (d *dialogue) authenticate(context.Context) error {
	if d.s.user == "" {
		d.Reached = StageSignedIn
		return nil
	}
	d.step = "auth"
	offered := strings.Fields(d.offers["AUTH"])
	user, password, host := d.s.user, d.s.password, d.s.host
	mechanisms := []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, password)}, {"PLAIN", smtp.PlainAuth("", user, password, host, false)},
		{"LOGIN", smtp.LoginAuth(user, password, host, false)}, {"SCRAM-SHA-1", smtp.ScramSHA1Auth(user, password)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(user, password)},
	}
	for _, m := range mechanisms {
		if slices.Contains(offered, m.name) {
			if err := d.prove(m.auth, offered); err != nil {
				return err
			}
			d.Reached = StageSignedIn
			return nil
		}
	}
	return errNoAuth
}

// prove has the exchange of one mechanism (RFC 4954 section 4), of which nothing is kept but its name and how it ended.
func (d *dialogue) prove(auth smtp.Auth, offered []string) error {
	mechanism, first, err := auth.Start(&smtp.ServerInfo{Name: d.s.host, TLS: d.TLS != "", Auth: offered})
	if err != nil {
		return err
	}
	line, shown := "AUTH "+mechanism, "AUTH "+mechanism
	if first != nil {
		line, shown = line+" "+base64.StdEncoding.EncodeToString(first), shown+" …"
	}
	for {
		if err := d.tell(line, shown); err != nil {
			return err
		}
		code, text, err := d.listen()
		if err != nil {
			return err
		}
		if code != 334 && code != 235 {
			return &refusal{code, text}
		}
		challenge := []byte(text)
		if code == 334 {
			if challenge, err = base64.StdEncoding.DecodeString(text); err != nil {
				return fmt.Errorf("mail: the server's question cannot be read: %w", err)
			}
		}
		next, err := auth.Next(challenge, code == 334)
		if err != nil || code == 235 {
			return err
		}
		line, shown = base64.StdEncoding.EncodeToString(next), "…"
	}
}

// send hands the letter over.
func (d *dialogue) send(to string, letter []byte) error {
	from := "MAIL FROM:<" + d.s.from.Address + ">"
	if _, ok := d.offers["8BITMIME"]; ok {
		from += " BODY=8BITMIME"
	}
	d.step = "from"
	if _, err := d.ask(from, 250); err != nil {
		return err
	}
	d.Reached, d.step = StageFrom, "to"
	if _, err := d.ask("RCPT TO:<"+to+">", 250, 251); err != nil {
		return err
	}
	d.Reached, d.step = StageTo, "data"
	if _, err := d.ask("DATA", 354); err != nil {
		return err
	}
	d.note("note", fmt.Sprintf("the message, %d bytes", len(letter)))
	writer := d.text.DotWriter()
	if _, err := writer.Write(letter); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	d.note("client", ".")
	if _, err := d.hear(250); err != nil {
		return err
	}
	d.Reached = StageSent
	return nil
}

// ask tells the server a line and hears an answer with one of the codes.
func (d *dialogue) ask(line string, codes ...int) (string, error) {
	if err := d.tell(line, line); err != nil {
		return "", err
	}
	return d.hear(codes...)
}

func (d *dialogue) tell(line, shown string) error {
	d.note("client", shown)
	return d.text.PrintfLine("%s", line)
}

// hear returns an answer that has one of the codes; another one is a [*refusal].
func (d *dialogue) hear(codes ...int) (string, error) {
	code, text, err := d.listen()
	if err == nil && !slices.Contains(codes, code) {
		err = &refusal{code, text}
	}
	return text, err
}

// listen reads an answer, which may have several lines (RFC 5321 section 4.2.1).
func (d *dialogue) listen() (code int, text string, err error) {
	var lines []string
	for {
		line, err := d.text.ReadLine()
		if err != nil {
			return 0, "", err
		}
		shown := line
		if strings.HasPrefix(line, "334") {
			shown = "334 …" // it may repeat what was said
		}
		d.note("server", shown)
		if len(line) < 3 {
			return 0, "", errNoAnswer
		}
		if code, err = strconv.Atoi(line[:3]); err != nil || code < 200 {
			return 0, "", errNoAnswer
		}
		lines = append(lines, strings.TrimSpace(line[min(4, len(line)):]))
		if len(line) == 3 || line[3] != '-' {
			return code, strings.Join(lines, "\n"), nil
		}
	}
}

// note keeps a line, without what is secret in it.
func (d *dialogue) note(from, text string) {
	if len(d.Lines) == maxLines {
		d.Lines = append(d.Lines, Line{"note", "…"})
	}
	if len(d.Lines) < maxLines {
		d.Lines = append(d.Lines, Line{from, d.clean(text)})
	}
}

func (d *dialogue) clean(text string) string {
	for _, secret := range d.secret {
		text = strings.ReplaceAll(text, secret, "…")
	}
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) { // could turn the direction of what is shown beside it
			return -1
		}
		return r
	}, oneLine(text))
	runes := []rune(visible)
	return string(runes[:min(len(runes), maxLine)])
}
