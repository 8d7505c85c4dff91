package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"testing"
	"time"
)

// The small things that every token request does; signing, verifying and encoding are measured beside their tests.

func BenchmarkRefreshToken(b *testing.B) {
	s, seed := &store{refreshKey: make([]byte, 32)}, make([]byte, 16)
	raw := make([]byte, grantIDBytes)
	rand.Read(raw)
	id := base64.RawURLEncoding.EncodeToString(raw)
	g := &grant{ID: id, RTGen: 7, RTSeed: seed}
	token, err := s.refreshToken(id, 7, seed)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("made", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if again, err := s.refreshToken(id, 7, seed); err != nil || again != token {
				b.Fatal(again, err)
			}
		}
	})
	b.Run("recognised", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if found, generation, mac, ok := parseRefresh(token); !ok || found != id || !s.isRefresh(g, generation, mac) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkSessionClone(b *testing.B) {
	facts := &session{subject: "alice-1", amr: []string{"pwd", "otp", "mfa"}, acr: "aal2", authTime: 1}
	b.ReportAllocs()
	for b.Loop() {
		if facts.Clone().GetSubject() != "alice-1" {
			b.Fatal("another")
		}
	}
}

func BenchmarkClientSecret(b *testing.B) {
	c := &Clients{key: make([]byte, 32), now: time.Now}
	client := &Client{ID: "app"}
	client.secretHash = c.hash(client.ID, "a secret that was drawn by chance")
	b.ReportAllocs()
	for b.Loop() {
		if !c.SecretIs(client, "a secret that was drawn by chance") {
			b.Fatal("refused")
		}
	}
}
