package admin_test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/oauth"
)

// sampled are clients of every kind, with the samples that each must have.
func sampled() map[string]oauth.Client {
	web := []string{"https://app.example/oauth2/callback?a=b"}
	everyone := []string{"openid", "profile", "email", "offline_access"}
	device := "urn:ietf:params:oauth:grant-type:device_code"
	return map[string]oauth.Client{
		"authjs dotnet endpoints go grafana java node oauth2-proxy php python":  {ID: "web", RedirectURIs: web, Scopes: everyone},
		"authjs dotnet endpoints go grafana java node oauth2-proxy php python ": {ID: "post", AuthMethod: "client_secret_post", RedirectURIs: web},
		"endpoints spa":    {ID: "spa", AuthMethod: "none", RedirectURIs: web},
		"endpoints native": {ID: "phone", AuthMethod: "none", RedirectURIs: []string{"com.example.app:/callback"}},
		"device endpoints": {ID: "tv", AuthMethod: "none", GrantTypes: []string{device}},
		"endpoints introspect machine machine-go": {ID: "job", GrantTypes: []string{"client_credentials"}, Introspect: true, Scopes: []string{"openid", "read", "write"},
			Resources: []string{"https://api.example/", "https://b.example"}},
		"endpoints machine machine-go": {ID: "job2", GrantTypes: []string{"client_credentials"}, AuthMethod: "client_secret_post"},
		"endpoints":                    {ID: "bank", AuthMethod: "private_key_jwt", RedirectURIs: web, RequirePAR: true},
	}
}

