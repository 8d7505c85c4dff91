package main

import (
	"bytes"
	"strings"
	"testing"
)

const (
	config       = `{"config":{"scanner_version":"v1"}}{"SBOM":{"go_version":"go1"}}`
	osv          = `{"osv":{"id":"GO-2026-1","summary":"bad things"}}`
	isRequired   = `{"finding":{"osv":"GO-2026-1","trace":[{"module":"m","version":"v1"}]}}`
	isImported   = `{"finding":{"osv":"GO-2026-1","trace":[{"module":"m","version":"v1","package":"m/p"}]}}`
	isCalled     = `{"finding":{"osv":"GO-2026-1","trace":[{"module":"m","version":"v1","package":"m/p","function":"F"}]}}`
	acceptedFile = "# why\n\nGO-2026-1 2026-11-24 the function is never reached\n"
)

func TestSec_SC01_FindingsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, accepted string
		scan           []string
		out, err       string
	}{
		{"clean", "", []string{config}, "0 called, 0 imported, 0 in", ""},
		{"required", "", []string{config, osv, isRequired}, "0 called, 0 imported, 1 in", ""},
		{"imported", "", []string{config, osv, isRequired, isImported}, "GO-2026-1 is imported: bad things", "1 vulnerabilities"},
		{"called", "", []string{config, osv, isCalled, isImported, isRequired}, "1 called, 0 imported, 0 in", "1 vulnerabilities"},
		{"accepted", acceptedFile, []string{config, osv, isCalled}, "(accepted 2026-11-24 the function", ""},
		{"accepted and gone", acceptedFile, []string{config}, "", "remove its line"},
		{"accepted without a reason", "GO-2026-1 2026-11-24\n", []string{config}, "", "ID DATE REASON"},
		{"nothing", "", nil, "", "the scanner failed"},
		{"the scanner failed", "", []string{`{"config":{"scanner_version":"v1"}}`}, "", "the scanner failed"},
		{"cut off", "", []string{config, `{"finding":{"osv":`}, "", "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := judge(&out, strings.NewReader(strings.Join(tt.scan, "\n")), tt.accepted)
			if !strings.Contains(out.String(), tt.out) {
				t.Errorf("output %q, want %q", out.String(), tt.out)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}
