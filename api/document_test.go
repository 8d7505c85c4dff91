package api_test

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestTheDocumentChangesKnowingly: programs are generated from it.
func TestTheDocumentChangesKnowingly(t *testing.T) {
	got := start(t).call("GET", "/openapi.json", nil).body
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got+"\n", "\n")); diff != "" {
		t.Errorf("the document has changed (go test ./api -run Knowingly -update writes it):\n%s", diff)
	}
}

// TestTheDocumentIsGoodEnoughToGenerateFrom looks at what generators stumble over.
func TestTheDocumentIsGoodEnoughToGenerateFrom(t *testing.T) {
	text := start(t).call("GET", "/openapi.json", nil).body
	var document struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			ID         string `json:"operationId"`
			Summary    string
			Tags       []string
			Security   []map[string][]string
			Parameters []struct {
				Name, In, Description string
				Required              bool
				Schema                map[string]any
			}
			Responses map[string]struct {
				Ref         string `json:"$ref"`
				Description string
				Content     map[string]struct{ Schema map[string]any }
			}
		}
		Components struct {
			Schemas   map[string]map[string]any
			Responses map[string]struct {
				Content map[string]any
			}
			SecuritySchemes map[string]struct {
				Flows map[string]struct{ Scopes map[string]string }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" || len(document.Servers) != 1 || document.Servers[0].URL != "/api/v1" {
		t.Errorf("%s %v", document.OpenAPI, document.Servers)
	}
	ids := map[string]bool{}
	for path, methods := range document.Paths {
		for method, op := range methods {
			at := strings.ToUpper(method) + " " + path
			if !regexp.MustCompile(`^[a-z][A-Za-z]+$`).MatchString(op.ID) || ids[op.ID] || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s: %+v", at, op)
			}
			ids[op.ID] = true
			for _, scope := range op.Security[0]["oauth"] {
				if document.Components.SecuritySchemes["oauth"].Flows["clientCredentials"].Scopes[scope] == "" {
					t.Errorf("%s: the scope %s is not explained", at, scope)
				}
			}
			for _, p := range op.Parameters {
				if p.Schema == nil || p.Description == "" {
					t.Errorf("%s: the parameter %s is not described", at, p.Name)
				}
			}
			for _, name := range parameter.FindAllString(path, -1) {
				if !slices.ContainsFunc(op.Parameters, func(p struct {
					Name, In, Description string
					Required              bool
					Schema                map[string]any
				}) bool {
					return "{"+p.Name+"}" == name && p.In == "path" && p.Required
				}) {
					t.Errorf("%s: %s is no parameter", at, name)
				}
			}
			good := 0
			for status, answer := range op.Responses {
				if strings.HasPrefix(answer.Ref, "#/components/responses/") && status[0] != '2' {
					continue
				}
				if answer.Description == "" {
					t.Errorf("%s: %s is not described", at, status)
				}
				if status[0] == '2' {
					good++
				} else if _, ok := answer.Content["application/problem+json"]; !ok {
					t.Errorf("%s: %s is no problem", at, status)
				}
			}
			if good != 1 {
				t.Errorf("%s: %d good answers", at, good)
			}
		}
	}
	for _, ref := range regexp.MustCompile(`"\$ref": "([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if name, ok := strings.CutPrefix(ref[1], "#/components/responses/"); ok {
			if document.Components.Responses[name].Content["application/problem+json"] == nil {
				t.Errorf("%s leads nowhere", ref[1])
			}
		} else if name := strings.TrimPrefix(ref[1], "#/components/schemas/"); document.Components.Schemas[name] == nil {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		if document.Components.Schemas[name] != nil {
			t.Errorf("%s is none of ours", name)
		}
	}
	if document.Components.Schemas["NewPerson"]["additionalProperties"] != false || document.Components.Schemas["Person"]["additionalProperties"] != nil {
		t.Error("what is sent has no further members, what is answered may")
	}
}
