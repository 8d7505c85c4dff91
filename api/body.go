package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Bounds of what is sent.
const (
	bodyLimit   = 64 << 10
	importLimit = 10 << 20 // the domain takes less, and says so
	maxDepth    = 16       // of JSON
)

// readBody reads the body of a request, within bounds, and puts it back for the handler. JSON must be one value that says each
// thing once, in members that the operation has, spelled as it has them.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, c *call) ([]byte, *Problem) {
	limit := c.op.limit
	if limit == 0 {
		limit = bodyLimit
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, problem(tooLarge, fmt.Sprintf("The body may have %d bytes.", limit))
	case err != nil:
		return nil, problem(malformed, "The body cannot be read.")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return body, nil
	}
	return body, s.checkBody(r, c, body)
}

func (s *Server) checkBody(r *http.Request, c *call, body []byte) *Problem {
	takes := c.op.takes
	if takes == nil {
		takes = []string{mediaJSON, "application/merge-patch+json"}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(takes, media) {
		return problem(unsupportedMedia, "The Content-Type must be "+takes[0]+".")
	}
	if c.op.takes != nil {
		return nil
	}
	r.Header.Set("Content-Type", mediaJSON) // for huma
	value, err := readJSON(body)
	if err != nil {
		return problem(malformed, "The body is no JSON value, or not one within bounds: "+err.Error()+".")
	}
	p := problem(invalid, "The body has members that are not known here.")
	s.unknown(c.op.body, value, "#", p)
	if len(p.Errors) > 0 {
		p.Errors = p.Errors[:min(len(p.Errors), 20)]
		return p
	}
	return nil
}

// The mistakes that JSON may have and most readers overlook: which of two members is meant differs from one to the next (RFC
// 8259 section 4).
var (
	errDepth = errors.New("it is nested too deeply")
	errTwice = errors.New("a member comes twice")
	errMore  = errors.New("something follows the value")
	errZero  = errors.New("a text has the character U+0000")
)

// readJSON reads one value, or says what is wrong with it.
func readJSON(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if value, err = readValue(decoder, 0); err != nil {
		if !slices.Contains([]error{errDepth, errTwice, errZero}, err) {
			err = errors.New("it is not well-formed")
		}
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errMore
	}
	return value, nil
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return readObject(decoder, depth+1)
	case json.Delim('['):
		return readArray(decoder, depth+1)
	}
	if text, ok := token.(string); ok && unwritable(text) {
		return nil, errZero
	}
	return token, nil
}

func readObject(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	object, folded := map[string]any{}, map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the decoder lets nothing else be a name
		if folded[strings.ToLower(name)] {
			return nil, errTwice
		}
		folded[strings.ToLower(name)] = true
		if object[name], err = readValue(decoder, depth); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return object, err
}

func readArray(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	array := []any{}
	for decoder.More() {
		value, err := readValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := decoder.Token()
	return array, err
}

// unknown adds to p the members of value that schema does not have. Huma would take them in another case of letters.
func (s *Server) unknown(schema *huma.Schema, value any, at string, p *Problem) {
	if schema != nil && schema.Ref != "" {
		schema = s.api.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			place := at + "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(short(name)))
			if schema == nil || schema.Properties[name] == nil && schema.AdditionalProperties == false {
				p.with(FieldError{Pointer: place, Code: "unknown"})
			} else if schema.Properties[name] != nil {
				s.unknown(schema.Properties[name], inner, place, p)
			}
		}
	case []any:
		for i, inner := range value {
			if schema != nil && schema.Items != nil {
				s.unknown(schema.Items, inner, fmt.Sprintf("%s/%d", at, i), p)
			}
		}
	}
}

// writeJSON answers with a value outside of huma.
func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, value any) {
	w.Header().Set("Content-Type", mediaJSON)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		s.cfg.Log.DebugContext(r.Context(), "api: the caller has gone", "error", err)
	}
}

func escaped(parts []string) []string {
	out := make([]string, len(parts))
	for i, part := range parts {
		out[i] = url.PathEscape(part)
	}
	return out
}
