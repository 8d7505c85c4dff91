package oauth

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ory/fosite"
)

// appendObject appends the JSON object of members, which are sorted by name. The values that tokens and answers consist of are
// written by hand, because json.Marshal takes longer for them than all else that makes a token but the signature; whatever else
// there is goes its way.
func appendObject(out []byte, members map[string]any) ([]byte, error) {
	var few [24]string // more are rare
	names := few[:0]
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	out = append(out, '{')
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, name), ':')
		var err error
		if out, err = appendValue(out, members[name]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendValue(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return appendText(out, v), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case []string:
		return appendTexts(out, v), nil
	case fosite.Arguments:
		return appendTexts(out, v), nil
	}
	text, err := json.Marshal(value)
	return append(out, text...), err
}

// appendTexts appends a list; nil is null, as json.Marshal has it.
func appendTexts(out []byte, list []string) []byte {
	if list == nil {
		return append(out, "null"...)
	}
	out = append(out, '[')
	for i, text := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(out, text)
	}
	return append(out, ']')
}

// appendText appends a string as json.Marshal writes it.
func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(text) // a text: it cannot fail
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}
