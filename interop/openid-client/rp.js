import * as client from 'openid-client'
import { CLIENT_ID, CLIENT_SECRET, HOME, ISSUER, SCOPE, extra, serve, told } from '../rp.js'

const config = await client.discovery(new URL(ISSUER), CLIENT_ID, {}, client.ClientSecretBasic(CLIENT_SECRET), {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
})

// keep stores what a token response holds, and returns what it says.
async function keep(session, tokens) {
  session.tokens = { ...session.tokens, ...tokens }
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP: session.DPoP })
  return told(claims, { userinfo, token_type: tokens.token_type })
}

serve('openid-client', {
  async '/login'(url, session) {
    session.verifier = client.randomPKCECodeVerifier()
    session.state = client.randomState()
    session.nonce = client.randomNonce()
    session.maxAge = url.searchParams.get('max_age')
    session.DPoP = url.searchParams.has('dpop') ? client.getDPoPHandle(config, await client.randomDPoPKeyPair()) : undefined
    const parameters = {
      redirect_uri: `${HOME}/callback`, scope: SCOPE, state: session.state, nonce: session.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(session.verifier), code_challenge_method: 'S256', ...extra(url),
    }
    return url.searchParams.has('par')
      ? client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP: session.DPoP })
      : client.buildAuthorizationUrl(config, parameters)
  },
  async '/callback'(url, session) {
    return keep(session, await client.authorizationCodeGrant(config, url, {
      pkceCodeVerifier: session.verifier, expectedState: session.state, expectedNonce: session.nonce,
      maxAge: session.maxAge ? Number(session.maxAge) : undefined, idTokenExpected: true,
    }, undefined, { DPoP: session.DPoP }))
  },
  async '/refresh'(url, session) {
    return keep(session, await client.refreshTokenGrant(config, session.tokens.refresh_token, undefined, { DPoP: session.DPoP }))
  },
  async '/introspect'(url, session) {
    const claims = await client.tokenIntrospection(config, session.tokens.access_token)
    return { ...told(claims), ok: claims.active }
  },
  async '/revoke'(url, session) {
    await client.tokenRevocation(config, session.tokens.refresh_token)
    return { ok: true }
  },
  async '/device'(url, session) {
    session.waiting = await client.initiateDeviceAuthorization(config, { scope: SCOPE })
    return { ok: true, ...session.waiting }
  },
  async '/device/tokens'(url, session) {
    return keep(session, await client.pollDeviceAuthorizationGrant(config, { ...session.waiting, interval: 1 })) // nobody waits here
  },
  async '/logout'(url, session) {
    return client.buildEndSessionUrl(config, { id_token_hint: session.tokens.id_token, post_logout_redirect_uri: `${HOME}/bye` })
  },
  async '/bye'() {
    return { ok: true }
  },
})
