package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/templates"
)

// exportPage is the data of the page before a file of people.
type exportPage struct {
	Filter  []keptField // as hidden fields
	Narrow  bool
	Total   int
	More    bool
	Columns []exportColumn
	BackURL string
	Problem *templates.Problem
}

type exportColumn struct {
	Name    string
	Checked bool
}

func (c *Console) showExport(v *visit) { v.exportPage(filterOf(v.r.URL.Query().Get), nil) }

// exportPage shows what a file would have. Err is why there is none.
func (v *visit) exportPage(f peopleFilter, err error) {
	page := exportPage{Narrow: f.narrow(), BackURL: withQuery(peoplePath, f.values()), Problem: problem(err)}
	for _, name := range filterFields() {
		if value := f.values().Get(name); value != "" {
			page.Filter = append(page.Filter, keptField{name, value})
		}
	}
	for _, name := range account.ExportColumns() {
		page.Columns = append(page.Columns, exportColumn{name, slices.Contains(importColumns(), name)})
	}
	q, wrong := f.query()
	if wrong == nil {
		q.Limit = 1
		var found account.Page
		if found, wrong = v.desk.People(v.r.Context(), q); wrong == nil {
			page.Total, page.More = found.Total, found.More
		}
	}
	code := http.StatusOK
	switch {
	case wrong != nil:
		if page.Problem = problem(wrong); page.Problem == nil {
			v.fail(wrong)
			return
		}
		code = http.StatusBadRequest
	case err != nil:
		code = status(err)
	}
	v.render(code, "admin_people_export", page)
}

// export writes the file. What goes wrong after its beginning breaks the connection off: a file that ends in the middle must not
// look like a whole one.
func (c *Console) export(v *visit) {
	if !v.only(append(filterFields(), "format", "columns")...) {
		return
	}
	f := filterOf(v.form)
	q, err := f.query()
	format := account.Format(v.form("format"))
	file := &download{w: v.w, name: "people-" + c.Now().UTC().Format(time.DateOnly) + "." + string(format), kind: map[account.Format]string{
		account.CSV: "text/csv; charset=utf-8; header=present", account.JSONLines: "application/jsonl; charset=utf-8",
	}[format]}
	if err == nil && file.kind == "" {
		err = &account.InvalidError{Field: "format", Reason: "unknown"}
	}
	if err == nil {
		columns := slices.Clone(v.r.PostForm["columns"])
		err = v.desk.Export(v.r.Context(), file, format, q, columns...)
	}
	switch {
	case err == nil:
		file.begin() // nobody was found, and JSON has no line of names
	case file.begun:
		panic(http.ErrAbortHandler)
	case refused(err):
		v.fail(err)
	default:
		v.exportPage(f, err)
	}
}

// download is an answer that a browser keeps as a file. Nothing is written before its first bytes are there, so that what fails
// before them can still be told.
type download struct {
	w          http.ResponseWriter
	name, kind string
	begun      bool
}

// begin writes what stands before the file.
func (d *download) begin() {
	if d.begun {
		return
	}
	d.begun = true
	h := d.w.Header()
	h.Set("Content-Type", d.kind)
	h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	d.w.WriteHeader(http.StatusOK)
}

// Write implements [io.Writer]. A long file takes longer than an answer may, but not between two pieces of it.
func (d *download) Write(p []byte) (int, error) {
	d.begin()
	// An answer of this process to itself has no connection, and no deadline.
	_ = http.NewResponseController(d.w).SetWriteDeadline(time.Now().Add(pieceLife))
	return d.w.Write(p)
}

// pieceLife is how long a piece of a file may take on its way.
const pieceLife = 30 * time.Second
