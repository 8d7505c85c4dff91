package oauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
)

// pollSlack is how much too early a poll may be: networks are no clocks.
const pollSlack = 500 * time.Millisecond

// deviceHandler gives a device that a person allowed its tokens (RFC 8628 section 3.4). fosite's own handler revokes
// nothing when a code comes again, and never asks a device to slow down.
type deviceHandler struct {
	store    *store
	strategy strategy
	idToken  *openid.IDTokenHandleHelper
}

// CanSkipClientAuth returns false: a device code is good for its client alone.
func (*deviceHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// CanHandleTokenEndpointRequest returns true: the handler is asked for its own grant type only.
func (*deviceHandler) CanHandleTokenEndpointRequest(context.Context, fosite.AccessRequester) bool {
	return true
}

// HandleTokenEndpointRequest fills ar from the grant, or fails by an error of RFC 8628 section 3.5.
func (h *deviceHandler) HandleTokenEndpointRequest(ctx context.Context, ar fosite.AccessRequester) error {
	code := ar.GetRequestForm().Get("device_code")
	switch {
	case !slices.Contains(ar.GetClient().GetGrantTypes(), deviceGrant):
		return fosite.ErrUnauthorizedClient
	case code == "":
		return fault(fosite.ErrInvalidRequest, "device_code", "The parameter device_code is missing.")
	}
	g, err := h.store.poll(ctx, code)
	if errors.Is(err, fosite.ErrNotFound) {
		return fosite.ErrInvalidGrant.WithWrap(err)
	}
	if err != nil {
		return err
	}
	request, err := g.requester(unitOf(ctx).client, ar.GetSession(), true)
	if err != nil {
		return err
	}
	ar.SetID(request.ID)
	ar.SetSession(request.Session)
	ar.SetRequestedScopes(request.RequestedScope)
	for _, scope := range request.GrantedScope {
		ar.GrantScope(scope)
	}
	return nil
}

// PopulateTokenEndpointResponse makes the tokens. The code is used up when they are flushed.
func (h *deviceHandler) PopulateTokenEndpointResponse(ctx context.Context, ar fosite.AccessRequester, response fosite.AccessResponder) error {
	client := ar.GetClient().(*Client)
	token, signature, err := h.strategy.GenerateAccessToken(ctx, ar)
	if err != nil {
		return err
	}
	if err := h.store.CreateAccessTokenSession(ctx, signature, ar); err != nil {
		return err
	}
	unitOf(ctx).redeem = true
	response.SetAccessToken(token)
	response.SetTokenType("Bearer") // for fosite; exchange knows better
	response.SetExpiresIn(client.AccessTokenLife.or(accessTokenLife))
	response.SetScopes(ar.GetGrantedScopes())
	if client.refreshes(ar.GetGrantedScopes()) {
		refresh, _, err := h.strategy.GenerateRefreshToken(ctx, ar)
		if err != nil {
			return err
		}
		if err := h.store.CreateRefreshTokenSession(ctx, "", "", ar); err != nil {
			return err
		}
		response.SetExtra("refresh_token", refresh)
	}
	if ar.GetGrantedScopes().Has("openid") {
		return h.idToken.IssueExplicitIDToken(ctx, client.IDTokenLife.or(idTokenLife), ar, response)
	}
	return nil
}

// poll returns the grant that the device with this code was given. While there is none it fails by an error of RFC 8628
// section 3.5; a code that is unknown or another client's is fosite.ErrNotFound and stays as it is.
func (s *store) poll(ctx context.Context, code string) (*grant, error) {
	id, _, ok := grantID(code, codeBytes)
	if !ok {
		return nil, because(fosite.ErrNotFound, "", "the device code is none of ours")
	}
	var device struct {
		ClientID  string `db:"client_id"`
		CodeHash  []byte `db:"code_hash"`
		Denied    bool   `db:"denied"`
		ExpiresAt int64  `db:"expires_at"`
	}
	// In this order: an answer turns the device into a grant, never back.
	err := s.db.Get(ctx, &device, `SELECT client_id, code_hash, denied, expires_at FROM oauth_devices WHERE id = $1`, id)
	if dbx.IsNotFound(err) {
		return s.allowed(ctx, id, code)
	}
	client := caller(ctx)
	switch {
	case err != nil:
		return nil, unavailable(err)
	case client == nil || client.ID != device.ClientID || subtle.ConstantTimeCompare(deviceHash(code), device.CodeHash) != 1:
		return nil, because(fosite.ErrNotFound, "", "the device code is none of ours, or another client's")
	case device.Denied:
		return nil, fosite.ErrAccessDenied
	case s.now().Unix() >= device.ExpiresAt:
		return nil, fosite.ErrDeviceExpiredToken
	}
	return nil, s.pending(ctx, id)
}

// allowed returns the grant id that the device code stands for. A code that comes again ends what it gave.
func (s *store) allowed(ctx context.Context, id, code string) (*grant, error) {
	g, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case subtle.ConstantTimeCompare(deviceHash(code), g.CodeHash) != 1:
		return nil, because(fosite.ErrNotFound, "", "the device code is none of ours")
	case g.CodeUsedAt.Valid:
		if _, err := s.revokeGrant(ctx, id, EventCodeReused); err != nil {
			return nil, err
		}
		return nil, because(fosite.ErrNotFound, "", "the device code was used before")
	case !g.lives(s.now()):
		return nil, because(fosite.ErrNotFound, "", "the device code has expired, or its grant was revoked")
	case s.now().Unix() >= g.CodeExpiresAt:
		return nil, fosite.ErrDeviceExpiredToken
	}
	unitOf(ctx).redeemable = true
	return g, nil
}

// pending counts a poll of the waiting device id, and says whether it came too early: then the pause grows by five
// seconds for good (RFC 8628 section 3.5). It is one statement, so that of polls at the same moment one is in time.
func (s *store) pending(ctx context.Context, id string) error {
	now := s.now()
	var hasty bool
	err := s.db.Get(ctx, &hasty, `UPDATE oauth_devices SET hasty = polled_at + pause * 1000 > $2,
		pause = pause + CASE WHEN polled_at + pause * 1000 > $2 THEN $3 ELSE 0 END, polled_at = $4
		WHERE id = $1 RETURNING hasty`,
		id, now.Add(pollSlack).UnixMilli(), int64(devicePause/time.Second), now.UnixMilli())
	switch {
	case dbx.IsNotFound(err): // answered at this moment: the next poll will see
		return fosite.ErrAuthorizationPending
	case err != nil:
		return unavailable(err)
	case hasty:
		return fosite.ErrSlowDown
	}
	return fosite.ErrAuthorizationPending
}
