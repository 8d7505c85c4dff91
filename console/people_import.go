package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/templates"
)

const (
	// importRows is how many lines of a file a page shows.
	importRows = 200
	// importTime is how long one request imports: an answer has half a minute. What is left is imported by the next one.
	importTime = 15 * time.Second
)

// importPage is the data of the page that takes a file.
type importPage struct {
	Most, Megabytes int
	Columns         []string
	Problem         *templates.Problem
}

// previewPage is the data of the page that says what a file would do, and of the one that says what it did.
type previewPage struct {
	Handle                                      string
	Lines, Created, Changed, Unchanged, Refused int
	Rows                                        []lineRow
	More                                        int  // lines that are not shown
	After                                       bool // it is done
	Left                                        int  // lines for which there was no time
	Problem                                     *templates.Problem
}

type lineRow struct {
	account.Outcome
	URL     string
	Problem *templates.Problem
}

func (c *Console) showImport(v *visit) { v.importPage(nil) }

func (v *visit) importPage(err error) {
	page := importPage{
		Most: account.ImportPeople, Megabytes: account.ImportBytes / 1_000_000, Columns: importColumns(), Problem: problem(err),
	}
	code := http.StatusOK
	if err != nil {
		code = status(err)
	}
	if page.Problem != nil {
		page.Problem.Field = "file"
	}
	v.render(code, "admin_people_import", page)
}

// importTemplate is a file without a line: its columns.
func (c *Console) importTemplate(v *visit) {
	file := &download{w: v.w, name: "people.csv", kind: "text/csv; charset=utf-8; header=present"}
	fmt.Fprint(file, strings.Join(importColumns(), ",")+"\r\n")
}

// importColumns are those that a file may have, the first among those of an export.
func importColumns() []string { return account.ExportColumns()[:5] }

// previewImport reads the file that was sent, says what it would do, and keeps it.
func (c *Console) previewImport(v *visit) {
	if !v.only() {
		return
	}
	file, err := v.upload("file")
	if err == nil {
		err = v.preview(file, false)
	}
	switch {
	case err == nil:
	case refused(err):
		v.fail(err)
	default:
		v.importPage(err)
	}
}

var errNoFile = errors.New("console: no file was chosen")

// upload returns the file of that field.
func (v *visit) upload(field string) ([]byte, error) {
	if v.r.MultipartForm == nil || len(v.r.MultipartForm.File[field]) == 0 {
		return nil, errNoFile
	}
	f, err := v.r.MultipartForm.File[field][0].Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, account.ImportBytes+1))
	if err == nil && len(data) == 0 {
		err = errNoFile
	}
	return data, err
}

// preview shows what a file would do now. Changed: it is not what a preview has said before.
func (v *visit) preview(file []byte, changed bool) error {
	people, err := readPeople(file)
	if err != nil {
		return err
	}
	if len(people) == 0 {
		return errNobody
	}
	out, err := v.desk.PreviewImport(v.r.Context(), people)
	if err != nil {
		return err
	}
	page := previewPage{}
	page.fill(out)
	if page.Handle, err = v.c.keepImport(v.r.Context(), v.who.Subject, file, said(out)); err != nil {
		return err
	}
	code := http.StatusOK
	if changed {
		code, page.Problem = http.StatusConflict, &templates.Problem{ID: "problem.admin.import_changed"}
	}
	v.render(code, "admin_people_preview", page)
	return nil
}

var errNobody = errors.New("console: the file has nobody in it")

// readPeople reads a file of either format, told by its first letter. A list of JSON is read as its lines.
func readPeople(file []byte) ([]account.Incoming, error) {
	if len(file) > account.ImportBytes {
		return nil, account.ErrImportSize
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(file, []byte("\ufeff")))
	switch {
	case bytes.HasPrefix(text, []byte("[")):
		var objects []json.RawMessage
		if err := json.Unmarshal(text, &objects); err != nil {
			return nil, &account.InvalidError{Field: "file", Reason: "json"}
		}
		var lines bytes.Buffer
		for _, object := range objects {
			if err := json.Compact(&lines, object); err != nil {
				return nil, &account.InvalidError{Field: "file", Reason: "json"}
			}
			lines.WriteByte('\n')
		}
		return account.ReadImport(&lines, account.JSONLines)
	case bytes.HasPrefix(text, []byte("{")):
		return account.ReadImport(bytes.NewReader(file), account.JSONLines)
	}
	return account.ReadImport(bytes.NewReader(file), account.CSV)
}

