// Package mfasql keeps the factors of package mfa in SQLite or PostgreSQL.
//
// The tables are those of the migration stream "mfa" and nobody else's: a host applies it by itself,
//
//	err := migrations.Up(ctx, db, "mfa")
//
// and its other tables may lie in the same database, where [Store.InTx] and [Store.Tx] let a host change them in one
// transaction with a factor. A host on database/sql wraps its handle: sqlx.NewDb(db, "sqlite") for modernc.org/sqlite,
// sqlx.NewDb(db, "postgres") for github.com/lib/pq.
//
// It knows SQL and no rule: what a code is, how many are looked at and when a device ends is decided in package mfa. It
// decides races, each by one conditional statement whose row count is the answer.
package mfasql
