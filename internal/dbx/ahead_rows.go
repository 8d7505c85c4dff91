package dbx

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// get gives the first row to dest, like [DB.Get].
func (r reading) get(db *DB, dest any) error {
	rows := rowsOf(r.text)
	found, err := rows.next()
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	if err != nil {
		return err
	}
	return db.fill(reflect.ValueOf(dest).Elem(), &rows)
}

// all gives the rows to dest, like [DB.Select].
func (r reading) all(db *DB, dest any) error {
	list := reflect.ValueOf(dest).Elem()
	list.SetZero() // Select leaves it nil where there is none
	rows := rowsOf(r.text)
	for {
		found, err := rows.next()
		if err != nil || !found {
			return err
		}
		row := reflect.New(list.Type().Elem()).Elem()
		if err := db.fill(row, &rows); err != nil {
			return err
		}
		list.Set(reflect.Append(list, row))
	}
}

// fill gives the columns of a row to dest: a struct with db tags, or what the only column is.
func (db *DB) fill(dest reflect.Value, rows *jsonRows) error {
	_, scans := dest.Addr().Interface().(sql.Scanner)
	scalar := scans || dest.Kind() != reflect.Struct
	for n := 0; ; n++ {
		name, value, err := rows.column()
		if err != nil {
			return err
		}
		switch {
		case name == nil && scalar && n != 1, scalar && n > 1:
			return errors.New("dbx: read ahead: one column is needed")
		case name == nil:
			return nil
		case scalar:
			if err := setJSON(dest, value); err != nil {
				return err
			}
			continue
		}
		info := db.sqlx.Mapper.TypeMap(dest.Type()).GetByPath(string(name))
		if info == nil {
			return fmt.Errorf("dbx: no field for the column %s", name)
		}
		if err := setJSON(dest.FieldByIndex(info.Index), value); err != nil {
			return fmt.Errorf("dbx: column %s: %w", name, err)
		}
	}
}

// setJSON gives a value of json_agg to a field, as the driver would have.
func setJSON(dest reflect.Value, value []byte) error {
	field := dest.Addr().Interface()
	switch into := field.(type) {
	case *[]byte:
		if *into = nil; string(value) == "null" {
			return nil
		}
		text, err := jsonText(value) // as in \x0a1b
		if err != nil {
			return err
		}
		digits, ok := strings.CutPrefix(text, `\x`)
		if !ok {
			return errors.New("the server's bytea_output is not hex: give the role that setting")
		}
		*into, err = hex.DecodeString(digits)
		return err
	case *sql.NullInt64:
		if *into = (sql.NullInt64{}); string(value) == "null" {
			return nil
		}
		into.Valid = true
		field = &into.Int64
	}
	if string(value) == "null" && dest.Kind() != reflect.Pointer {
		return errors.New("it is null")
	}
	var err error
	switch into := field.(type) { // what nearly all columns are
	case *string:
		*into, err = jsonText(value)
	case *int64:
		*into, err = strconv.ParseInt(string(value), 10, 64)
	case *bool:
		*into, err = strconv.ParseBool(string(value))
	default:
		err = json.Unmarshal(value, field)
	}
	return err
}

// jsonText returns a JSON string's text.
func jsonText(value []byte) (text string, err error) {
	if n := len(value); n >= 2 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : n-1]), nil
	}
	err = json.Unmarshal(value, &text)
	return text, err
}

// jsonRows walks over what json_agg has made of rows: a list of objects, each of a row's columns in their order. It makes no map of
// them, because that would cost more than the database's own time for the rows.
type jsonRows struct {
	left  []byte
	begun bool // the next column is not the row's first
	any   bool // the next row is not the first
}

func rowsOf(text []byte) jsonRows { return jsonRows{left: text} }

var errAhead = errors.New("dbx: read ahead: not what json_agg makes")

// next goes to the next row, whose columns were all read before; false: there is none.
func (j *jsonRows) next() (bool, error) {
	if len(j.left) == 0 && !j.any {
		return false, nil
	}
	switch c := j.take(); {
	case c == ']' && j.any:
		return false, nil
	case c != '[' && !j.any, c != ',' && j.any:
		return false, errAhead
	}
	if j.take() != '{' {
		return false, errAhead
	}
	j.any, j.begun = true, false
	return true, nil
}

// column returns the next column of the row; no name: there is none. What it returns is part of the text.
func (j *jsonRows) column() (name, value []byte, err error) {
	switch c := j.peek(); {
	case c == '}':
		j.take()
		return nil, nil, nil
	case c == ',' && j.begun:
		j.take()
	case j.begun:
		return nil, nil, errAhead
	}
	j.begun = true
	if name, err = j.value(); err != nil || len(name) < 3 || name[0] != '"' || j.take() != ':' {
		return nil, nil, errAhead
	}
	value, err = j.value()
	return name[1 : len(name)-1], value, err
}

func (j *jsonRows) peek() byte {
	for i, c := range j.left {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			j.left = j.left[i:]
			return c
		}
	}
	j.left = nil
	return 0
}

func (j *jsonRows) take() byte {
	c := j.peek()
	if len(j.left) > 0 {
		j.left = j.left[1:]
	}
	return c
}

// value returns the next value as it stands there: a string, or all up to the next comma or brace, as columns are no objects.
func (j *jsonRows) value() ([]byte, error) {
	end := 0
	switch j.peek() {
	case '"':
		for end = 1; ; end++ {
			if end >= len(j.left) {
				return nil, errAhead
			}
			if j.left[end] == '\\' {
				end++
				continue
			}
			if j.left[end] == '"' {
				break
			}
		}
		end++
	case '{', '[', 0:
		return nil, errAhead
	default:
		for end < len(j.left) && j.left[end] != ',' && j.left[end] != '}' && j.left[end] > ' ' {
			end++
		}
	}
	if end == 0 || end > len(j.left) {
		return nil, errAhead
	}
	value := j.left[:end]
	j.left = j.left[end:]
	return value, nil
}
