package idp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/oauth"
)

// validateAudit reports the first setting of the trail that cannot work, by its key.
func (c *Config) validateAudit() error {
	if kept := time.Duration(c.AuditRetention); kept != 0 && kept < 24*time.Hour {
		return fmt.Errorf("audit_retention: %v is neither 0 (for ever) nor 24h or more", kept)
	}
	if c.AuditWebhookURL == "" {
		return nil
	}
	u, err := url.Parse(c.AuditWebhookURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return errors.New("audit_webhook_url: an https URL is needed; http is for loopback alone") // not quoted: it may hold a password
	}
	if _, err := audit.WebhookSecret(c.AuditWebhookSecret); err != nil {
		return fmt.Errorf("audit_webhook_secret: %w", err)
	}
	return nil
}

// wireAudit makes the trail, whose key the keyset holds and the database does not, and begins its chain.
func (p *IdP) wireAudit(ctx context.Context) error {
	key, err := p.keys.Derive("audit")
	if err != nil {
		return err
	}
	p.Audit = &audit.Log{DB: p.db, Key: key, Now: p.now}
	if p.cfg.AuditWebhookURL != "" {
		networks, err := p.cfg.outbound()
		if err != nil {
			return err
		}
		secret, err := audit.WebhookSecret(p.cfg.AuditWebhookSecret)
		if err != nil {
			return fmt.Errorf("audit_webhook_secret: %w", err)
		}
		p.hook = &audit.Webhook{Log: p.Audit, URL: p.cfg.AuditWebhookURL, Secret: secret, Client: webhookClient(networks)}
	}
	return p.Audit.Begin(ctx)
}

// webhookClient has the limits of all outgoing requests, and the patience of a receiver that stores what it gets.
func webhookClient(networks []netip.Prefix) *http.Client {
	const patience = 10 * time.Second
	client := oauth.NewOutbound(networks)
	client.Timeout = patience
	if transport, ok := client.Transport.(*http.Transport); ok {
		transport.ResponseHeaderTimeout = patience
	}
	return client
}

// alarm is an error that the log has told of. Another one is told at once: Link tells of a row only once.
type alarm struct {
	text string
	at   time.Time
}

// linkAudit gives new rows of the trail their places. What was done to the trail is an error in the log, once a minute
// while it lasts; a database that is busy or away is only a warning. It reports whether there were new rows.
func (p *IdP) linkAudit(ctx context.Context) (busy bool) {
	linked, err := p.Audit.Link(ctx)
	busy = linked > 0
	if err == nil || ctx.Err() != nil || p.alarm.text == err.Error() && p.now().Sub(p.alarm.at).Abs() < time.Minute {
		return busy
	}
	p.alarm = alarm{err.Error(), p.now()}
	if errors.As(err, new(*audit.Problem)) {
		p.log.ErrorContext(ctx, "the audit trail: see idp audit verify", "error", err)
		return busy
	}
	p.log.WarnContext(ctx, "audit rows wait for their places", "error", err)
	return busy
}

// trailProblem says what this process has found wrong with the trail, "" for nothing.
func (p *IdP) trailProblem() string {
	if found := p.Audit.Noticed(); found != nil {
		return found.Where() + ": " + found.Words()
	}
	return ""
}

// anchorAudit writes where the trail ends into the log: whoever keeps that can prove later that nothing was taken back.
func (p *IdP) anchorAudit(ctx context.Context) {
	anchor, err := p.Audit.Head(ctx)
	if err != nil {
		return // linkAudit tells
	}
	p.log.InfoContext(ctx, "audit anchor", "anchor", anchor.String())
}

// deliverAudit sends the trail to the webhook.
func (p *IdP) deliverAudit(ctx context.Context) {
	if p.hook == nil {
		return
	}
	if err := p.hook.Deliver(ctx); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "the audit webhook waits", "error", err)
	}
}

// pruneAudit removes what is older than the retention, a day at a time, and nothing that the webhook waits for.
func (p *IdP) pruneAudit(ctx context.Context) error {
	if err := p.Audit.PruneDays(ctx); err != nil {
		return err
	}
	if p.cfg.AuditRetention == 0 {
		return nil
	}
	last := int64(math.MaxInt64)
	if p.hook != nil {
		var err error
		if last, err = p.hook.Position(ctx); err != nil {
			return err
		}
	}
	before := p.now().Add(-time.Duration(p.cfg.AuditRetention)).UTC().Truncate(24 * time.Hour)
	_, err := p.Audit.Prune(ctx, before, last)
	return err
}
