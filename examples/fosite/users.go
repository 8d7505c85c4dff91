package main

import (
	"context"
	"database/sql"
	"errors"

	"golang.org/x/crypto/bcrypt"
)

// users is the server's own table of people. Package mfa knows nobody but their subjects.
type users struct{ db *sql.DB }

func newUsers(ctx context.Context, db *sql.DB) (*users, error) {
	_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS users
		(subject TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, password BLOB NOT NULL)`)
	if err == nil {
		_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS events (at BIGINT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL)")
	}
	return &users{db}, err
}

// seed gives name a new password and returns it.
func (u *users) seed(ctx context.Context, name string) (string, error) {
	password := random()[:12]
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", err
	}
	_, err = u.db.ExecContext(ctx, `INSERT INTO users (subject, name, password) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET password = excluded.password`, random(), name, hash)
	return password, err
}

// nobody is a hash of no password: unknown names take as long as known ones.
const nobody = "$2a$10$wHRCuHqbUuDcIUwmmwDNmuVHHBhSkGg1tFBLVZxRHl4a0qOiJpK3q"

// check returns the subject of a name and password, "" when they are not right. A server that is open to the world counts
// here before it compares.
func (u *users) check(ctx context.Context, name, password string) (subject string, err error) {
	hash := []byte(nobody)
	err = u.db.QueryRowContext(ctx, "SELECT subject, password FROM users WHERE name = $1", name).Scan(&subject, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return "", nil
	}
	return subject, nil
}
