package audit_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestPages(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := start
		log := &audit.Log{DB: db, Key: key, Now: func() time.Time { return now }}
		for i := range 7 {
			check(t, log.Record(t.Context(), audit.Event{Action: []string{"a", "b"}[i%2], Detail: map[string]string{"n": fmt.Sprint(i)}}))
			now = now.Add(time.Second)
		}
		read := func(f audit.Filter) (pages []string) {
			for cursor := ""; ; {
				entries, next, err := log.Page(t.Context(), f, cursor)
				check(t, err)
				pages = append(pages, numbers(entries))
				if cursor = next; next == "" {
					return pages
				}
			}
		}
		for _, row := range []struct {
			filter audit.Filter
			want   []string
		}{
			{audit.Filter{Limit: 3}, []string{"654", "321", "0"}},
			{audit.Filter{Limit: 7}, []string{"6543210"}},
			{audit.Filter{Actions: []string{"a", "b"}, Limit: 4}, []string{"6543", "210"}},
			{audit.Filter{Action: "b", Limit: 2}, []string{"53", "1"}},
			{audit.Filter{Action: "c"}, []string{""}},
			{audit.Filter{Limit: 10_000}, []string{"6543210"}},
		} {
			if diff := cmp.Diff(row.want, read(row.filter)); diff != "" {
				t.Errorf("%+v: -want +got\n%s", row.filter, diff)
			}
		}
	}, "audit")
}

func TestSec_AD08_CursorsOfTheTrail(t *testing.T) {
	db := dbxtest.SQLite(t, "audit")
	log := &audit.Log{DB: db, Key: key}
	for range 3 {
		check(t, log.Record(t.Context(), audit.Event{Action: "a", Subject: "alice"}))
	}
	mine := audit.Filter{Subject: "alice", Limit: 1}
	_, cursor, err := log.Page(t.Context(), mine, "")
	check(t, err)
	if _, _, err := log.Page(t.Context(), audit.Filter{Subject: "alice", Limit: 2}, cursor); err != nil {
		t.Errorf("another length of page: %v", err)
	}
	bytes, _ := base64.RawURLEncoding.DecodeString(cursor)
	forged := []string{
		"x", "' OR 1=1 --", cursor + "A", cursor + "=", cursor[1:], strings.Repeat("A", 1000), base64.RawURLEncoding.EncodeToString(bytes[:11]),
		base64.RawURLEncoding.EncodeToString([]byte("ffffffffffffffffffffffffffffffff")),
	}
	for i := range bytes {
		flipped := append([]byte{}, bytes...)
		flipped[i] ^= 1
		forged = append(forged, base64.RawURLEncoding.EncodeToString(flipped))
	}
	for _, text := range forged {
		if _, _, err := log.Page(t.Context(), mine, text); !errors.Is(err, audit.ErrCursor) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for name, f := range map[string]audit.Filter{
		"everybody": {}, "somebody else": {Subject: "bob"}, "an action": {Subject: "alice", Action: "a"}, "notable": {Subject: "alice", Notable: true},
		"actions": {Subject: "alice", Actions: []string{"a"}}, "since": {Subject: "alice", Since: start},
	} {
		if _, _, err := log.Page(t.Context(), f, cursor); !errors.Is(err, audit.ErrCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := &audit.Log{DB: db, Key: []byte("another key, thirty-two bytes...")}
	if _, _, err := other.Page(t.Context(), mine, cursor); !errors.Is(err, audit.ErrCursor) {
		t.Errorf("another key: %v", err)
	}
	if _, _, err := (&audit.Log{DB: db}).Page(t.Context(), mine, ""); err == nil {
		t.Error("no key")
	}
}

func TestGet(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		log := &audit.Log{DB: db, Key: key}
		ctx := audit.WithFlow(audit.WithClient(t.Context(), "app"), "f1")
		check(t, log.Record(ctx, audit.Event{Action: "a", Subject: "alice"}))
		detail := map[string]string{"k": "v"}
		check(t, log.Record(ctx, audit.Event{Action: "b", Detail: detail}))
		all, err := log.List(ctx, audit.Filter{})
		check(t, err)
		if diff := cmp.Diff([]map[string]string{{"k": "v", "flow": "f1"}, {"flow": "f1"}}, []map[string]string{all[0].Detail, all[1].Detail}); diff != "" || len(detail) != 1 {
			t.Errorf("%v, -want +got\n%s", detail, diff)
		}
		got, err := log.Get(ctx, all[1].ID)
		check(t, err)
		if diff := cmp.Diff(all[1], got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		for _, id := range []string{"", "x", all[1].ID + "0"} {
			if _, err := log.Get(ctx, id); !errors.Is(err, audit.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}, "audit")
}
