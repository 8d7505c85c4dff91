package oauth

import (
	"fmt"
	"testing"
	"time"
)

func TestSnapshots(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	const life = time.Second
	s := newSnapshots(func(age time.Duration) (bool, bool) { return age < life, age >= life/2 })
	s.clock = func() time.Time { return now }
	made := 0
	client := func(row clientRow) (*Client, error) {
		made++
		return &Client{Name: row.Metadata, Disabled: row.Metadata == "off"}, nil
	}
	keep := func(id string, row clientRow) *Client {
		t.Helper()
		read, writes := s.begin()
		kept, err := s.keep(id, row, client, read, writes)
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}

	first := keep("a", clientRow{Metadata: "one"})
	recent := func(id string) *Client {
		client, _ := s.recent(id)
		return client
	}
	if recent("a") != first || recent("b") != nil {
		t.Error("what was read is not remembered")
	}
	now = now.Add(life / 2)
	for n := range 3 {
		if client, renew := s.recent("a"); client != first || renew != (n == 0) {
			t.Errorf("getting old, call %d: %v, renew %v", n, client, renew)
		}
	}
	if now = now.Add(life / 2); recent("a") != nil {
		t.Error("older than a second")
	}
	if again := keep("a", clientRow{Metadata: "one"}); again != first || made != 1 || recent("a") != first {
		t.Error("an unchanged row makes another client")
	}
	if changed := keep("a", clientRow{Metadata: "two"}); changed == first || recent("a") != changed {
		t.Error("a changed row makes none")
	}
	if keep("a", clientRow{Metadata: "off"}); recent("a") != nil {
		t.Error("one that is off is remembered")
	}

	read, writes := s.begin()
	s.drop("a") // between reading and keeping
	if late, err := s.keep("a", clientRow{Metadata: "before"}, client, read, writes); err != nil || late == nil || recent("a") != nil {
		t.Errorf("what a write replaced is remembered: %v", err)
	}

	kept := keep("a", clientRow{Metadata: "one"})
	if s.drop("b"); recent("a") != kept {
		t.Error("another one's change forgets it")
	}
	if s.drop(""); recent("a") != nil {
		t.Error("all may have changed, and it is remembered")
	}

	for n := range maxSnapshots + 1 {
		keep(fmt.Sprint(n), clientRow{})
	}
	if len(s.byID) > maxSnapshots {
		t.Errorf("%d clients", len(s.byID))
	}
}
