package oauth

import (
	"strings"
	"testing"
	"time"
)

// rfcProof is the example of RFC 9449 section 4.1; section 6.1 names the thumbprint of its key.
const rfcProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
	"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
	"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
	"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj" +
	"oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia" +
	"WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg" +
	"4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"

func TestRFC9449Example(t *testing.T) {
	jkt, claims, ok := parseProof(rfcProof)
	if !ok || jkt != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" || claims.ID != "-BwC3ESc6acc2lTc" {
		t.Fatalf("%v %s %+v", ok, jkt, claims)
	}
	s := &Server{cfg: Config{Now: func() time.Time { return time.Unix(1562262616, 0) }}}
	if !s.fits(claims, "POST", "https://server.example.com/token", "") {
		t.Error("it was made for this request")
	}
	if s.fits(claims, "POST", "https://server.example.com/token", "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU") {
		t.Error("it was made for no access token")
	}
}

func TestSameTarget(t *testing.T) {
	for htu, want := range map[string]bool{
		"https://id.example.com/x": true, "HTTPS://ID.example.com:443/x?y#z": true, "https://id.example.com:/x": true,
		"https://id.example.com/%78": false, "https://id.example.com/x/": false, "https://id.example.com/X": false,
		"https://id.example.com.:443/x": false, "https://id.example.com:80/x": false, "//id.example.com/x": false, "": false,
		"https://u@id.example.com/x": false, "https:id.example.com/x": false, "https://id.example.com/a/../x": false,
	} {
		if got := sameTarget(htu, "https://id.example.com/x"); got != want {
			t.Errorf("%q: %v", htu, got)
		}
	}
	for htu, target := range map[string]string{
		"http://127.0.0.1:8080/x": "http://127.0.0.1:8080/x", "http://localhost:80/x": "http://localhost/x", "https://[::1]/x": "https://[::1]:443/x",
	} {
		if !sameTarget(htu, target) {
			t.Errorf("%q is not %q", htu, target)
		}
	}
}

// FuzzProof reads arbitrary DPoP headers: whatever passes is signed, by the key that it names.
func FuzzProof(f *testing.F) {
	f.Add(rfcProof)
	f.Add(strings.Replace(rfcProof, "ES", "RS", 1))
	f.Add("eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUifQ.e30.")
	f.Add(`{"payload":"e30","signatures":[{},{}]}`)
	f.Add("..")
	_, rfc, _ := parseProof(rfcProof)
	f.Fuzz(func(t *testing.T, text string) {
		jkt, claims, ok := parseProof(text)
		if ok && (len(jkt) != 43 || strings.Count(text, ".") != 2) {
			t.Errorf("%q passes as %+v by %q", text, claims, jkt)
		}
		// The fuzzer has no private key: the example is the only proof that it can make pass with that key.
		if ok && jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" && claims.ID != rfc.ID {
			t.Errorf("forged: %q", text)
		}
	})
}
