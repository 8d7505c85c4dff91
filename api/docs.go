package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsText string

//go:embed docs.css
var docsStyle string

// docsPage is the document for people to read: one page without a script and without anything from elsewhere.
type docsPage struct {
	Style   template.CSS
	Version string
	About   string
	Parts   []docsPart
	Things  []docsThing
	Kinds   []docsKind
	Scopes  []docsScope
}

type docsPart struct {
	Name, Text string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Text string
	Scopes                          []string
	Fields                          []docsField // parameters
	Takes                           []docsBody
	Answers                         []docsAnswer
}

type docsBody struct{ Media, Type string }

type docsAnswer struct {
	Status, Text string
	Bodies       []docsBody
}

type docsThing struct {
	Name   string
	Fields []docsField
}

type docsField struct {
	Name, Type, Where, Text string
	Required                bool
}

type docsKind struct {
	Type, Title string
	Status      int
}

type docsScope struct{ Name, Text string }

// docsAnswerOf is what GET /docs answers with.
type docsAnswerOf struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Policy      string `header:"Content-Security-Policy" hidden:"true"`
	Body        []byte
}

func (s *Server) docs(context.Context, *call, *struct{}) (*docsAnswerOf, error) {
	sum := sha256.Sum256([]byte(docsStyle))
	return &docsAnswerOf{
		ContentType: "text/html; charset=utf-8", Body: s.page,
		Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

// drawDocs draws the page from the document.
func drawDocs(document *huma.OpenAPI) ([]byte, error) {
	page := docsPage{Style: template.CSS(docsStyle), Version: document.OpenAPI, About: document.Info.Description}
	for _, tag := range document.Tags {
		page.Parts = append(page.Parts, docsPart{tag.Name, tag.Description, operationsOf(document, tag.Name)})
	}
	schemas := document.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		page.Things = append(page.Things, docsThing{name, membersOf(schemas[name])})
	}
	for _, k := range kinds() {
		page.Kinds = append(page.Kinds, docsKind{problemType + k.name, k.title, k.status})
	}
	flow := document.Components.SecuritySchemes[securityName].Flows.ClientCredentials
	for _, name := range slices.Sorted(maps.Keys(flow.Scopes)) {
		page.Scopes = append(page.Scopes, docsScope{name, flow.Scopes[name]})
	}
	parsed, err := template.New("docs").Parse(docsText)
	if err != nil {
		return nil, fmt.Errorf("api: docs: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, page); err != nil {
		return nil, fmt.Errorf("api: docs: %w", err)
	}
	return out.Bytes(), nil
}

// operationsOf returns the operations of a part, by path and method.
func operationsOf(document *huma.OpenAPI, tag string) []docsOperation {
	var out []docsOperation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if d := operationOf(document.Paths[path], method); d != nil && slices.Contains(d.Tags, tag) {
				out = append(out, operationText(document, d, method, Prefix+path))
			}
		}
	}
	return out
}

func operationText(document *huma.OpenAPI, d *huma.Operation, method, path string) docsOperation {
	o := docsOperation{ID: d.OperationID, Method: method, Path: path, Summary: d.Summary, Text: d.Description}
	for _, way := range d.Security {
		o.Scopes = append(o.Scopes, way[securityName]...)
	}
	for _, p := range d.Parameters {
		o.Fields = append(o.Fields, docsField{p.Name, typeText(p.Schema), p.In, p.Description, p.Required})
	}
	if d.RequestBody != nil {
		o.Takes = bodiesOf(d.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(d.Responses)) {
		answer := d.Responses[status]
		if name, ok := strings.CutPrefix(answer.Ref, "#/components/responses/"); ok {
			answer = document.Components.Responses[name]
		}
		o.Answers = append(o.Answers, docsAnswer{status, answer.Description, bodiesOf(answer.Content)})
	}
	return o
}

func bodiesOf(content map[string]*huma.MediaType) []docsBody {
	var out []docsBody
	for _, media := range slices.Sorted(maps.Keys(content)) {
		out = append(out, docsBody{media, typeText(content[media].Schema)})
	}
	return out
}

func membersOf(schema *huma.Schema) []docsField {
	var out []docsField
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[name]
		out = append(out, docsField{Name: name, Type: typeText(p), Text: p.Description, Required: slices.Contains(schema.Required, name)})
	}
	return out
}

// typeText says in a few words what a schema takes.
func typeText(schema *huma.Schema) string {
	switch {
	case schema == nil:
		return ""
	case schema.Ref != "":
		return schema.Ref[strings.LastIndexByte(schema.Ref, '/')+1:]
	case schema.Type == huma.TypeArray:
		return "array of " + typeText(schema.Items)
	case len(schema.Enum) > 0:
		words := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			words[i] = fmt.Sprintf("%q", value)
		}
		return "one of " + strings.Join(words, ", ")
	case schema.Format != "":
		return schema.Type + ", " + schema.Format
	case schema.Type == "":
		return "any"
	}
	return schema.Type
}
