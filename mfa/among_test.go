package mfa_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/focushq/idp/mfa"
)

// batchToken is a token that answers for many people at once.
type batchToken struct {
	*token
	asked [][]string
}

func (f *batchToken) EnrolledAmong(_ context.Context, subjects []string) (out []string, err error) {
	f.asked = append(f.asked, subjects)
	for _, subject := range subjects {
		if f.have[subject] != "" {
			out = append(out, subject)
		}
	}
	return out, f.err
}

func TestEnrolledAmong(t *testing.T) {
	b := newBench(t)
	slow, batch := b.withToken(), &batchToken{token: &token{name: "card", have: map[string]string{"carol": "word"}}}
	slow.have["bob"] = "word"
	b.must(b.Register(batch))
	b.enroll("alice")
	batch.have["alice"] = "word"
	b.scan("dan") // has begun, no more
	everybody := []string{"alice", "bob", "carol", "dan", "erin"}
	got, err := b.EnrolledAmong(t.Context(), everybody)
	if want := map[string]bool{"alice": true, "bob": true, "carol": true}; err != nil || !maps.Equal(got, want) {
		t.Fatalf("%v, %v, want %v", got, err, want)
	}
	for _, subject := range everybody {
		if one, err := b.Enrolled(t.Context(), subject); err != nil || one != got[subject] {
			t.Errorf("%s by herself: %v, %v", subject, one, err)
		}
	}
	if len(batch.asked) != 1 || !slices.Equal(batch.asked[0], []string{"carol", "dan", "erin"}) {
		t.Errorf("asked for %v, not once for those who are not known to have a factor", batch.asked)
	}
	if got, err := b.EnrolledAmong(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("among nobody: %v, %v", got, err)
	}
	for _, f := range []*token{slow, batch.token} {
		f.err = errObserver
		_, err := b.EnrolledAmong(t.Context(), everybody)
		b.is(err, errObserver)
		f.err = nil
	}
}

var _ mfa.BatchFactor = (*batchToken)(nil)
