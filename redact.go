package idp

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// String returns what may be shown of c: no password of a URL and no secret.
func (c Config) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "idp.Config{public_url: %s, listen: %s, database_url: %s, keyset_file: %s", c.PublicURL, c.Listen, redacted(c.DatabaseURL), c.keyset())
	if c.SMTPURL != "" {
		fmt.Fprintf(&b, ", smtp_url: %s", redacted(c.SMTPURL))
	}
	if c.AuditWebhookURL != "" { // the path of such a URL is a secret as a rule
		host := "…"
		if u, err := url.Parse(c.AuditWebhookURL); err == nil {
			host = u.Scheme + "://" + u.Host + "/…"
		}
		fmt.Fprintf(&b, ", audit_webhook_url: %s", host)
	}
	b.WriteString(", …}")
	return b.String()
}

// Format implements [fmt.Formatter]: whatever the verb, and so in a panic too, it is [Config.String].
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// redacted is a URL without its password, which may stand among the parameters of PostgreSQL too.
func redacted(raw string) string {
	if strings.HasPrefix(raw, "sqlite:") || raw == "" {
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "…"
	}
	if query := u.Query(); query.Has("password") {
		query.Set("password", "xxxxx")
		u.RawQuery = query.Encode()
	}
	return u.Redacted()
}
