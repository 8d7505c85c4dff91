package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keptForms is the field of a form that is kept while its sender proves who they are. The form's token is void after that: this
// mark stands in its place. It is made of a form that has passed the check of its token, and good for exactly what that said, from
// the same person, within an hour.
const keptForms = "kept"

const keptLife = time.Hour

// mark returns the mark of r's form, "" when nobody is signed in at the provider.
func (c *Console) mark(r *http.Request, until int64) (string, error) {
	s, err := c.Sessions.Of(r)
	if err != nil || s == nil {
		return "", err
	}
	key := sha256.Sum256([]byte("console, kept forms\x00" + c.Secret))
	mac := hmac.New(sha256.New, key[:])
	fmt.Fprintf(mac, "%d %q %q %q\n", until, s.Subject, r.URL.Path, r.URL.RawQuery)
	for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
		if name != "form_token" && name != keptForms {
			fmt.Fprintf(mac, "%q %q\n", name, r.PostForm[name])
		}
	}
	return strconv.FormatInt(until, 10) + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Kept reports whether r's form is one that was kept: its token may be out of date.
func (c *Console) Kept(r *http.Request) bool {
	mark := r.PostFormValue(keptForms)
	until, _, ok := strings.Cut(mark, ".")
	at, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil || at <= c.Now().Unix() || !strings.HasPrefix(r.URL.Path, "/admin/") {
		return false
	}
	want, err := c.mark(r, at)
	return err == nil && want != "" && hmac.Equal([]byte(want), []byte(mark))
}
