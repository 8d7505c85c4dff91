package mail

import (
	"context"
	"net"
)

// DialInstead makes an SMTP sender reach another address than its URL says, so that a test can be a distant server.
func DialInstead(s Sender, address string) {
	s.(*smtpSender).dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}
