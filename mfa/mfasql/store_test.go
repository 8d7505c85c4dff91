package mfasql_test

import (
	"testing"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfasql"
	"github.com/focushq/idp/mfa/mfatest"
)

func TestSQLite(t *testing.T) {
	mfatest.RunStore(t, func(t *testing.T) mfa.Store { return mfasql.New(dbxtest.SQLite(t, "mfa").SQLX()) })
}

func TestPostgres(t *testing.T) {
	mfatest.RunStore(t, func(t *testing.T) mfa.Store { return mfasql.New(dbxtest.Postgres(t, "mfa").SQLX()) })
}
