package idp_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoadConfigPrecedence(t *testing.T) {
	file := write(t, "idp.yaml", "product: file\n")
	secret := write(t, "secret", "secret\n")
	flag := map[string]string{"IDP_PRODUCT": "flag"}
	tests := []struct {
		name  string
		file  string
		env   []string
		flags map[string]string
		want  string
	}{
		{"default", "", nil, nil, "Focus HQ"},
		{"file", file, nil, nil, "file"},
		{"secret file", file, []string{"IDP_PRODUCT_FILE", secret}, nil, "secret"},
		{"environment", file, []string{"IDP_PRODUCT_FILE", secret, "IDP_PRODUCT", "environment"}, nil, "environment"},
		{"flag", file, []string{"IDP_PRODUCT_FILE", secret, "IDP_PRODUCT", "environment"}, flag, "flag"},
		{"an empty flag is none", file, nil, map[string]string{"IDP_PRODUCT": ""}, "file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := idp.LoadConfig(tt.file, environment(tt.env...), tt.flags)
			if err != nil || c.Product != tt.want {
				t.Errorf("%q (%v), want %q", c.Product, err, tt.want)
			}
		})
	}
}

func TestLoadConfigReadsEverything(t *testing.T) {
	file := write(t, "idp.yaml", `
public_url: https://id.example/
listen: 0.0.0.0:8080
metrics_listen: 127.0.0.1:9090
database_url: postgres://idp@db.example/idp?sslmode=verify-full
keyset_file: /run/secrets/keyset.json
key_rotation: 720h
trusted_proxies: [10.0.0.0/8, "2001:db8::/32"]
outbound_networks: [10.0.0.0/8]
dynamic_registration: true
require_dpop_nonce: true
audit_retention: 9528h
audit_webhook_url: https://siem.example/in
audit_webhook_secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
smtp_url: smtps://mail.example
smtp_from: id@example.com
product: Ours
mfa:
  issuer: Ours
  remember_device: 0
  acr_aliases: {"urn:mfa": aal2}
limits:
  min_password: 20
  code:
    waits: [{from: 5, for: 1m}, {from: 10, for: 15m}]
    seal: 60
  code_address:
    waits: [{from: 10000, for: 1s}]
`)
	c, err := idp.LoadConfig(file, environment("IDP_TRUSTED_PROXIES", "192.0.2.0/24, 198.51.100.7/32"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := idp.Defaults()
	want.PublicURL, want.Listen, want.MetricsListen = "https://id.example", "0.0.0.0:8080", "127.0.0.1:9090"
	want.DatabaseURL, want.KeysetFile = "postgres://idp@db.example/idp?sslmode=verify-full", "/run/secrets/keyset.json"
	want.TrustedProxies = []string{"192.0.2.0/24", "198.51.100.7/32"}
	want.KeyRotation, want.OutboundNetworks = idp.Duration(720*time.Hour), []string{"10.0.0.0/8"}
	want.DynamicRegistration, want.RequireDPoPNonce = true, true
	want.AuditRetention, want.AuditWebhookURL = idp.Duration(9528*time.Hour), "https://siem.example/in"
	want.AuditWebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	want.SMTPURL, want.SMTPFrom, want.Product = "smtps://mail.example", "id@example.com", "Ours"
	want.MFA.Issuer, want.MFA.RememberDevice = "Ours", 0
	want.MFA.ACRAliases["urn:mfa"] = "aal2" // beside the defaults
	want.Limits = c.Limits
	if !reflect.DeepEqual(c, want) {
		t.Errorf("\n%+v, want\n%+v", c, want)
	}
	policy := c.Limits.Code.Policy()
	if network := c.Limits.CodeAddress.Policy(); len(network.Waits) != 1 || network.Waits[0].From != 10000 {
		t.Errorf("%+v", network)
	}
	if c.Limits.MinPassword != 20 || policy.Seal != 60 || len(policy.Waits) != 2 || policy.Waits[1].For != 15*time.Minute {
		t.Errorf("%+v", c.Limits)
	}
}

func TestPublicURLIsAnOriginAsBrowsersWriteIt(t *testing.T) {
	for written, want := range map[string]string{
		"https://id.example": "https://id.example", "https://id.example/": "https://id.example", "https://id.example//": "https://id.example",
		"HTTPS://ID.Example": "https://id.example", "https://Id.example:443/": "https://id.example", "https://id.example:": "https://id.example",
		"https://id.example:8443": "https://id.example:8443", "https://id.example:80": "https://id.example:80",
		"http://LocalHost:80": "http://localhost", "http://localhost:443": "http://localhost:443", "http://localhost:8080": "http://localhost:8080",
		"https://[2001:DB8::1]:443": "https://[2001:db8::1]", "http://[::1]:80": "http://[::1]",
	} {
		c, err := idp.LoadConfig("", environment("IDP_PUBLIC_URL", written), nil)
		if err != nil || c.PublicURL != want {
			t.Errorf("%s is %q (%v), want %s", written, c.PublicURL, err, want)
		}
		if err := c.Validate(); err != nil || c.PublicURL != want {
			t.Errorf("%s once more: %q (%v)", want, c.PublicURL, err)
		}
	}
}

func TestLoadConfigRefuses(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"unknown key", "lisen: x\n", `line 1: there is no key "lisen"`},
		{"unknown key inside", "mfa:\n  isuer: x\n", `line 2: there is no key "isuer"`},
		{"two documents", "product: a\n---\nlisten: b\n", "one YAML document"},
		{"no URL", "public_url: id.example", "public_url"},
		{"another scheme", "public_url: ftp://id.example", "public_url"},
		{"path", "public_url: https://id.example/idp", "scheme and host"},
		{"query", "public_url: https://id.example?a=b", "scheme and host"},
		{"user", "public_url: https://a:b@id.example", "scheme and host"},
		{"in the clear", "public_url: http://id.example", "allow_insecure_http"},
		{"like loopback", "public_url: http://127.0.0.1.example", "allow_insecure_http"},
		{"like localhost", "public_url: http://notlocalhost", "allow_insecure_http"},
		{"colon in the issuer", "mfa: {issuer: 'Focus:HQ'}", "mfa.issuer"},
		{"passkeys sometimes", "mfa: {passkeys: sometimes}", "mfa.passkeys"},
		{"passkeys of no kind", "mfa: {passkeys: ''}", "mfa.passkeys"},
		{"passkeys are true", "mfa: {passkeys: true}", "mfa.passkeys"},
		{"no issuer", "mfa: {issuer: ' '}", "mfa.issuer"},
		{"remembered for ever", "mfa: {remember_device: 721h}", "mfa.remember_device"},
		{"remembered negatively", "mfa: {remember_device: -1h}", "mfa.remember_device"},
		{"a level unknown", "mfa: {acr_aliases: {x: aal3}}", "mfa.acr_aliases"},
		{"short passwords", "limits: {min_password: 8}", "limits.min_password"},
		{"endless passwords", "limits: {min_password: 65}", "limits.min_password"},
		{"no waits", "limits: {code: {waits: [], seal: 5}}", "limits.code"},
		{"a wait of nothing", "limits: {password: {waits: [{from: 5, for: 0s}]}}", "limits.password"},
		{"from zero", "limits: {address: {waits: [{from: 0, for: 1m}]}}", "limits.address"},
		{"negative seal", "limits: {recovery: {waits: [{from: 5, for: 1m}], seal: -1}}", "limits.recovery"},
		{"a first wait that never comes", "limits: {code: {waits: [{from: 1000000, for: 1s}]}}", "limits.code"},
		{"codes of a network, never", "limits: {code_address: {waits: [{from: 10001, for: 1m}]}}", "limits.code_address"},
		{"codes of a network, at once", "limits: {code_address: {waits: [{from: 100, for: 1ms}]}}", "limits.code_address"},
		{"a sealed network", "limits: {code_address: {waits: [{from: 100, for: 1m}], seal: 1000}}", "limits.code_address"},
		{"codes without a seal", "limits: {code: {waits: [{from: 5, for: 1m}]}}", "limits.code: the seal must come after"},
		{"recovery codes with a late wait", "limits: {recovery: {waits: [{from: 11, for: 1m}], seal: 60}}", "limits.recovery: the first wait"},
		{"codes that wait too shortly", "limits: {code: {waits: [{from: 5, for: 1s}], seal: 60}}", "limits.code: a wait of 1s"},
		{"words", "limits: {code: unlimited}", "line 1"},
		{"a network of words", "trusted_proxies: [everybody]", "trusted_proxies"},
		{"an address, not a network", "trusted_proxies: [10.0.0.1]", "10.0.0.1"},
		{"everybody a proxy", "trusted_proxies: [0.0.0.0/0]", "trusted_proxies"},
		{"everything outbound", "outbound_networks: ['::/0']", "outbound_networks"},
		{"an outbound address, not a network", "outbound_networks: [10.0.0.1]", "outbound_networks"},
		{"keys of an hour", "key_rotation: 1h", "key_rotation"},
		{"keys of less than nothing", "key_rotation: -1h", "key_rotation"},
		{"keys of words", "key_rotation: monthly", "line 1"},
		{"a trail of an hour", "audit_retention: 1h", "audit_retention"},
		{"a trail of less than nothing", "audit_retention: -24h", "audit_retention"},
		{"a webhook without a secret", "audit_webhook_url: https://siem.example", "audit_webhook_secret: must be whsec_"},
		{"a webhook with a password", "audit_webhook_url: https://siem.example\naudit_webhook_secret: hunter2", "audit_webhook_secret: must be whsec_"},
		{"a webhook in the clear", "audit_webhook_url: http://siem.example", "audit_webhook_url"},
		{"a webhook that is a path", "audit_webhook_url: /in", "audit_webhook_url"},
		{"half of TLS", "tls_key_file: key.pem", "tls_cert_file"},
		{"mail from nobody", "smtp_url: smtp://mail.example", "smtp_from"},
		{"a listener without port", "listen: localhost", "listen"},
		{"a metrics listener without port", "metrics_listen: localhost", "metrics_listen"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := idp.LoadConfig(write(t, "idp.yaml", tt.yaml), environment(), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want something about %s", err, tt.want)
			}
		})
	}
	for _, env := range [][]string{
		{"IDP_ALLOW_INSECURE_HTTP", "perhaps"}, {"IDP_DYNAMIC_REGISTRATION", "perhaps"}, {"IDP_REQUIRE_DPOP_NONCE", "2"},
		{"IDP_DATABASE_POOL", "many"}, {"IDP_DATABASE_POOL", "1"}, {"IDP_DATABASE_POOL", "1001"}, {"IDP_KEY_ROTATION", "monthly"}, {"IDP_KEY_ROTATION", "1h"}, {"IDP_OUTBOUND_NETWORKS", "everybody"}, {"IDP_OUTBOUND_NETWORKS", "0.0.0.0/0"},
		{"IDP_PRODUCT_FILE", "/nowhere/at/all"}, {"IDP_MFA_ISSUER", "a:b"},
		{"IDP_SHUTDOWN_DELAY", "soon"}, {"IDP_SHUTDOWN_DELAY", "-1s"}, {"IDP_SHUTDOWN_DELAY", "1h"},
	} {
		if _, err := idp.LoadConfig("", environment(env...), nil); err == nil {
			t.Errorf("%v is accepted", env)
		}
	}
}

