package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

var start = time.UnixMilli(1_790_000_000_123)

// key is what signs in these tests.
var key = []byte("a key of exactly thirty-two byte")

func TestSec_AU01_OneRowWithAllItsParts(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		log := &audit.Log{DB: db, Key: key, Now: func() time.Time { return start }}
		ctx := audit.WithRequest(t.Context(), audit.Request{ID: "r1", Address: "192.0.2.7", Agent: "Firefox"})
		event := audit.Event{Action: "password.refused", Subject: "alice", Client: "focus-hq", Result: "wrong",
			Detail: map[string]string{"method": "pwd"}}
		check(t, log.Record(ctx, event))

		got, err := log.List(ctx, audit.Filter{})
		check(t, err)
		event.Actor = "alice"
		want := []audit.Entry{{At: start, Event: event,
			Request: audit.Request{ID: "r1", Address: "192.0.2.7", Agent: "Firefox"}}}
		random := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "ID" || p.String() == "MAC" }, cmp.Ignore())
		if diff := cmp.Diff(want, got, random); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}, "audit")
}

func TestActor(t *testing.T) {
	tests := []struct{ name, event, request, want string }{
		{"the event's", "carol", "admin", "carol"},
		{"the request's", "", "admin", "admin"},
		{"the subject itself", "", "", "alice"},
		{"nobody that is known", audit.Anonymous, "", audit.Anonymous},
		{"nobody that is known, in this request", "", audit.Anonymous, audit.Anonymous},
	}
	log := &audit.Log{DB: dbxtest.SQLite(t, "audit"), Key: key}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := audit.WithRequest(t.Context(), audit.Request{Actor: tt.request})
			check(t, log.Record(ctx, audit.Event{Action: "x", Actor: tt.event, Subject: "alice"}))
			got, err := log.List(ctx, audit.Filter{Limit: 1})
			check(t, err)
			if got[0].Actor != tt.want {
				t.Errorf("actor %q, want %q", got[0].Actor, tt.want)
			}
		})
	}
}

func TestClient(t *testing.T) {
	log := &audit.Log{DB: dbxtest.SQLite(t, "audit"), Key: key}
	ctx := audit.WithClient(audit.WithActor(audit.WithRequest(t.Context(), audit.Request{ID: "r1"}), "root"), "waits")
	for _, tt := range []struct{ event, want string }{{"named", "named"}, {"", "waits"}} {
		check(t, log.Record(ctx, audit.Event{Action: "x", Client: tt.event}))
		got, err := log.List(ctx, audit.Filter{Limit: 1})
		check(t, err)
		if e := got[0]; e.Client != tt.want || e.Actor != "root" || e.Request.ID != "r1" {
			t.Errorf("%+v", e)
		}
	}
}

func TestSec_AU02_RecordIsPartOfTheTransaction(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		log := &audit.Log{DB: db, Key: key}
		undo := errors.New("undo")
		for _, want := range []error{undo, nil} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				check(t, log.Record(ctx, audit.Event{Action: "x"}))
				return want
			})
			if !errors.Is(err, want) {
				t.Fatal(err)
			}
		}
		got, err := log.List(t.Context(), audit.Filter{})
		check(t, err)
		if len(got) != 1 {
			t.Errorf("%d records, want that of the committed transaction", len(got))
		}
	}, "audit")
}

func TestSec_AU04_ValuesCannotForgeALine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"line breaks", "a\r\nb", "a··b"},
		{"terminal escape", "\x1b[31mred", "·[31mred"},
		{"bidirectional override", "a\u202eb", "a·b"},
		{"line separator", "a\u2028b", "a·b"},
		{"zero width", "a\u200bb", "a·b"},
		{"NUL", "a\x00b", "a·b"},
		{"C1 control", "a\u0085b", "a·b"},
		{"invalid UTF-8", "a\xffb", "a·b"},
		{"letters of the world", "Zoë 猫 😀 <b>&\"", "Zoë 猫 😀 <b>&\""},
		{"empty", "", ""},
	}
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		log := &audit.Log{DB: db, Key: key}
		record := func(t *testing.T, value string) audit.Entry {
			ctx := audit.WithRequest(t.Context(), audit.Request{ID: value, Address: value, Agent: value})
			event := audit.Event{Action: value, Actor: value, Subject: value, Client: value, Result: value,
				Detail: map[string]string{"k" + value: value}}
			check(t, log.Record(ctx, event))
			got, err := log.List(ctx, audit.Filter{Limit: 1})
			check(t, err)
			return got[0]
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got := record(t, tt.in)
				want := audit.Event{Action: tt.want, Actor: tt.want, Subject: tt.want, Client: tt.want, Result: tt.want,
					Detail: map[string]string{"k" + tt.want: tt.want}}
				if diff := cmp.Diff(want, got.Event); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
				if diff := cmp.Diff(audit.Request{ID: tt.want, Address: tt.want, Agent: tt.want}, got.Request); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
		t.Run("a megabyte", func(t *testing.T) {
			got := record(t, strings.Repeat("ü", 1<<19))
			for name, value := range map[string]string{"agent": got.Request.Agent, "action": got.Action} {
				if len(value) > 520 || !utf8.ValidString(value) || !strings.HasSuffix(value, "ü…") {
					t.Errorf("%s: %d bytes, valid %v", name, len(value), utf8.ValidString(value))
				}
			}
		})
	}, "audit")
}

