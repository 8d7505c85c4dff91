// Package dbx runs one portable SQL text on SQLite and on PostgreSQL.
//
// It opens a database by its URL, keeps statements prepared, carries a transaction in the context and tells a taken
// key from other errors. It knows no table: each domain's SQL stands beside the method that runs it, and package
// migrations owns the schema.
//
// The portable text: types TEXT, BIGINT, BOOLEAN, BYTEA; $1 placeholders, repeated and out of order; ON CONFLICT,
// RETURNING, partial indexes, CAST(x AS t); no question marks, no "::", never now() — time comes from Go's clock.
package dbx
