package main

import (
	"strconv"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/migrations"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply what is missing."`
	Status migrateStatusCmd `cmd:"" help:"Show the version of each part of the schema."`
}

type migrateUpCmd struct{ output }

// Run applies what is missing and shows where the schema stands.
func (c *migrateUpCmd) Run(a *app) error { return c.run(a, true) }

type migrateStatusCmd struct{ output }

// Run shows where the schema stands.
func (c *migrateStatusCmd) Run(a *app) error { return c.run(a, false) }

func (o output) run(a *app, up bool) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	db, err := dbx.OpenPatient(a, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if up {
		if err := migrations.Up(a, db.SQLX(), migrations.Streams()...); err != nil {
			return err
		}
	}
	states, err := migrations.Status(a, db.SQLX(), migrations.Streams()...)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, s := range states {
		rows = append(rows, []string{s.Stream, strconv.FormatInt(s.Current, 10), strconv.FormatInt(s.Target, 10)})
	}
	return o.print(a, states, "PART\tVERSION\tLATEST", rows)
}