func TestListFiltersAndPages(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := start
		log := &audit.Log{DB: db, Key: key, Now: func() time.Time { return now }}
		for i := range 7 {
			e := audit.Event{Action: "a", Actor: "root", Subject: "alice", Client: "mail", Result: "no"}
			if i%2 == 0 {
				e = audit.Event{Action: "b", Subject: "bob"}
			}
			e.Detail = map[string]string{"n": fmt.Sprint(i)}
			check(t, log.Record(t.Context(), e))
			now = now.Add(time.Second)
		}
		at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
		tests := []struct {
			name   string
			filter audit.Filter
			want   string
		}{
			{"all, newest first", audit.Filter{}, "6543210"},
			{"action", audit.Filter{Action: "a"}, "531"},
			{"subject", audit.Filter{Subject: "bob"}, "6420"},
			{"actor, client and result", audit.Filter{Actor: "root", Client: "mail", Result: "no"}, "531"},
			{"no match", audit.Filter{Subject: "alice", Action: "b"}, ""},
			{"not by a piece of SQL", audit.Filter{Subject: "' OR 1=1 --"}, ""},
			{"from and before", audit.Filter{Since: at(2), Until: at(4)}, "32"},
			{"limit", audit.Filter{Limit: 2}, "65"},
			{"what somebody did to others and to themselves", audit.Filter{Actor: "bob"}, "6420"},
			{"what somebody did to others", audit.Filter{Actor: "root", Until: at(5), Limit: 1}, "3"},
			{"actor and cursor", audit.Filter{Actor: "bob", Since: at(1), Until: at(6)}, "42"},
			{"some actions", audit.Filter{Actions: []string{"a", "b", "c"}, Until: at(5)}, "43210"},
			{"one of some actions", audit.Filter{Actions: []string{"c", "a"}}, "531"},
			{"some actions of somebody", audit.Filter{Actions: []string{"c", "a"}, Subject: "alice"}, "531"},
			{"some actions by somebody", audit.Filter{Actions: []string{"b", "a"}, Actor: "root", Limit: 2}, "53"},
			{"some actions by and to themselves", audit.Filter{Actions: []string{"b", "a"}, Actor: "bob", Client: "", Limit: 2}, "64"},
			{"notable", audit.Filter{Subject: "bob", Notable: true, Limit: 2}, "64"},
			{"a moment between", audit.Filter{Since: at(5).Add(time.Microsecond)}, "65"},
			{"far away", audit.Filter{Since: time.Unix(-5, 0), Until: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}, "6543210"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got, err := log.List(t.Context(), tt.filter)
				check(t, err)
				if numbers(got) != tt.want {
					t.Errorf("got %s, want %s", numbers(got), tt.want)
				}
			})
		}
		t.Run("pages", func(t *testing.T) {
			var pages []string
			for f := (audit.Filter{Limit: 3}); ; {
				got, err := log.List(t.Context(), f)
				check(t, err)
				if len(got) == 0 {
					break
				}
				pages, f.Before = append(pages, numbers(got)), got[len(got)-1].ID
			}
			if diff := cmp.Diff([]string{"654", "321", "0"}, pages); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}, "audit")
}

func numbers(entries []audit.Entry) string {
	var out strings.Builder
	for _, e := range entries {
		out.WriteString(e.Detail["n"])
	}
	return out.String()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
