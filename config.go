package idp

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/mail"
)

// Config is everything an installation can set. The zero value is not usable; begin with [Defaults] or [LoadConfig].
type Config struct {
	PublicURL         string   `yaml:"public_url"`          // the one URL that issuer, links and cookies derive from
	AllowInsecureHTTP bool     `yaml:"allow_insecure_http"` // accept an http PublicURL off loopback
	Listen            string   `yaml:"listen"`              // address of the public listener
	ShutdownDelay     Duration `yaml:"shutdown_delay"`      // how long a program that was told to stop serves on, while it says that it is not ready
	MetricsListen     string   `yaml:"metrics_listen"`      // address of the listener for /metrics; "": off
	Profiling         bool     `yaml:"profiling"`           // show profiles of the program on that listener
	TracingEndpoint   string   `yaml:"tracing_endpoint"`    // collector that traces are sent to; "": none
	DatabaseURL       string   `yaml:"database_url"`        // sqlite:PATH or postgres://…
	DatabasePool      int      `yaml:"database_pool"`       // how many connections at most; 0: 20
	KeysetFile        string   `yaml:"keyset_file"`         // keyset for secrets at rest; made when missing
	KeyRotation       Duration `yaml:"key_rotation"`        // how long a signing key signs; 0: until somebody rotates
	TLSCertFile       string   `yaml:"tls_cert_file"`       // serve TLS ourselves
	TLSKeyFile        string   `yaml:"tls_key_file"`
	TrustedProxies    []string `yaml:"trusted_proxies"`   // CIDRs whose X-Forwarded-For and -Proto are believed
	OutboundNetworks  []string `yaml:"outbound_networks"` // CIDRs beyond the public internet that clients' URLs may lead to
	SMTPURL           string   `yaml:"smtp_url"`          // smtp:// or smtps://; "": no mail
	SMTPFrom          string   `yaml:"smtp_from"`
	Product           string   `yaml:"product"` // the provider's own name on its pages
	Help              string   `yaml:"help"`    // whom people can ask, as it stands in a sentence
	HelpURL           string   `yaml:"help_url"`

	DynamicRegistration bool `yaml:"dynamic_registration"` // clients may register with an initial access token (RFC 7591)
	RequireDPoPNonce    bool `yaml:"require_dpop_nonce"`   // a DPoP proof without our nonce is sent back once

	AuditRetention     Duration `yaml:"audit_retention"`   // how long the trail is kept; 0: for ever
	AuditWebhookURL    string   `yaml:"audit_webhook_url"` // where the trail is sent; "": nowhere
	AuditWebhookSecret string   `yaml:"audit_webhook_secret"`

	MFA    MFAConfig    `yaml:"mfa"`
	Limits LimitsConfig `yaml:"limits"`

	HashMemory uint32           `yaml:"-"` // KiB for each run of argon2id; 0: 19 MiB, less is for tests; another one voids recovery codes
	Version    string           `yaml:"-"` // of the program, for its metrics
	Mail       mail.Sender      `yaml:"-"` // sends the mail instead of SMTPURL
	Log        *slog.Logger     `yaml:"-"` // nil: slog.Default
	Now        func() time.Time `yaml:"-"` // nil: time.Now
}

// MFAConfig sets the second factor.
type MFAConfig struct {
	Issuer         string            `yaml:"issuer"`          // the name that an authenticator app shows; no colon
	RememberDevice Duration          `yaml:"remember_device"` // how long "Remember me" skips the code; 0: off
	ACRAliases     map[string]string `yaml:"acr_aliases"`     // further acr values and the level they stand for
	Passkeys       string            `yaml:"passkeys"`        // [PasskeysAlone], [PasskeysSecond] or [PasskeysOff]
}

// What passkeys are good for.
const (
	PasskeysAlone  = "alone"         // to sign in without a password, and as second factor
	PasskeysSecond = "second_factor" // after the password only
	PasskeysOff    = "off"           // none is taken; whoever has one stays enrolled
)

// Duration is a length of time; a YAML file writes it as 720h or 30m, and none as 0.
type Duration time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	if err := d.set(node.Value); err != nil || node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %q is no length of time such as 720h or 30m", node.Line, node.Value)
	}
	return nil
}

func (d *Duration) set(value string) error {
	parsed, err := time.ParseDuration(value) // knows 0 without a unit
	*d = Duration(parsed)
	return err
}

// REFEDS is the name under which research federations ask for a second factor (refeds.org/profile/mfa).
const REFEDS = "https://refeds.org/profile/mfa"

// Defaults returns the configuration of `idp serve` with nothing set: SQLite in ./data, on loopback.
func Defaults() Config {
	return Config{
		PublicURL: "http://localhost:8080", Listen: "127.0.0.1:8080",
		DatabaseURL: "sqlite:data/idp.db", KeyRotation: Duration(2160 * time.Hour), Product: "Focus HQ",
		MFA:    MFAConfig{Issuer: "Focus HQ", RememberDevice: Duration(720 * time.Hour), ACRAliases: map[string]string{REFEDS: "aal2"}, Passkeys: PasskeysAlone},
		Limits: LimitsConfig{MinPassword: 15},
	}
}