func TestSamplesFitTheirClients(t *testing.T) {
	folder := t.TempDir()
	for want, client := range sampled() {
		var got []string
		for _, s := range admin.Samples(&client, admin.EndpointsOf("https://id.example.com")) {
			got = append(got, s.ID)
			if !strings.Contains(s.Text, "https://id.example.com") || !strings.Contains(s.Text, client.ID) || strings.Contains(s.Text, "<no value>") || s.Name == "" {
				t.Errorf("%s of %s:\n%s", s.ID, client.ID, s.Text)
			}
			path := filepath.Join(folder, client.ID+"-"+s.ID)
			checkSample(t, s, path)
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != strings.TrimSpace(want) {
			t.Errorf("%s: %s", client.ID, text)
		}
	}
}

// checkSample asks the programs of its language whether a sample can be read; Go's are built.
func checkSample(t *testing.T, s admin.Sample, path string) {
	t.Helper()
	run := func(extension, program string, args ...string) {
		t.Helper()
		if err := os.WriteFile(path+extension, []byte(s.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, append(args, path+extension)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", s.ID, err, out, s.Text)
		}
	}
	switch s.Language {
	case "go":
		if formatted, err := format.Source([]byte(s.Text)); err != nil || string(formatted) != s.Text {
			t.Errorf("%s: gofmt: %v\n%s", s.ID, err, s.Text)
		}
		if s.ID == "machine-go" {
			s.Text += "\nfunc main() {}\n"
		}
		run(".go", "go", "vet")
	case "javascript":
		run(".mjs", "node", "--check")
	case "python":
		run(".py", "python3", "-m", "py_compile")
	case "bash":
		run(".sh", "sh", "-n")
	case "yaml":
		var out map[string]any
		if err := yaml.Unmarshal([]byte(s.Text), &out); err != nil || out["spring"] == nil {
			t.Errorf("%s: %v\n%s", s.ID, err, s.Text)
		}
	}
}

// A program that is tried on a developer's machine waits where people come back to, and what fits best comes first.
func TestSamplesFitTheirKinds(t *testing.T) {
	for uri, want := range map[string]string{
		"http://localhost:8080/cb": `"127.0.0.1:8080"`, "http://127.0.0.1:4000/": `"127.0.0.1:4000"`, "http://localhost/cb": `"127.0.0.1:80"`,
		"https://app.example:8443/cb": `"127.0.0.1:9999"`,
	} {
		if s := admin.Samples(&oauth.Client{ID: "app", RedirectURIs: []string{uri}}, admin.EndpointsOf("https://id.example.com"))[0]; !strings.Contains(s.Text, want) {
			t.Errorf("%s:\n%s", uri, s.Text)
		}
	}
	device := []string{"urn:ietf:params:oauth:grant-type:device_code"}
	for first, client := range map[string]oauth.Client{
		"native": {AuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/callback"}}, "spa": {AuthMethod: "none", RedirectURIs: []string{"http://localhost:5173/"}},
		"device": {AuthMethod: "none", GrantTypes: device}, "introspect": {GrantTypes: []string{"client_credentials"}, Introspect: true},
		"machine": {GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}},
	} {
		all := admin.Samples(&client, admin.EndpointsOf("https://id.example.com"))
		if all[0].ID != first {
			t.Errorf("%s: %s comes first", first, all[0].ID)
		}
		if last := all[len(all)-1]; strings.Contains(last.Text, "PKCE") != (len(client.RedirectURIs) > 0) {
			t.Errorf("%s:\n%s", first, last.Text)
		}
	}
}

// What a client has registered itself runs in nobody's program who copies a sample.
func TestSec_AD03_SamplesRunNothing(t *testing.T) {
	nasty := "https://evil.example/\";system('id');$(id)`id`${CLIENT_SECRET}{{.}}<script>"
	client := oauth.Client{
		ID: "evil", Name: "*/ \"; rm -rf / #", RedirectURIs: []string{nasty, "https://evil.example/plain"},
		Scopes: []string{"openid", "$(id)", "'`{{.}}"}, GrantTypes: []string{"authorization_code", "client_credentials"}, Resources: []string{nasty},
	}
	for _, s := range admin.Samples(&client, admin.EndpointsOf("https://id.example.com")) {
		for _, part := range []string{"system", "$(id)", "`id`", "rm -rf", "{{", "<script", "${CLIENT_SECRET}{"} {
			if strings.Contains(s.Text, part) {
				t.Errorf("%s holds %s:\n%s", s.ID, part, s.Text)
			}
		}
		if s.ID == "go" && !strings.Contains(s.Text, "https://evil.example/plain") {
			t.Errorf("the plain one is not there:\n%s", s.Text)
		}
	}
}

func TestTemplatesAreRight(t *testing.T) {
	for _, template := range admin.ClientTemplates() {
		client := &oauth.Client{Name: "App"}
		for _, field := range template.Fields {
			if field.Why == "" || field.Required && field.Name != "name" && field.Example == "" {
				t.Errorf("%s: %+v", template.ID, field)
			}
			switch field.Name {
			case "redirect_uris":
				client.RedirectURIs = []string{field.Example}
			case "scopes":
				if field.Required {
					client.Scopes = []string{field.Example}
				}
			case "resources":
				client.Resources = []string{field.Example}
			case "post_logout_redirect_uris":
				client.PostLogoutRedirectURIs = []string{field.Example}
			case "name", "id", "consent", "groups", "mfa":
			default:
				t.Errorf("%s asks for %s", template.ID, field.Name)
			}
		}
		filled := template.Fill(client)
		if err := filled.Validate(); err != nil {
			t.Errorf("%s: %v", template.ID, err)
		}
		if len(client.GrantTypes) > 0 || filled.GrantTypes == nil {
			t.Errorf("%s: %+v", template.ID, client)
		}
		if filled.IsPublic() && slices.Contains(filled.GrantTypes, "authorization_code") && !filled.RequirePKCE {
			t.Errorf("%s: without PKCE", template.ID)
		}
		if len(admin.Samples(filled.WithDefaults(), admin.EndpointsOf("https://id.example.com"))) < 2 {
			t.Errorf("%s: no sample", template.ID)
		}
	}
	if _, ok := admin.ClientTemplateOf("other"); ok {
		t.Error("there is another one")
	}
}