// said stands for what a preview has said, line by line.
func said(out []account.Outcome) []byte {
	hash := sha256.New()
	for _, o := range out {
		fmt.Fprintf(hash, "%d %q %q %q %v\n", o.Line, o.Subject, o.Result, o.Fields, o.Err)
	}
	return hash.Sum(nil)
}

// fill counts, and shows the lines that matter most: those that are refused first, then what changes.
func (page *previewPage) fill(out []account.Outcome) {
	page.Lines = len(out)
	rank := map[account.Result]int{account.ImportRefuse: 0, account.ImportChange: 1, account.ImportCreate: 2, account.ImportUnchanged: 3}
	shown := slices.Clone(out)
	slices.SortStableFunc(shown, func(a, b account.Outcome) int {
		return cmp.Or(cmp.Compare(rank[a.Result], rank[b.Result]), cmp.Compare(a.Line, b.Line))
	})
	for _, o := range shown {
		switch o.Result {
		case account.ImportCreate:
			page.Created++
		case account.ImportChange:
			page.Changed++
		case account.ImportUnchanged:
			page.Unchanged++
		case account.ImportRefuse:
			page.Refused++
		}
		if len(page.Rows) == importRows {
			page.More++
			continue
		}
		row := lineRow{Outcome: o}
		if o.Subject != "" {
			row.URL = personPath(o.Subject)
		}
		if o.Err != nil {
			row.Problem = lineProblem(o.Err)
		}
		page.Rows = append(page.Rows, row)
	}
}

// runImport imports a file as it was previewed. Where it would do something else by now, it says so instead.
func (c *Console) runImport(v *visit) {
	if !v.only("import") {
		return
	}
	ctx, handle := v.r.Context(), v.form("import")
	file, preview, err := c.keptImport(ctx, v.who.Subject, handle)
	if err != nil {
		if errors.Is(err, errPreview) {
			v.importPage(err)
			return
		}
		v.fail(err)
		return
	}
	people, err := readPeople(file)
	if err != nil {
		v.fail(err)
		return
	}
	if len(preview) > 0 { // it was not begun yet
		now, err := v.desk.PreviewImport(ctx, people)
		if err == nil && !bytes.Equal(said(now), preview) {
			err = v.preview(file, true)
			if err == nil {
				return
			}
		}
		if err == nil {
			err = c.importBegun(ctx, v.who.Subject, handle)
		}
		if err != nil {
			v.fail(err)
			return
		}
	}
	v.runImport(handle, people)
}

// runImport imports for as long as a request may take, and says how far it came.
func (v *visit) runImport(handle string, people []account.Incoming) {
	ctx, cancel := context.WithTimeout(v.r.Context(), importTime)
	defer cancel()
	out, err := v.desk.Import(ctx, people)
	page := previewPage{After: true}
	page.fill(out)
	switch {
	case err != nil && ctx.Err() != nil && v.r.Context().Err() == nil:
		page.Handle, page.Left = handle, len(people)-len(out)
	case err != nil:
		v.fail(err)
		return
	default:
		if err := v.c.dropImport(v.r.Context(), v.who.Subject, handle); err != nil {
			v.fail(err)
			return
		}
	}
	v.render(http.StatusOK, "admin_people_preview", page)
}

// Uploads returns the paths to which forms with a file are posted.
func Uploads() []string {
	var paths []string
	for _, route := range Routes() {
		if path, ok := strings.CutPrefix(route.Pattern, "POST "); ok && route.Upload {
			paths = append(paths, path)
		}
	}
	return paths
}

// Entered reports whether r comes from somebody who is in the console.
func (c *Console) Entered(r *http.Request) bool {
	at, err := c.visitor(r)
	return err == nil && at != nil
}
