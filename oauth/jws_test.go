package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"github.com/ory/fosite"
	"pgregory.net/rapid"
)

// TestObjectsAreThoseOfJSON: what is written by hand is what json.Marshal would have written.
func TestObjectsAreThoseOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.String().AsAny(), rapid.StringN(0, 20, -1).AsAny(), rapid.Int64().AsAny(), rapid.Int().AsAny(), rapid.Bool().AsAny(),
			rapid.SliceOf(rapid.String()).AsAny(), rapid.Map(rapid.SliceOf(rapid.String()), func(l []string) any { return fosite.Arguments(l) }),
			rapid.MapOf(rapid.String(), rapid.String()).AsAny(), rapid.Float64().AsAny(), rapid.Just[any](nil), rapid.Just[any]([]string(nil)),
			rapid.SampledFrom([]any{"<a href=\"x\">&", "\x00\x1f\x7f", "\u2028", "\xff", "back\\slash", time.Unix(5, 0).UTC()}),
		)
		members := rapid.MapOf(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z_]{1,9}`)), value).Draw(t, "members")
		got, err := appendObject(nil, members)
		want, wantErr := json.Marshal(members)
		if (err != nil) != (wantErr != nil) || string(got) != string(want) {
			t.Fatalf("%s %v, want %s %v", got, err, want, wantErr)
		}
	})
}

// worldKey returns a key of alg as the keyring holds them.
func worldKey(t testing.TB, alg string) *signingKey {
	t.Helper()
	private, err := generateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	kid, err := thumbprint(private)
	if err != nil {
		t.Fatal(err)
	}
	return &signingKey{
		KeyRow: KeyRow{KID: kid, Alg: alg}, private: private, heads: heads(alg, kid),
		public: jose.JSONWebKey{Key: private.Public(), KeyID: kid, Algorithm: alg, Use: "sig"},
	}
}

// TestOurTokensAreThoseOfALibrary: another implementation verifies what we sign, and we what that signs with the same header.
func TestOurTokensAreThoseOfALibrary(t *testing.T) {
	for _, alg := range signingAlgs {
		key := worldKey(t, alg)
		for _, typ := range signingTypes {
			token, err := key.sign(typ, []byte(`{"sub":"alice"}`))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			var claims map[string]string
			if err := parsed.Claims(key.public.Key, &claims); err != nil || claims["sub"] != "alice" {
				t.Errorf("%s %s: %v %v", alg, typ, claims, err)
			}
			header := parsed.Headers[0]
			if header.KeyID != key.KID || header.Algorithm != alg || header.ExtraHeaders[jose.HeaderType] != typ || len(header.ExtraHeaders) != 1 {
				t.Errorf("%s %s: %+v", alg, typ, header)
			}

			signer, err := jose.NewSigner(
				jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: key.private, KeyID: key.KID, Algorithm: alg}},
				(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := jwt.Signed(signer).Claims(map[string]any{"sub": "alice"}).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			if head, _, _ := strings.Cut(theirs, "."); head != key.heads[typ] {
				t.Errorf("%s %s: %s, a library writes %s", alg, typ, key.heads[typ], head)
			}
			if payload, ok := key.open(theirs, false); !ok || string(payload) != `{"sub":"alice"}` {
				t.Errorf("%s %s: %q %v", alg, typ, payload, ok)
			}
		}
	}
}

// TestChangedTokensAreNotOurs: no other text than the one that was signed is taken, whatever bit of it is another.
func TestChangedTokensAreNotOurs(t *testing.T) {
	for _, alg := range signingAlgs {
		key := worldKey(t, alg)
		token, err := key.sign(typAccess, []byte(`{"sub":"alice","exp":1}`))
		if err != nil {
			t.Fatal(err)
		}
		body, signature, _ := strings.Cut(token[strings.IndexByte(token, '.')+1:], ".")
		head := key.heads[typAccess]
		for name, text := range map[string]string{
			"nothing": "", "one part": head, "two parts": head + "." + body, "no signature": head + "." + body + ".",
			"four parts": token + "." + signature, "an empty part": head + ".." + signature, "a part more": head + "." + body + "." + body + "." + signature,
			"padding": token + "=", "a line's end": token + "\n", "half a signature": token[:len(token)-len(signature)/2],
			"a longer signature": token + "AAAA", "none": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + body + ".",
			"another type": key.heads[typID] + "." + body + "." + signature,
			"zeros":        head + "." + body + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		} {
			if _, ok := key.open(text, false); ok {
				t.Errorf("%s, %s: taken", alg, name)
			}
		}
		for i := range token {
			for _, c := range []byte{'A', 'B', '_', token[i] ^ 1} {
				if changed := token[:i] + string(rune(c)) + token[i+1:]; changed != token {
					if _, ok := key.open(changed, false); ok {
						t.Errorf("%s: taken with %q at %d", alg, c, i)
					}
				}
			}
			if alg == "RS256" && i > len(head)+40 { // verifying it is slow
				break
			}
		}
	}
}

func TestVerifiedTokensAreForgotten(t *testing.T) {
	var v verified
	name := func(n int) [sha256.Size]byte { return sha256.Sum256([]byte{byte(n), byte(n >> 8), byte(n >> 16)}) }
	first := &tokenClaims{ID: "first"}
	v.put(name(0), first)
	for n := range 5 * maxVerified {
		if n%1000 == 0 && v.get(name(0)) != first {
			t.Fatalf("forgotten after %d, though it was asked for", n)
		}
		v.put(name(n+1), unread)
		if len(v.young)+len(v.old) > 2*maxVerified {
			t.Fatalf("%d tokens", len(v.young)+len(v.old))
		}
	}
	if v.get(name(1)) != nil {
		t.Error("a token is remembered for ever")
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range signingAlgs {
		key, payload := worldKey(b, alg), make([]byte, 350)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.sign(typAccess, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range signingAlgs {
		key := worldKey(b, alg)
		token, err := key.sign(typAccess, make([]byte, 350))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := key.open(token, false); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkEncode is the payload of an access token.
func BenchmarkEncode(b *testing.B) {
	members := map[string]any{
		"iss": "https://id.example", "sub": "alice-1", "aud": "https://id.example", "client_id": "app", "iat": int64(1), "exp": int64(2),
		"scope": "openid profile", "jti": "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA", "acr": "aal2", "amr": []string{"pwd", "otp", "mfa"},
		"auth_time": int64(3), "sid": "sid-1",
	}
	want, err := json.Marshal(members)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		got, err := appendObject(make([]byte, 0, 512), members)
		if err != nil || len(got) != len(want) {
			b.Fatal(cmp.Diff(string(want), string(got)))
		}
	}
}
