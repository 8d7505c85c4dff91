package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/focushq/idp/admin"
)

// securityName is how the document calls the way in.
const securityName = "oauth"

// describe returns huma's settings with the frame of the document.
func (s *Server) describe() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Administration", Version: "1",
				Description: "What administrators do, for programs: people, groups, clients, policy, keys and the audit trail. " +
					"Programs authenticate by OAuth 2.0 access tokens of this server; each operation names the scopes that it needs.",
			},
			Servers:    []*huma.Server{{URL: Prefix}},
			Tags:       tags(),
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer), SecuritySchemes: schemes(), Responses: map[string]*huma.Response{}},
		},
		Formats:       map[string]huma.Format{mediaJSON: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: mediaJSON,
		Transformers:  []huma.Transformer{s.settle},
	}
}

func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: "people", Description: "Accounts, and what helps their owners."},
		{Name: "groups", Description: "Groups of people."},
		{Name: "clients", Description: "Relying parties."},
		{Name: "settings", Description: "Policy, branding, signing keys, mail."},
		{Name: "audit", Description: "The trail."},
		{Name: "api", Description: "The API itself."},
	}
}

func schemes() map[string]*huma.SecurityScheme {
	scopes := map[string]string{}
	for _, p := range admin.Permissions() {
		scopes[string(p)] = scopeText(p)
	}
	return map[string]*huma.SecurityScheme{securityName: {
		Type: "oauth2", Description: "Access tokens of this server, for itself or for the resource " + Prefix + ". Tokens of people need a role, " +
			"two factors and a session that goes on. Tokens that are bound to a key (DPoP) need their proof.",
		Flows: &huma.OAuthFlows{
			ClientCredentials: &huma.OAuthFlow{TokenURL: "/oauth2/token", Scopes: scopes},
			AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: "/oauth2/authorize", TokenURL: "/oauth2/token", Scopes: scopes},
		},
	}}
}

// scopeText says what a scope allows.
func scopeText(p admin.Permission) string {
	return map[admin.Permission]string{
		admin.ReadPeople: "Read people and groups", admin.HelpPeople: "Help people who have no role: disable, links, factors, sessions",
		admin.WritePeople: "Change groups and memberships, import, export and delete people", admin.WriteStaff: "Change roles, and people who have one",
		admin.ReadClients: "Read clients", admin.WriteClients: "Change clients", admin.ReadSettings: "Read policy, branding and keys",
		admin.WriteSettings: "Change policy, branding and keys", admin.ReadTrail: "Read the audit trail",
	}[p]
}

// describeProblems adds to d the problems that an operation may answer with.
func (s *Server) describeProblems(d *huma.Operation, op *operation) {
	all := append([]kind{missingToken, invalidToken, stepUp, insufficientScope, forbidden, malformed, invalidParameter, tooMany, busy, internal}, op.problems...)
	if methodOf(op.does) != http.MethodGet {
		all = append(all, tooLarge, unsupportedMedia, invalid)
	}
	if op.conditional() {
		all = append(all, stale, preconditionGone)
	}
	if methodOf(op.does) == http.MethodPost {
		all = append(all, keyReused, keyInUse, keyUnknown)
		d.Parameters = append(d.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Example: "7c4a8d09-ca37-4d2b-9f1e-2f7b1b1f5d3a",
			Description: "For 24 hours the same request with the same key is done once; the first answer comes again.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(maxKey)},
		})
	}
	for _, k := range all {
		status := strconv.Itoa(k.status)
		if !slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity}, k.status) {
			d.Responses[status] = &huma.Response{Ref: s.shared(k)}
			continue
		}
		if d.Responses[status] == nil {
			d.Responses[status] = s.problemAnswer()
		}
		d.Responses[status].Description = listed(d.Responses[status].Description, k.name)
	}
}

// shared returns the name of the answer that all operations have for the status of k.
func (s *Server) shared(k kind) string {
	components := s.api.OpenAPI().Components
	name := strings.ReplaceAll(http.StatusText(k.status), " ", "")
	if components.Responses[name] == nil {
		components.Responses[name] = s.problemAnswer()
		for _, other := range kinds() {
			if other.status == k.status {
				components.Responses[name].Description = listed(components.Responses[name].Description, other.name)
			}
		}
	}
	return "#/components/responses/" + name
}

func (s *Server) problemAnswer() *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Content: map[string]*huma.MediaType{mediaProblem: {Schema: schema}}}
}

func listed(before, name string) string {
	if before == "" {
		return name
	}
	return before + ", " + name
}

// addDocument adds the operations that describe the others.
func (s *Server) addDocument() {
	add(s, operation{
		does: "GET /openapi.json", id: "getOpenAPI", about: "api", summary: "Describe the API", open: true,
		text: "This document. It opens with an access token of anybody who may administer something, or to a browser that is signed in to the console.",
	}, func(context.Context, *call, *struct{}) (*rawAnswer, error) {
		return &rawAnswer{ContentType: "application/json", Body: s.openapi}, nil
	})
	add(s, operation{
		does: "GET /docs", id: "getDocs", about: "api", summary: "Describe the API for people", open: true, gives: map[string]string{"text/html": "a page"},
	}, s.docs)
	s.finish()
	var err error
	if s.openapi, err = json.MarshalIndent(s.api.OpenAPI(), "", "  "); err == nil {
		s.page, err = drawDocs(s.api.OpenAPI())
	}
	if err != nil {
		panic(fmt.Sprintf("api: the document: %v", err)) // it is made of constants
	}
}

// rawAnswer is one that is no JSON of ours.
type rawAnswer struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Body        []byte
}

// finish takes out of the document what huma puts in by itself, and opens answers: they may have members one day that they do
// not have today.
func (s *Server) finish() {
	document := s.api.OpenAPI()
	schemas := document.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	sent := map[string]bool{}
	for _, op := range s.listed {
		s.reach(op.body, sent)
	}
	for name, schema := range schemas {
		if !sent[name] && schema.AdditionalProperties == false {
			schema.AdditionalProperties = nil
		}
	}
}

// reach notes the schemas that a schema refers to.
func (s *Server) reach(schema *huma.Schema, seen map[string]bool) {
	if schema == nil {
		return
	}
	if schema.Ref != "" {
		name := schema.Ref[len("#/components/schemas/"):]
		if !seen[name] {
			seen[name] = true
			s.reach(s.api.OpenAPI().Components.Schemas.Map()[name], seen)
		}
		return
	}
	s.reach(schema.Items, seen)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		s.reach(schema.Properties[name], seen)
	}
}
