// Package dbxtest gives tests fresh databases of both engines.
//
// A SQLite database is a file in the test's folder. PostgreSQL is a private cluster that the first test that needs one
// starts from the installed server programs; it lives as long as the test process, also when that one crashes, and
// leaves nothing behind. A missing program fails the test: nothing is left out silently.
//
// It knows no table. Package migrations brings the schema of the streams that a test names.
package dbxtest
