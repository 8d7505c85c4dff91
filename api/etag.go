package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// versionTag is the ETag of what has a version: it names the state of what can be edited.
func versionTag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// contentTag is the ETag of what has none.
func contentTag(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// IfMatch is the condition of what changes something (RFC 9110 section 13.1.1): the ETag that its caller has seen.
type IfMatch struct {
	Seen string `header:"If-Match" doc:"The ETag that was seen. In another state nothing is changed." example:"\"7\""`
}

// version returns the version that the condition names.
func (m IfMatch) version() (int64, error) {
	text := strings.TrimSpace(m.Seen)
	if text == "" {
		return 0, problem(preconditionGone, "Send the ETag that you have seen.")
	}
	version, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil || text != versionTag(version) || version < 1 {
		return 0, problem(stale, "Read it again, and send the ETag that it has now.")
	}
	return version, nil
}

// holds returns the problem of a condition that is missing, or not that of the present state. A list of tags holds if one of
// them does; "*" names no state that anybody has seen, so that it is none.
func (m IfMatch) holds(tag string) error {
	if strings.TrimSpace(m.Seen) == "" {
		return problem(preconditionGone, "Send the ETag that you have seen.")
	}
	for one := range strings.SplitSeq(m.Seen, ",") {
		if strings.TrimSpace(one) == tag {
			return nil
		}
	}
	p := problem(stale, "Read it again, and send the ETag that it has now.")
	p.header = http.Header{"ETag": {tag}}
	return p
}
