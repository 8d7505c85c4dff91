package account

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Format is how a file of people is written.
type Format string

// The formats: CSV (RFC 4180, with a line of the columns' names first), and JSON objects, one a line.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
)

// The columns that an import takes, which are those of an export that asks for no others.
const (
	columnUsername      = "username"
	columnEmail         = "email"
	columnEmailVerified = "email_verified"
	columnName          = "name"
	columnGroups        = "groups"
)

func importColumns() []string {
	return []string{columnUsername, columnEmail, columnEmailVerified, columnName, columnGroups}
}

// ExportColumns are the columns that [Service.Export] knows: what an import takes, and after that what it does not.
func ExportColumns() []string {
	return append(importColumns(), "sub", "role", "disabled", "mfa_enrolled", "recovery_codes_left", "created_at", "signed_in_at")
}

// cell returns what a has in that column: text, a truth value, a number, texts, or a time, nil for never.
func (a *Account) cell(column string) any {
	when := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format(time.RFC3339)
	}
	switch column {
	case columnUsername:
		return a.Username
	case columnEmail:
		return a.Email
	case columnEmailVerified:
		return a.EmailVerified
	case columnName:
		return a.Name
	case columnGroups:
		return append([]string{}, a.Groups...)
	case "sub":
		return a.Subject
	case "role":
		return string(a.Role())
	case "disabled":
		return a.Disabled
	case "mfa_enrolled":
		return a.MFAEnrolled
	case "recovery_codes_left":
		return a.CodesLeft
	case "created_at":
		return when(a.CreatedAt)
	}
	return when(a.SignedInAt)
}

// Export writes the people of the list that q describes, all pages of it, in its order. Memory is needed for one page. It
// writes no password, hash or secret. Without columns it writes those that an import takes; one that there is not is an
// [*InvalidError]. In CSV a cell that a spreadsheet would take for a formula has an apostrophe before it, which an import
// takes off again.
func (s *Service) Export(ctx context.Context, to io.Writer, format Format, q Query, columns ...string) error {
	if len(columns) == 0 {
		columns = importColumns()
	}
	for _, column := range columns {
		if !slices.Contains(ExportColumns(), column) {
			return &InvalidError{"column." + column, "unknown"}
		}
	}
	q.Cursor, q.Limit = "", pageLimit
	switch format {
	case CSV:
		writer := csv.NewWriter(to)
		writer.UseCRLF = true
		if err := writer.Write(columns); err != nil {
			return fmt.Errorf("account: export: %w", err)
		}
		err := s.each(ctx, q, func(people []*Account) error {
			for _, a := range people {
				if err := writer.Write(a.line(columns)); err != nil {
					return err
				}
			}
			writer.Flush()
			return writer.Error()
		})
		if err == nil { // where there is nobody the first line is still to be written
			writer.Flush()
			err = writer.Error()
		}
		return err
	case JSONLines:
		return s.each(ctx, q, func(people []*Account) error {
			var lines bytes.Buffer
			for _, a := range people {
				if err := a.object(&lines, columns); err != nil {
					return err
				}
			}
			_, err := to.Write(lines.Bytes())
			return err
		})
	}
	return &InvalidError{"format", "unknown"}
}

// each calls fn with the people of a list, page by page. Whoever is renamed meanwhile may be met twice, or not.
func (s *Service) each(ctx context.Context, q Query, fn func([]*Account) error) error {
	q, err := q.tidy()
	if err != nil {
		return err
	}
	w, err := s.wayTo(ctx, q)
	if err != nil {
		return fmt.Errorf("account: export: %w", err)
	}
	for place := (cursor{}); ; {
		page, next, err := s.page(ctx, q, w, place)
		if err == nil && len(page.People) > 0 {
			err = fn(page.People)
		}
		if err != nil || next == nil {
			return err
		}
		q.Cursor, place = "further", *next // the place itself, which nobody else sees
	}
}

// line is a's line of a CSV file.
func (a *Account) line(columns []string) []string {
	cells := make([]string, len(columns))
	for i, column := range columns {
		switch value := a.cell(column).(type) {
		case string:
			cells[i] = harmless(value)
		case bool:
			cells[i] = strconv.FormatBool(value)
		case int:
			cells[i] = strconv.Itoa(value)
		case []string:
			cells[i] = strings.Join(value, " ")
		}
	}
	return cells
}

// object writes a's line of JSON, its members in the order of columns.
func (a *Account) object(to *bytes.Buffer, columns []string) error {
	before := "{"
	for _, column := range columns {
		value, err := json.Marshal(a.cell(column))
		if err != nil {
			return fmt.Errorf("account: export: %w", err)
		}
		fmt.Fprintf(to, `%s"%s":%s`, before, column, value)
		before = ","
	}
	to.WriteString("}\n")
	return nil
}

// formula reports whether a spreadsheet would compute what stands in a cell.
func formula(cell string) bool { return cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") }

// harmless puts an apostrophe before a formula, and before what would lose one at an import.
func harmless(cell string) string {
	if formula(strings.TrimLeft(cell, "'")) {
		return "'" + cell
	}
	return cell
}

// harmed takes the apostrophe off again.
func harmed(cell string) string {
	if strings.HasPrefix(cell, "'") && formula(strings.TrimLeft(cell, "'")) {
		return cell[1:]
	}
	return cell
}
