// Command vulngate reads what `govulncheck -format json` found on its standard input and fails when a vulnerable symbol
// is called or a vulnerable package is imported.
//
// What only stands in the module graph is counted, not refused. A finding can be accepted in a file, a line each: its
// id, the date, the reason. An accepted finding that is not found any more fails too, so that the file stays true. It
// knows nothing of the database of vulnerabilities; scripts/vulncheck chooses that.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: govulncheck -format json ./... | vulngate ACCEPTED_FILE")
		os.Exit(2)
	}
	accepted, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = judge(os.Stdout, os.Stdin, string(accepted))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulngate:", err)
		os.Exit(1)
	}
}

// message is the part of the scanner's output that matters here.
type message struct {
	SBOM    *struct{} // comes once the packages could be loaded
	Finding *struct {
		OSV   string `json:"osv"`
		Fixed string `json:"fixed_version"`
		Trace []struct {
			Module   string `json:"module"`
			Version  string `json:"version"`
			Package  string `json:"package"`
			Function string `json:"function"`
		} `json:"trace"`
	} `json:"finding"`
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
}

// level is how near a vulnerability is; the scanner reports each one at every level it reaches.
type level int

const (
	required level = iota
	imported
	called
)

func (l level) String() string { return [...]string{"required", "imported", "called"}[l] }

// judge reads the scan and returns an error that counts what is not accepted. A scanner that fails prints a scan without
// findings: that one is no good news.
func judge(out io.Writer, scan io.Reader, acceptedText string) error {
	accepted, err := parseAccepted(acceptedText)
	if err != nil {
		return err
	}
	levels := make(map[string]level)
	about := make(map[string]string)
	whole := false
	for decoder := json.NewDecoder(scan); ; {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		switch {
		case m.OSV != nil:
			about[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0:
			at, where := required, m.Finding.Trace[0]
			if where.Package != "" {
				at = imported
			}
			if where.Function != "" {
				at = called
			}
			levels[m.Finding.OSV] = max(levels[m.Finding.OSV], at)
		case m.SBOM != nil:
			whole = true
		}
	}
	if !whole {
		return errors.New("the scanner failed")
	}

	bad := 0
	counts := make(map[level]int)
	for _, id := range slices.Sorted(maps.Keys(levels)) {
		counts[levels[id]]++
		if levels[id] == required {
			continue
		}
		fmt.Fprintf(out, "%s is %s: %s %s\n", id, levels[id], about[id], accepted[id])
		if accepted[id] == "" {
			bad++
		}
	}
	fmt.Fprintf(out, "vulnerabilities: %d called, %d imported, %d in the module graph only\n", counts[called], counts[imported], counts[required])
	for id := range accepted {
		if levels[id] == required {
			return fmt.Errorf("%s is accepted but neither called nor imported: remove its line", id)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d vulnerabilities to deal with", bad)
	}
	return nil
}

var acceptedLine = regexp.MustCompile(`^(GO-\d{4}-\d+) (\d{4}-\d{2}-\d{2} \S.*)$`)

func parseAccepted(text string) (map[string]string, error) {
	accepted := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := acceptedLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("accepted findings: %q is not ID DATE REASON", line)
		}
		accepted[m[1]] = "(accepted " + m[2] + ")"
	}
	return accepted, nil
}
