package mfa

import (
	"testing"
	"time"
)

// BenchmarkSteps looks for a code among the steps that count, as every sign-in with an app does.
func BenchmarkSteps(b *testing.B) {
	secret, now := make([]byte, 20), stepAt(time.Unix(1_800_000_000, 0))
	code, err := codeAt(secret, now)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if found, err := stepsOf(secret, now-1, now+1, code); err != nil || len(found) != 1 {
			b.Fatal(found, err)
		}
	}
}
