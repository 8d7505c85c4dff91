package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestChecklistIsComplete(t *testing.T) {
	want := map[string]int{
		"PW": 15, "MF": 17, "RC": 10, "RD": 10, "SS": 11, "OA": 22, "TK": 13, "CO": 6, "AD": 8, "DR": 8, "AU": 7, "HT": 9, "DS": 8, "SC": 6,
	}
	got := make(map[string]int)
	seen := make(map[string]bool)
	for _, r := range rows() {
		got[r.id[:2]]++
		if seen[r.id] || r.title == "" {
			t.Errorf("row %q stands twice or says nothing", r.id)
		}
		seen[r.id] = true
	}
	for group, n := range want {
		if got[group] != n {
			t.Errorf("%s has %d rows, want %d", group, got[group], n)
		}
	}
	if len(rows()) != 150 {
		t.Errorf("%d rows, want 150", len(rows()))
	}
}

func TestEveryTestNamesAKnownRow(t *testing.T) {
	found, err := scan("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found.unknown {
		t.Errorf("%s names no row of the checklist", name)
	}
}

func TestScan(t *testing.T) {
	folder := t.TempDir()
	source := `package x
func TestSec_PW01_Short(t *testing.T) {}
func TestSec_MF05_RC05_OneWinner(t *testing.T) {}
func TestSec_MF06(t *testing.T) {}
func FuzzSec_OA01_Redirect(f *testing.F) {}
func TestTrap07_Revocation(t *testing.T) {}
func TestSec_PW16_NoSuchRow(t *testing.T) {}
func TestSecOther(t *testing.T) {}
func TestTrap38_NoSuchTrap(t *testing.T) {}
func TestTrapdoor(t *testing.T) {}
func TestOther(t *testing.T) {}
`
	if err := os.WriteFile(filepath.Join(folder, "x_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := scan(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"PW-01", "MF-05", "MF-06", "RC-05", "OA-01"} {
		if len(found.rows[id]) != 1 {
			t.Errorf("%s: %v", id, found.rows[id])
		}
	}
	if len(found.rows) != 5 || len(found.traps) != 1 || found.traps["07"] == nil {
		t.Errorf("rows %v, traps %v", found.rows, found.traps)
	}
	if want := []string{"idp.TestSec_PW16_NoSuchRow", "idp.TestTrap38_NoSuchTrap"}; !slices.Equal(found.unknown, want) {
		t.Errorf("unknown: %v, want %v", found.unknown, want)
	}
	if text := string(found.markdown()); !strings.Contains(text, "| RC-05 | One of many parallel uses wins | `idp.TestSec_MF05_RC05_OneWinner` |") {
		t.Error(text)
	}
}
