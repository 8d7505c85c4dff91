package interop

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What is installed from npm is one exact version of everything, known by its checksum, from whatever registry is set,
// and nothing of it runs when it is installed.
func TestPackagesArePinned(t *testing.T) {
	var wanted struct{ Dependencies map[string]string }
	read(t, "package.json", &wanted)
	for name, version := range wanted.Dependencies {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
			t.Errorf("%s: %q is not one version", name, version)
		}
	}
	var lock struct {
		Packages map[string]struct{ Version, Integrity, Resolved, License string }
	}
	read(t, "package-lock.json", &lock)
	free := regexp.MustCompile(`^(0BSD|Apache-2\.0|BSD-[23]-Clause|ISC|MIT)$`)
	for path, p := range lock.Packages {
		if path == "" {
			continue
		}
		if p.Version == "" || !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "" {
			t.Errorf("%s: version %q, integrity %q, resolved %q", path, p.Version, p.Integrity, p.Resolved)
		}
		old := path == "node_modules/pause" || path == "node_modules/passport-strategy" // which say MIT elsewhere
		if !free.MatchString(p.License) && !(old && p.License == "") {
			t.Errorf("%s: license %q", path, p.License)
		}
	}
	if len(lock.Packages) < len(wanted.Dependencies) {
		t.Errorf("%d packages are locked", len(lock.Packages))
	}
	settings, err := os.ReadFile(".npmrc")
	if err != nil || !strings.Contains(string(settings), "ignore-scripts=true\n") {
		t.Errorf(".npmrc lets packages run scripts: %s %v", settings, err)
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
