package console

import (
	"errors"
	"slices"
	"strings"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/templates"
)

// What the forms about people refuse by themselves.
var (
	errConfirm      = errors.New("console: another user name than that of the person")
	errCount        = errors.New("console: another number than that of the people")
	errChooseDeed   = errors.New("console: nothing that is to be done")
	errChoosePeople = errors.New("console: nobody to do it to")
	errChooseGroup  = errors.New("console: no group")
	errTooMany      = errors.New("console: more people than one form is about")
	errNoSuchName   = errors.New("console: nobody has that user name")
)

// peopleProblem is the sentence for a refusal of what is about people and groups, nil for another error.
func peopleProblem(err error) *templates.Problem {
	var field *fieldError
	if errors.As(err, &field) {
		return &templates.Problem{ID: "problem.admin.field", Args: map[string]any{"Name": field.name}}
	}
	for _, known := range []struct {
		err       error
		id, field string
	}{
		{admin.ErrReason, "problem.admin.reason", "reason"},
		{account.ErrCursor, "problem.admin.cursor", ""}, {account.ErrImportSize, "problem.admin.import_size", "file"},
		{errPreview, "problem.admin.preview", "file"}, {errNoFile, "problem.admin.no_file", "file"}, {errNobody, "problem.admin.nobody", "file"},
		{errConfirm, "problem.admin.confirm", "confirm"}, {errCount, "problem.admin.count", "count"},
		{errChooseDeed, "problem.admin.choose_deed", ""}, {errChoosePeople, "problem.admin.choose_people", ""},
		{errChooseGroup, "problem.admin.choose_group", "group"}, {errNoSuchName, "problem.admin.no_such_name", "username"}, {errTooMany, "problem.admin.choose_fewer", ""},
	} {
		if errors.Is(err, known.err) {
			return &templates.Problem{ID: known.id, Field: known.field}
		}
	}
	var line *account.LineError
	if errors.As(err, &line) {
		return &templates.Problem{ID: "problem.admin.line", Field: "file", Args: map[string]any{"Name": line.Line}}
	}
	var invalid *account.InvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	// The name of a column is what a file says: it is an argument, and no part of an id.
	if column, ok := strings.CutPrefix(invalid.Field, "column."); ok {
		if invalid.Reason == "unknown" && slices.Contains(account.ExportColumns(), column) { // and in no import: or it were known
			return &templates.Problem{ID: "problem.admin.export_column", Args: map[string]any{"Name": column}}
		}
		return &templates.Problem{ID: "problem.column." + invalid.Reason, Args: map[string]any{"Name": column}}
	}
	return nil
}

// lineProblem is the sentence about one of many people: that of problem, or that it did not work.
func lineProblem(err error) *templates.Problem {
	if errors.Is(err, admin.ErrForbidden) {
		return &templates.Problem{ID: "problem.admin.not_allowed"}
	}
	if errors.Is(err, account.ErrNotFound) {
		return &templates.Problem{ID: "problem.admin.gone"}
	}
	if p := problem(err); p != nil {
		return p
	}
	return &templates.Problem{ID: "problem.unknown"}
}