// setting is one name in the environment and how its text gets into a Config.
type setting struct {
	env string
	set func(*Config, string) error
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = v; return nil }
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) (err error) {
		if *field(c), err = strconv.ParseBool(v); err != nil {
			return fmt.Errorf("%q must be true or false", v)
		}
		return nil
	}
}

func list(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	}
}

func settings() []setting {
	return []setting{
		{"IDP_PUBLIC_URL", text(func(c *Config) *string { return &c.PublicURL })},
		{"IDP_LISTEN", text(func(c *Config) *string { return &c.Listen })},
		{"IDP_SHUTDOWN_DELAY", func(c *Config, v string) error { return c.ShutdownDelay.set(v) }},
		{"IDP_METRICS_LISTEN", text(func(c *Config) *string { return &c.MetricsListen })},
		{"IDP_TRACING_ENDPOINT", text(func(c *Config) *string { return &c.TracingEndpoint })},
		{"IDP_PROFILING", boolean(func(c *Config) *bool { return &c.Profiling })},
		{"IDP_DATABASE_URL", text(func(c *Config) *string { return &c.DatabaseURL })},
		{"IDP_DATABASE_POOL", func(c *Config, v string) (err error) {
			if c.DatabasePool, err = strconv.Atoi(v); err != nil {
				return fmt.Errorf("%q is no number", v)
			}
			return nil
		}},
		{"IDP_KEYSET_FILE", text(func(c *Config) *string { return &c.KeysetFile })},
		{"IDP_TLS_CERT_FILE", text(func(c *Config) *string { return &c.TLSCertFile })},
		{"IDP_TLS_KEY_FILE", text(func(c *Config) *string { return &c.TLSKeyFile })},
		{"IDP_SMTP_URL", text(func(c *Config) *string { return &c.SMTPURL })},
		{"IDP_SMTP_FROM", text(func(c *Config) *string { return &c.SMTPFrom })},
		{"IDP_MFA_ISSUER", text(func(c *Config) *string { return &c.MFA.Issuer })},
		{"IDP_MFA_PASSKEYS", text(func(c *Config) *string { return &c.MFA.Passkeys })},
		{"IDP_PRODUCT", text(func(c *Config) *string { return &c.Product })},
		{"IDP_HELP", text(func(c *Config) *string { return &c.Help })},
		{"IDP_HELP_URL", text(func(c *Config) *string { return &c.HelpURL })},
		{"IDP_AUDIT_RETENTION", func(c *Config, v string) error { return c.AuditRetention.set(v) }},
		{"IDP_AUDIT_WEBHOOK_URL", text(func(c *Config) *string { return &c.AuditWebhookURL })},
		{"IDP_AUDIT_WEBHOOK_SECRET", text(func(c *Config) *string { return &c.AuditWebhookSecret })},
		{"IDP_KEY_ROTATION", func(c *Config, v string) error { return c.KeyRotation.set(v) }},
		{"IDP_TRUSTED_PROXIES", list(func(c *Config) *[]string { return &c.TrustedProxies })},
		{"IDP_OUTBOUND_NETWORKS", list(func(c *Config) *[]string { return &c.OutboundNetworks })},
		{"IDP_ALLOW_INSECURE_HTTP", boolean(func(c *Config) *bool { return &c.AllowInsecureHTTP })},
		{"IDP_DYNAMIC_REGISTRATION", boolean(func(c *Config) *bool { return &c.DynamicRegistration })},
		{"IDP_REQUIRE_DPOP_NONCE", boolean(func(c *Config) *bool { return &c.RequireDPoPNonce })},
	}
}

// LoadConfig reads a configuration in the order flag, environment, secret file (NAME_FILE), YAML file, default: what
// comes first wins. file may be "". flags holds values by the name of their environment variable. Unknown keys in the
// file and unusable values are errors that name the key.
func LoadConfig(file string, getenv func(string) string, flags map[string]string) (Config, error) {
	c := Defaults()
	if file != "" {
		if err := readYAML(file, &c); err != nil {
			return c, err
		}
	}
	for _, s := range settings() {
		value, err := lookup(s.env, getenv, flags)
		if err == nil && value != "" {
			err = s.set(&c, value)
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", s.env, err)
		}
	}
	return c, c.Validate()
}

func readYAML(path string, c *Config) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", path, readable(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: there must be one YAML document, without anything after it", path)
	}
	return nil
}

