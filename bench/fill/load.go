package fill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// copies fills a table with the rows that all passes on, in one transaction: without the indexes that are no constraints, which are
// made again at its end.
func (f *filler) copies(ctx context.Context, t *table, all func(add func([]any) error) error) error {
	began := time.Now()
	tx, err := f.db.SQLX().BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	indexes, err := f.takeIndexes(ctx, tx, t.name)
	if err != nil {
		return err
	}
	columns := strings.Join(t.columns, ", ")
	places := make([]string, len(t.columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	query := fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s)`, t.name, columns, strings.Join(places, ", "))
	if f.db.Postgres() {
		query = fmt.Sprintf(`COPY %s (%s) FROM STDIN`, t.name, columns)
	}
	stmt, err := tx.PreparexContext(ctx, query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	rows := 0
	if err := all(func(row []any) error {
		rows++
		_, err := stmt.Exec(row...)
		return err
	}); err != nil {
		return fmt.Errorf("fill: %s: %w", t.name, err)
	}
	if f.db.Postgres() {
		if _, err := stmt.ExecContext(ctx); err != nil { // what is still on the way
			return fmt.Errorf("fill: %s: %w", t.name, err)
		}
	}
	if err := stmt.Close(); err != nil {
		return err
	}
	for _, index := range indexes {
		if _, err := tx.ExecContext(ctx, index); err != nil {
			return fmt.Errorf("fill: %s: %w", index, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	f.tell(t.name, rows, began)
	return nil
}

// takeIndexes drops the indexes of a table that are no constraints and returns what makes them again. On PostgreSQL it turns foreign
// keys off for the transaction, if it may: rows of a crowd refer to each other as they should.
func (f *filler) takeIndexes(ctx context.Context, tx *sqlx.Tx, table string) ([]string, error) {
	query := `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = $1`
	if f.db.Postgres() {
		var mighty bool
		if err := tx.GetContext(ctx, &mighty, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`); err != nil {
			return nil, err
		}
		if mighty {
			if _, err := tx.ExecContext(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
				return nil, err
			}
		}
		if _, err := tx.ExecContext(ctx, `SET LOCAL maintenance_work_mem = '256MB'`); err != nil {
			return nil, err
		}
		query = `SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS sql FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
			WHERE i.indrelid = CAST($1 AS regclass) AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)`
	}
	var found []struct{ Name, SQL string }
	if err := tx.SelectContext(ctx, &found, query, table); err != nil {
		return nil, err
	}
	var again []string
	for _, index := range found {
		if _, err := tx.ExecContext(ctx, `DROP INDEX `+index.Name); err != nil {
			return nil, err
		}
		again = append(again, index.SQL)
	}
	return again, nil
}