func TestLoadConfigAccepts(t *testing.T) {
	for _, yaml := range []string{
		"", "# nothing\n", "public_url: http://127.0.0.1:9", "public_url: 'http://[::1]:9'", "public_url: http://id.localhost",
		"public_url: http://id.example\nallow_insecure_http: true", "mfa: {remember_device: 0s}", "key_rotation: 0", "key_rotation: 24h", "audit_retention: 0", "audit_retention: 24h",
		"audit_webhook_url: http://localhost:9\naudit_webhook_secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "mfa: {remember_device: 720h}",
		"mfa: {passkeys: off}", "mfa: {passkeys: second_factor}", "mfa: {passkeys: alone}",
	} {
		if _, err := idp.LoadConfig(write(t, "idp.yaml", yaml), environment(), nil); err != nil {
			t.Errorf("%q: %v", yaml, err)
		}
	}
}

func TestLoadConfigReadsTheEnvironment(t *testing.T) {
	c, err := idp.LoadConfig("", environment("IDP_KEY_ROTATION", "0", "IDP_SHUTDOWN_DELAY", "5s", "IDP_OUTBOUND_NETWORKS", "10.0.0.0/8, fd00::/8",
		"IDP_DYNAMIC_REGISTRATION", "true", "IDP_REQUIRE_DPOP_NONCE", "1", "IDP_MFA_PASSKEYS", "off",
		"IDP_AUDIT_RETENTION", "24h", "IDP_AUDIT_WEBHOOK_URL", "https://siem.example", "IDP_AUDIT_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := idp.Defaults()
	want.ShutdownDelay = idp.Duration(5 * time.Second)
	want.KeyRotation, want.OutboundNetworks = 0, []string{"10.0.0.0/8", "fd00::/8"}
	want.MFA.Passkeys = idp.PasskeysOff
	want.AuditRetention, want.AuditWebhookURL = idp.Duration(24*time.Hour), "https://siem.example"
	want.AuditWebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	want.DynamicRegistration, want.RequireDPoPNonce = true, true
	if !reflect.DeepEqual(c, want) {
		t.Errorf("\n%+v, want\n%+v", c, want)
	}
}

// TestConfigurationIsDocumented: the manual's table has every key and every variable, and none that there isn't.
func TestConfigurationIsDocumented(t *testing.T) {
	manual, err := os.ReadFile("docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	named := func(text []byte, pattern string) (names []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	if got, want := named(manual, "`(IDP_[A-Z_]+)`"), named(source, `{"(IDP_[A-Z_]+)",`); !slices.Equal(got, want) {
		t.Errorf("the manual has %v,\nthe program %v", got, want)
	}
	var keys func(of reflect.Type, prefix string)
	keys = func(of reflect.Type, prefix string) {
		for field := range of.Fields() {
			name := field.Tag.Get("yaml")
			switch {
			case name == "-":
			case field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[idp.Limit]():
				keys(field.Type, prefix+name+".")
			case !strings.Contains(string(manual), "`"+prefix+name+"`"):
				t.Errorf("the manual doesn't have %s%s", prefix, name)
			}
		}
	}
	keys(reflect.TypeFor[idp.Config](), "")
}
