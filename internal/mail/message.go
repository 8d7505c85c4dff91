package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
)

// Message is one e-mail to one person. The outbox sets ID and At.
type Message struct {
	ID      string    `json:"-"`       // unique and the same for each try; the left side of the Message-ID
	At      time.Time `json:"-"`       // when it was put into the outbox
	To      string    `json:"to"`      // one address (RFC 5322 section 3.4), with or without a name
	Subject string    `json:"subject"` // one line; control characters become spaces
	Text    string    `json:"text"`    // the plain text part, always there
	HTML    string    `json:"html"`    // the same in HTML; "": none
}

// Sender hands one message to whoever carries it on. It returns within the time of ctx.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

var (
	// ErrInvalid says that a message has no usable address or no text.
	ErrInvalid = errors.New("mail: invalid message")
	// ErrRefused says that the server is there and refused this very message: the next one may fare better. Any other
	// error of a [Sender] concerns all messages.
	ErrRefused = errors.New("mail: message refused")
)

// checked returns m with a subject of one line, and the parsed address, or ErrInvalid. Nothing in a message can
// become a header or a command of its own.
func (m Message) checked() (Message, *mail.Address, error) {
	if strings.ContainsFunc(m.To, unicode.IsControl) {
		return m, nil, fmt.Errorf("%w: control character in the address", ErrInvalid)
	}
	to, err := mail.ParseAddress(m.To)
	if err != nil {
		return m, nil, fmt.Errorf("%w: address", ErrInvalid)
	}
	if m.Text == "" {
		return m, nil, fmt.Errorf("%w: no text", ErrInvalid)
	}
	m.Subject = oneLine(m.Subject)
	return m, to, nil
}

// oneLine makes s valid UTF-8 without control characters and line separators.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
