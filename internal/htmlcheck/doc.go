// Package htmlcheck looks at rendered pages the way tests need it: by CSS selector, and for mistakes that no page may
// have (no label, no name, an inline script, a double id, a form without its token).
//
// It is for tests only. It knows HTML and nothing of any page; what a page must contain, its test says.
package htmlcheck
