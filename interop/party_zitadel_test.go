package interop

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// sessionKey finds the session of a relying party's request in a context.
type sessionKey struct{}

// zitadel is a relying party with github.com/zitadel/oidc.
func zitadel(t testing.TB, known environment) string {
	t.Helper()
	return serve(t, "zitadel/oidc", func(home string) map[string]route {
		wanted := strings.Fields(known.scope)
		nonce := func(ctx context.Context) string { return ctx.Value(sessionKey{}).(*session).nonce }
		party := func(wanted []string, checks ...rp.VerifierOption) rp.RelyingParty {
			p, err := rp.NewRelyingPartyOIDC(t.Context(), known.issuer, known.id, known.secret, home+"/callback", wanted,
				rp.WithVerifierOpts(checks...), rp.WithAuthStyle(oauth2.AuthStyleInHeader))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		// For refreshed tokens, which need not hold one (OpenID Connect Core 1.0 section 12.2).
		plain := party(wanted, rp.WithNonce(nil))
		keep := func(
			ctx context.Context, p rp.RelyingParty, s *session, tokens *oidc.Tokens[*oidc.IDTokenClaims],
		) (_ string, a answer, err error) {
			s.token = tokens.Token
			info, err := rp.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, tokens.IDTokenClaims.Subject, p)
			if err != nil {
				return "", a, err
			}
			claims, errClaims := object(tokens.IDTokenClaims)
			userinfo, errInfo := object(info)
			return "", told(claims, userinfo), errors.Join(errClaims, errInfo)
		}
		return map[string]route{
			"/login": func(r *http.Request, s *session) (string, answer, error) {
				s.state, s.nonce, s.verifier = oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
				more, maxAge := parameters(r)
				s.maxAge = maxAge
				more = append(more, oauth2.SetAuthURLParam("nonce", s.nonce))
				challenge := rp.WithCodeChallenge(oidc.NewSHACodeChallenge(s.verifier))
				return rp.AuthURL(s.state, plain, challenge, func() []oauth2.AuthCodeOption { return more }), answer{}, nil
			},
			"/callback": func(r *http.Request, s *session) (_ string, a answer, err error) {
				if r.FormValue("state") != s.state || r.FormValue("error") != "" {
					return "", a, errors.New(r.FormValue("error"))
				}
				checks := []rp.VerifierOption{rp.WithNonce(nonce)}
				if s.maxAge > 0 {
					checks = append(checks, rp.WithAuthTimeMaxAge(s.maxAge))
				}
				p, ctx := party(wanted, checks...), context.WithValue(r.Context(), sessionKey{}, s)
				tokens, err := rp.CodeExchange[*oidc.IDTokenClaims](ctx, r.FormValue("code"), p, rp.WithCodeVerifier(s.verifier))
				if err != nil {
					return "", a, err
				}
				return keep(ctx, p, s, tokens)
			},
			"/refresh": func(r *http.Request, s *session) (_ string, a answer, err error) {
				ctx := context.WithValue(r.Context(), sessionKey{}, s)
				tokens, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, plain, s.token.RefreshToken, "", "")
				if err != nil {
					return "", a, zitadelReason(err)
				}
				return keep(ctx, plain, s, tokens)
			},
			"/revoke": func(r *http.Request, s *session) (string, answer, error) {
				err := rp.RevokeToken(r.Context(), plain, s.token.RefreshToken, "refresh_token")
				return "", answer{OK: err == nil}, err
			},
			"/machine": func(r *http.Request, _ *session) (string, answer, error) {
				token, err := rp.ClientCredentials(r.Context(), party(nil), nil)
				if err != nil {
					return "", answer{}, err
				}
				return "", answer{OK: true, TokenType: token.Type()}, nil
			},
			"/device": func(r *http.Request, s *session) (_ string, a answer, err error) {
				waiting, err := rp.DeviceAuthorization(r.Context(), wanted, plain, nil)
				if err != nil {
					return "", a, err
				}
				s.wait = func(ctx context.Context) (answer, error) {
					ctx = context.WithValue(ctx, sessionKey{}, s)
					got, err := rp.DeviceAccessToken(ctx, waiting.DeviceCode, time.Second, plain)
					if err != nil {
						return answer{}, err
					}
					claims, err := rp.VerifyTokens[*oidc.IDTokenClaims](ctx, got.AccessToken, got.IDToken, plain.IDTokenVerifier())
					if err != nil {
						return answer{}, err
					}
					token := &oauth2.Token{AccessToken: got.AccessToken, RefreshToken: got.RefreshToken, TokenType: got.TokenType}
					_, a, err := keep(ctx, plain, s, &oidc.Tokens[*oidc.IDTokenClaims]{Token: token, IDTokenClaims: claims})
					return a, err
				}
				return "", answer{OK: true, VerificationURI: waiting.VerificationURI, UserCode: waiting.UserCode}, nil
			},
			"/device/tokens": func(r *http.Request, s *session) (_ string, a answer, err error) {
				a, err = s.wait(r.Context())
				return "", a, err
			},
		}
	})
}

// zitadelReason returns the OAuth error alone.
func zitadelReason(err error) error {
	var refused *oidc.Error
	if errors.As(err, &refused) {
		return errors.New(string(refused.ErrorType))
	}
	return err
}

func object(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(text, &out)
}