func lookup(name string, getenv func(string) string, flags map[string]string) (string, error) {
	if v := flags[name]; v != "" {
		return v, nil
	}
	if v := getenv(name); v != "" {
		return v, nil
	}
	path := getenv(name + "_FILE")
	// Two settings are names of files themselves; IDP_TLS_KEY_FILE is not the secret file of an IDP_TLS_KEY.
	if path == "" || strings.HasSuffix(name, "_FILE") {
		return "", nil
	}
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

// Validate reports the first setting that cannot work, by its key. It writes PublicURL as browsers write an origin.
func (c *Config) Validate() error {
	u, err := url.Parse(c.PublicURL)
	if err == nil {
		u.Host = plainHost(u)
	}
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("public_url: %q is not an http or https URL", c.PublicURL)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("public_url: %q must be scheme and host alone", c.PublicURL)
	case u.Scheme == "http" && !loopback(u.Hostname()) && !c.AllowInsecureHTTP:
		return fmt.Errorf("public_url: %q would send passwords in the clear: use https, or set allow_insecure_http: true", c.PublicURL)
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""):
		return errors.New("tls_cert_file and tls_key_file go together")
	case c.KeyRotation != 0 && c.KeyRotation < Duration(24*time.Hour):
		return fmt.Errorf("key_rotation: %v is neither 0 (by hand) nor 24h or more: a key is published for two days after it", time.Duration(c.KeyRotation))
	case c.Profiling && c.MetricsListen == "":
		return errors.New("profiling: profiles are shown on the listener for metrics alone: set metrics_listen")
	case c.ShutdownDelay < 0 || c.ShutdownDelay > Duration(5*time.Minute):
		return fmt.Errorf("shutdown_delay: %v is not between 0 and 5m", time.Duration(c.ShutdownDelay))
	case c.DatabasePool != 0 && (c.DatabasePool < dbx.LeastPool || c.DatabasePool > 1000):
		return fmt.Errorf("database_pool: %d is not between %d and 1000 connections", c.DatabasePool, dbx.LeastPool)
	case c.SMTPURL != "" && c.SMTPFrom == "":
		return errors.New("smtp_from: an address is needed with smtp_url")
	case strings.Contains(c.MFA.Issuer, ":") || strings.TrimSpace(c.MFA.Issuer) == "":
		return fmt.Errorf("mfa.issuer: %q must not be empty or hold a colon: authenticator apps cut the name there", c.MFA.Issuer)
	case c.MFA.RememberDevice < 0 || time.Duration(c.MFA.RememberDevice) > 30*24*time.Hour:
		return fmt.Errorf("mfa.remember_device: %v is not between 0 (off) and 720h", time.Duration(c.MFA.RememberDevice))
	case c.MFA.Passkeys != PasskeysAlone && c.MFA.Passkeys != PasskeysSecond && c.MFA.Passkeys != PasskeysOff:
		return fmt.Errorf("mfa.passkeys: %q is not alone, second_factor or off", c.MFA.Passkeys)
	case c.Limits.MinPassword < 15 || c.Limits.MinPassword > 64:
		return fmt.Errorf("limits.min_password: %d is not between 15, while a password alone can sign in, and 64", c.Limits.MinPassword)
	}
	for alias, level := range c.MFA.ACRAliases {
		if level != "aal1" && level != "aal2" {
			return fmt.Errorf("mfa.acr_aliases: %s stands for %q, not for aal1 or aal2", alias, level)
		}
	}
	for key, address := range map[string]string{"listen": c.Listen, "metrics_listen": c.MetricsListen} {
		if _, _, err := net.SplitHostPort(address); err != nil && (address != "" || key == "listen") {
			return fmt.Errorf("%s: %q is no address with a port, such as 127.0.0.1:8080", key, address)
		}
	}
	if err := c.validateTracing(); err != nil {
		return err
	}
	if err := c.validateAudit(); err != nil {
		return err
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	if _, err := c.outbound(); err != nil {
		return err
	}
	if err := c.Limits.validate(); err != nil {
		return fmt.Errorf("limits.%w", err)
	}
	c.PublicURL = u.Scheme + "://" + u.Host // of which the issuer, links and the origins that are compared are made
	return nil
}

// plainHost returns the host of u in lower case and without the port that its scheme means anyway (RFC 6454 section 6.2).
func plainHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return host
}

// keyset returns the keyset file's path: beside the SQLite database unless set.
func (c *Config) keyset() string {
	if c.KeysetFile != "" {
		return c.KeysetFile
	}
	if path, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:"); ok {
		return filepath.Join(filepath.Dir(path), "keyset.json")
	}
	return filepath.Join("data", "keyset.json")
}

// secure reports whether cookies carry Secure: always, but on http://localhost.
func (c *Config) secure() bool {
	u, err := url.Parse(c.PublicURL)
	return err != nil || u.Scheme == "https" || !loopback(u.Hostname())
}

func (c *Config) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is no network such as 10.0.0.0/8", text)
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("trusted_proxies: %s is everybody: whoever sends a header would choose their own address", text)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// outbound returns the networks beyond the public internet that the URLs of clients may lead to. A provider on loopback is
// somebody's trial: its clients are there too.
func (c *Config) outbound() ([]netip.Prefix, error) {
	var out []netip.Prefix
	if u, err := url.Parse(c.PublicURL); err == nil && loopback(u.Hostname()) {
		out = append(out, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	for _, text := range c.OutboundNetworks {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("outbound_networks: %q is no network such as 10.0.0.0/8", text)
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("outbound_networks: %s is everything, the metadata of a cloud's machines too: name the networks", text)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
