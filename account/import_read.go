package account

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The most that an import may have.
const (
	ImportPeople = 10_000
	ImportBytes  = 5_000_000
)

// ErrImportSize says that a file has more than [ImportPeople] people or [ImportBytes] bytes.
var ErrImportSize = errors.New("account: an import has at most 10,000 people and 5 MB")

// Incoming is one person of an import. What is nil stays as it is, and is empty for somebody new; an empty text takes away.
type Incoming struct {
	Line          int // of the file
	Username      string
	Email, Name   *string
	EmailVerified *bool
	Groups        *[]string // all that they are to be in
	Err           error     // an [*InvalidError]: the line says nothing that could be done
}

// LineError is a mistake after which a file cannot be read on: in which line the record begins, and an [*InvalidError].
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string {
	return "account: import: line " + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

func (e *LineError) Unwrap() error { return e.Err }

// ReadImport reads the people of a file, checking nothing but its form: a mistake in one line is that line's Err. CSV has
// the columns' names in its first line: username, and any of email, email_verified (true, false, or empty: as it is), name
// and groups (with spaces between them), and semicolons instead of commas where spreadsheets write those. Lines of JSON have the same names; null is as if left out. There is no column for
// a role and none for a password.
//
// It returns [ErrImportSize], an [*InvalidError] for a column (unknown, missing, twice), a format that there is not or a file
// that is not UTF-8, and a [*LineError] for one that cannot be read on.
func ReadImport(from io.Reader, format Format) ([]Incoming, error) {
	data, err := io.ReadAll(io.LimitReader(from, ImportBytes+1))
	if err != nil {
		return nil, fmt.Errorf("account: import: %w", err)
	}
	if len(data) > ImportBytes {
		return nil, ErrImportSize
	}
	if !utf8.Valid(data) { // names would lose their letters
		return nil, &InvalidError{"file", "utf8"}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // spreadsheets begin with it
	switch format {
	case CSV:
		return readCSV(data)
	case JSONLines:
		return readJSON(data)
	}
	return nil, &InvalidError{"format", "unknown"}
}

func readCSV(data []byte) ([]Incoming, error) {
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = -1
	// Where the comma is for decimals, spreadsheets write semicolons. No column's name has either.
	if first, _, _ := bytes.Cut(data, []byte("\n")); bytes.ContainsRune(first, ';') && !bytes.ContainsRune(first, ',') {
		reader.Comma = ';'
	}
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, &InvalidError{"column." + columnUsername, "missing"}
	}
	if err != nil {
		return nil, unreadable(reader, err)
	}
	for i, column := range header {
		header[i] = strings.TrimSpace(column)
	}
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	var people []Incoming
	for {
		record, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			return people, nil
		case err != nil:
			return nil, unreadable(reader, err)
		case len(people) == ImportPeople:
			return nil, ErrImportSize
		}
		line, _ := reader.FieldPos(0)
		people = append(people, fromCells(line, header, record))
	}
}

// unreadable says in which line a CSV file went wrong.
func unreadable(reader *csv.Reader, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return &LineError{parse.StartLine, &InvalidError{"line", "format"}}
	}
	return fmt.Errorf("account: import: %w", err)
}

func checkHeader(header []string) error {
	for i, column := range header {
		switch {
		case !slices.Contains(importColumns(), column):
			return &InvalidError{"column." + strings.ToValidUTF8(cut(column, 40), "\ufffd"), "unknown"}
		case slices.Contains(header[:i], column):
			return &InvalidError{"column." + column, "twice"}
		}
	}
	if !slices.Contains(header, columnUsername) {
		return &InvalidError{"column." + columnUsername, "missing"}
	}
	return nil
}

func fromCells(line int, header, record []string) Incoming {
	in := Incoming{Line: line}
	if len(record) != len(header) {
		in.Err = &InvalidError{"line", "format"}
		return in
	}
	for i, column := range header {
		cell := harmed(record[i])
		switch column {
		case columnUsername:
			in.Username = cell
		case columnEmail:
			in.Email = &cell
		case columnName:
			in.Name = &cell
		case columnGroups:
			groups := strings.Fields(cell)
			in.Groups = &groups
		case columnEmailVerified:
			if cell = strings.TrimSpace(cell); cell == "" {
				continue
			}
			verified := strings.EqualFold(cell, strconv.FormatBool(true))
			if in.EmailVerified = &verified; !verified && !strings.EqualFold(cell, strconv.FormatBool(false)) {
				in.Err = &InvalidError{columnEmailVerified, "type"}
			}
		}
	}
	return in
}

func readJSON(data []byte) ([]Incoming, error) {
	var people []Incoming
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(people) == ImportPeople {
			return nil, ErrImportSize
		}
		in, err := fromObject(line)
		in.Line, in.Err = number, err
		people = append(people, in)
	}
	return people, nil
}

// fromObject reads one line of JSON. Each member is of the table's columns and of its kind, and stands there once.
func fromObject(line []byte) (in Incoming, err error) {
	var username *string
	into := map[string]any{
		columnUsername: &username, columnEmail: &in.Email, columnName: &in.Name, columnEmailVerified: &in.EmailVerified, columnGroups: &in.Groups,
	}
	seen := map[string]bool{}
	decoder := json.NewDecoder(bytes.NewReader(line))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return in, &InvalidError{"line", "format"}
	}
	for decoder.More() {
		key, err := decoder.Token()
		name, isText := key.(string)
		switch {
		case err != nil || !isText:
			return in, &InvalidError{"line", "format"}
		case into[name] == nil:
			return in, &InvalidError{"column." + cut(name, 40), "unknown"}
		case seen[name]:
			return in, &InvalidError{"column." + name, "twice"}
		}
		seen[name] = true
		if err := decoder.Decode(into[name]); err != nil {
			return in, &InvalidError{name, "type"}
		}
	}
	if _, err := decoder.Token(); err != nil {
		return in, &InvalidError{"line", "format"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return in, &InvalidError{"line", "format"}
	}
	if username != nil {
		in.Username = *username
	}
	return in, nil
}
