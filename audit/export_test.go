package audit

// Query is the statement of a page.
func Query(f Filter) (string, []any) { return f.query() }

// Statements that tests explain.
const (
	SelectRows   = selectRows
	SelectHead   = selectHead
	SelectBefore = selectBefore
	SelectBehind = selectBehind
)
