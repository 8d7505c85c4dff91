package oauth

import (
	"strings"
	"testing"
)

// FuzzUserCode types arbitrary text as a device's code: it is one code in one spelling, or none.
func FuzzUserCode(f *testing.F) {
	for _, text := range []string{"BCDF-GHJK", "bcdf ghjk", "BCDF–GHJK", "", "AEIO-UAEI", strings.Repeat("ſ", 8), "\xff", "BCDFGHJKL"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, ok := readUserCode(text)
		if !ok && code != "" || ok && (len(code) != userCodeLength || strings.Trim(code, userCodeAlphabet) != "") {
			t.Fatalf("%q is %q, %v", text, code, ok)
		}
		if again, fine := readUserCode(code); ok && (!fine || again != code) {
			t.Errorf("%q is %q, then %q", text, code, again)
		}
	})
}
