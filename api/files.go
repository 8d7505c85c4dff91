package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// ImportResult is what became, or would become, of one line of a file.
type ImportResult struct {
	Line     int         `json:"line"`
	Username string      `json:"username"`
	ID       string      `json:"id,omitempty" doc:"Of the person, where there is one."`
	Result   string      `json:"result" enum:"create,change,unchanged,refuse"`
	Fields   []string    `json:"fields,omitempty" nullable:"false" doc:"What differs, of change."`
	Problem  *FieldError `json:"problem,omitempty" doc:"Why, of refuse."`
}

// Import is what became of a file.
type Import struct {
	Preview   bool           `json:"preview" doc:"Nothing was done: this is what would be."`
	Created   int            `json:"created"`
	Changed   int            `json:"changed"`
	Unchanged int            `json:"unchanged"`
	Refused   int            `json:"refused"`
	Lines     []ImportResult `json:"lines" nullable:"false"`
}

type importAnswer struct{ Body Import }

// addFiles adds the import and the export of people.
func (s *Server) addFiles() {
	add(s, operation{
		does: "POST /people/import", id: "importPeople", about: "people", summary: "Import people", status: http.StatusOK,
		text: "CSV with a line of column names (username, and any of email, email_verified, name, groups), or JSON lines with these names. " +
			"Who is not there is created, who is there is changed; done again it changes nothing. Lines that cannot be done are refused one by one. " +
			"At most 10,000 people and 5 MB.",
		needs: []admin.Permission{admin.WritePeople}, limit: importLimit, slow: true, takes: []string{mediaCSV, mediaLines},
	}, s.importPeople)
	add(s, operation{
		does: "GET /people/export", id: "exportPeople", about: "people", summary: "Export people",
		text:  "Everybody whom the filters of the list find, in a file that an import takes.",
		needs: []admin.Permission{admin.ReadPeople, admin.WritePeople}, slow: true, gives: map[string]string{mediaCSV: "RFC 4180", mediaLines: "one object a line"},
	}, s.exportPeople)
}

func (s *Server) importPeople(ctx context.Context, c *call, in *struct {
	Preview bool `query:"preview" doc:"Say what would be done, and do nothing."`
	RawBody []byte
}) (*importAnswer, error) {
	format := account.CSV
	if media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); media == mediaLines {
		format = account.JSONLines
	}
	people, err := account.ReadImport(bytes.NewReader(in.RawBody), format)
	if err != nil {
		return nil, err
	}
	do := c.desk.Import
	if in.Preview {
		do = c.desk.PreviewImport
	}
	outcomes, err := do(ctx, people)
	if err != nil {
		return nil, err
	}
	answer := &importAnswer{Import{Preview: in.Preview, Lines: make([]ImportResult, 0, len(outcomes))}}
	for _, o := range outcomes {
		answer.Body.note(o)
	}
	return answer, nil
}

// note adds the outcome of a line.
func (i *Import) note(o account.Outcome) {
	line := ImportResult{Line: o.Line, Username: o.Username, ID: o.Subject, Result: string(o.Result), Fields: o.Fields}
	switch o.Result {
	case account.ImportCreate:
		i.Created++
	case account.ImportChange:
		i.Changed++
	case account.ImportUnchanged:
		i.Unchanged++
	default:
		i.Refused++
		line.Problem = &FieldError{Code: "forbidden"}
		var invalid *account.InvalidError
		switch {
		case errors.As(o.Err, &invalid):
			line.Problem = &FieldError{Pointer: "#/" + strings.TrimPrefix(invalid.Field, "column."), Code: invalid.Reason}
		case errors.Is(o.Err, account.ErrStale):
			line.Problem = &FieldError{Code: "stale"}
		}
	}
	i.Lines = append(i.Lines, line)
}

// fileAnswer writes a file of any length.
type fileAnswer struct {
	Body func(huma.Context)
}

func (s *Server) exportPeople(ctx context.Context, c *call, in *struct {
	Filters
	Format  string   `query:"format" enum:"csv,jsonl" default:"csv" doc:"How the file is written."`
	Columns []string `query:"columns" maxItems:"20" doc:"With commas between them; left out: those that an import takes."`
}) (*fileAnswer, error) {
	for _, column := range in.Columns {
		if !slices.Contains(account.ExportColumns(), column) {
			return nil, problem(invalidParameter, "There are the columns "+strings.Join(account.ExportColumns(), ", ")+".").
				with(FieldError{Parameter: "columns", Code: "unknown"})
		}
	}
	media := map[string]string{"csv": mediaCSV + "; charset=utf-8", "jsonl": mediaLines}[in.Format]
	return s.file(media, "people."+in.Format, func(to io.Writer) error {
		return c.desk.Export(ctx, to, account.Format(in.Format), in.query(), in.Columns...)
	}, c), nil
}

// file answers with what write writes. An error before the first byte is a problem like any other; one that comes later cuts
// the answer off, so that nobody takes the half for the whole.
func (s *Server) file(media, name string, write func(io.Writer) error, c *call) *fileAnswer {
	return &fileAnswer{func(h huma.Context) {
		to := &late{h: h, media: media, name: name}
		err := write(to)
		switch {
		case err == nil:
			to.begin()
		case to.begun:
			s.cfg.Log.WarnContext(h.Context(), "api: a file is cut off", "operation", c.op.id, "error", err)
			panic(http.ErrAbortHandler)
		default:
			p := s.problem(h.Context(), c, err)
			for header, values := range p.header {
				h.SetHeader(header, values[0])
			}
			told, _ := s.settle(h, "", p) // a problem: it cannot fail
			h.SetHeader("Content-Type", mediaProblem)
			h.SetStatus(p.Status)
			huma.DefaultJSONFormat.Marshal(h.BodyWriter(), told)
		}
	}}
}

// late begins an answer with its first byte.
type late struct {
	h           huma.Context
	media, name string
	begun       bool
}

func (l *late) begin() {
	if l.begun {
		return
	}
	l.begun = true
	l.h.SetHeader("Content-Type", l.media)
	l.h.SetHeader("Content-Disposition", `attachment; filename="`+l.name+`"`)
	l.h.SetStatus(http.StatusOK)
}

// Write writes a part of the file.
func (l *late) Write(p []byte) (int, error) {
	l.begin()
	return l.h.BodyWriter().Write(p)
}
