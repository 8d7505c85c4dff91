package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Fault is why a trial failed.
type Fault string

// The faults.
const (
	FaultName        Fault = "name"        // there is no such host
	FaultRefused     Fault = "refused"     // nobody listens at that port
	FaultUnreachable Fault = "unreachable" // the host cannot be reached
	FaultTimeout     Fault = "timeout"     // no connection in time
	FaultSilent      Fault = "silent"      // connected, and then no answer in time
	FaultCertificate Fault = "certificate" // it is not trusted
	FaultTLS         Fault = "tls"         // the server does not speak TLS there, or not ours
	FaultNoTLS       Fault = "no_tls"      // the server offers no STARTTLS
	FaultNoAuth      Fault = "no_auth"     // it offers no way to sign in that we know
	FaultAuth        Fault = "auth"        // it refused user or password
	FaultSender      Fault = "sender"      // it refused the sender
	FaultRecipient   Fault = "recipient"   // it refused the recipient
	FaultMessage     Fault = "message"     // it refused the message
	FaultBusy        Fault = "busy"        // it says: later
	FaultOther       Fault = "other"
)

var (
	errNoTLS    = errors.New("mail: the server offers no STARTTLS")
	errNoAuth   = errors.New("mail: the server offers no way to sign in that we know")
	errNoAnswer = errors.New("mail: this is no answer of SMTP")
)

// refusal is an answer of the server that was not hoped for.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// faultOf says what err means at the step at which the dialogue ended.
func faultOf(ctx context.Context, d *dialogue, err error) Fault {
	var refused *refusal
	var certificate *tls.CertificateVerificationError
	late := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case errors.As(err, &refused) && (refused.code == 421 || refused.code == 450 || refused.code == 451 || refused.code == 452):
		return FaultBusy
	case errors.As(err, &certificate):
		return FaultCertificate
	case errors.Is(err, errNoTLS):
		return FaultNoTLS
	case errors.Is(err, errNoAuth):
		return FaultNoAuth
	case d.step == "connect" || d.step == "":
		return faultToConnect(err, late)
	case late:
		return FaultSilent
	case d.step == "tls" || d.step == "starttls":
		return FaultTLS
	case refused == nil:
		return FaultOther
	}
	for step, fault := range map[string]Fault{
		"auth": FaultAuth, "from": FaultSender, "to": FaultRecipient, "data": FaultMessage,
	} {
		if d.step == step {
			return fault
		}
	}
	return FaultOther
}

func faultToConnect(err error, late bool) Fault {
	var name *net.DNSError
	var network *net.OpError
	switch {
	case errors.As(err, &name) && !late:
		return FaultName
	case errors.Is(err, syscall.ECONNREFUSED):
		return FaultRefused
	case late:
		return FaultTimeout
	case errors.As(err, &network):
		if network.Timeout() {
			return FaultTimeout
		}
		return FaultUnreachable
	}
	return FaultOther
}

// Advice is a sentence about the fault and what to set, "" where there was none.
func (t Trial) Advice() string {
	host, port, err := net.SplitHostPort(t.Server)
	if err != nil {
		host, port = t.Server, ""
	}
	switch t.Fault {
	case "":
		return ""
	case FaultName:
		return fmt.Sprintf("There is no host called %s: check the name in smtp_url, and that this machine can look names up.", host)
	case FaultRefused:
		return fmt.Sprintf("Nothing listens at %s: check host and port in smtp_url. 587 is usual for smtp://, 465 for smtps://.", t.Server)
	case FaultUnreachable:
		return fmt.Sprintf("%s cannot be reached from this machine: check the network and smtp_url.", t.Server)
	case FaultTimeout:
		return fmt.Sprintf("%s does not answer: check the host in smtp_url, and whether a firewall closes port %s. Many providers close port 25.", t.Server, port)
	case FaultSilent:
		return fmt.Sprintf("%s took the connection and then fell silent. If it expects TLS from the first byte, as port 465 does, write smtps:// in smtp_url.", t.Server)
	case FaultCertificate:
		return fmt.Sprintf("The server's certificate is not trusted for %s: write the name that stands in it into smtp_url, or install its authority on this machine.", host)
	case FaultTLS:
		return "No TLS came about: write smtp:// in smtp_url for a server that begins in the clear (port 587), smtps:// for one that begins with TLS (port 465)."
	case FaultNoTLS:
		return "The server offers no STARTTLS, and mail holds links that must not be read on the way: use another port of it, or smtps:// in smtp_url."
	case FaultNoAuth:
		return "The server lets nobody sign in here: use its port for submission (587 or 465), or leave user and password out of smtp_url."
	case FaultAuth:
		return "The server refused user or password: check both in smtp_url, where special characters are written with % (an @ as %40). Some providers want a password made for programs."
	case FaultSender:
		return "The server does not let this user write as smtp_from: set an address that belongs to the user of smtp_url."
	case FaultRecipient:
		return "The server refused the recipient: check the address, or sign in with a user in smtp_url, without whom some servers take no mail for elsewhere."
	case FaultMessage:
		return "The server refused the message itself: its answer says why. Often smtp_from must be of a domain that it knows."
	case FaultBusy:
		return "The server asks to try again later. Letters that wait are sent then by themselves."
	}
	return "The session ended unexpectedly: the last lines say where."
}
