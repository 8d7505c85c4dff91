package idp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/focushq/idp"
)

// TestSec_DR05_AConfigurationShowsNoSecret, however it is printed.
func TestSec_DR05_AConfigurationShowsNoSecret(t *testing.T) {
	c := idp.Defaults()
	c.DatabaseURL = "postgres://idp:s3cret-one@db.example/idp?sslmode=require&password=s3cret-two"
	c.SMTPURL, c.SMTPFrom = "smtp://robot:s3cret-three@mail.example", "idp@example.com"
	c.AuditWebhookURL, c.AuditWebhookSecret = "https://hooks.example/s3cret-four", "whsec_s3cret-five"
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("x", "config", c, "pointer", &c)
	}
	printed := []string{log.String(), panicked(c), panicked(&c)}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		printed = append(printed, fmt.Sprintf(format, c), fmt.Sprintf(format, &c), fmt.Sprintf(format, struct{ C idp.Config }{c}))
	}
	for _, text := range printed {
		if strings.Contains(text, "s3cret") {
			t.Error(text)
		}
		if !strings.Contains(text, "db.example") {
			t.Errorf("it says nothing: %s", text)
		}
	}
	c.DatabaseURL = "postgres://idp:s3cret one@db.example" // no URL
	if text := c.String(); strings.Contains(text, "s3cret") {
		t.Error(text)
	}
}

// panicked is what a panic with that value is recovered and logged as.
func panicked(v any) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	panic(v)
}
