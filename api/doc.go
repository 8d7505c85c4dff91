// Package api is /api/v1: what the console does, for programs, over the same [admin.Desk].
//
// It authenticates by access tokens of this provider and by nothing else, reads and writes JSON, and describes itself: the
// OpenAPI document is made of the operations that there are. Cookies are no credentials here, but for the two pages that
// describe the API. What may be done to whom is the Desk's to say; this package maps requests to its methods and their
// errors to problems (RFC 9457).
//
// A new operation is a line in one of the files named after what it is about, with its row in the matrix of the tests.
package api
