import * as client from 'openid-client'
import { CLIENT_ID, CLIENT_SECRET, HOME, ISSUER, SCOPE, extra, serve, told } from '../rp.js'

const issuer = new URL(ISSUER)
const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] } // http, on this machine
const own = await client.discovery(issuer, CLIENT_ID, {}, client.ClientSecretBasic(CLIENT_SECRET), options)
const metadata = {
  client_name: 'Registered', redirect_uris: [`${HOME}/callback`], grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'client_secret_post', // what this client does by itself
}

// keep stores what a token response holds, and returns what it says.
async function keep(session, tokens) {
  session.tokens = { ...session.tokens, ...tokens }
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(session.config, tokens.access_token, claims.sub, { DPoP: session.DPoP })
  return told(claims, { userinfo, token_type: tokens.token_type })
}

serve('openid-client', {
  async '/login'(url, session) {
    const query = url.searchParams
    session.config = own
    if (query.has('register')) {
      session.config = await client.dynamicClientRegistration(issuer, metadata, undefined, {
        ...options, initialAccessToken: query.get('register'),
      })
    }
    session.verifier = client.randomPKCECodeVerifier()
    session.state = client.randomState()
    session.nonce = client.randomNonce()
    session.maxAge = query.has('max_age') ? Number(query.get('max_age')) : undefined
    session.DPoP = query.has('dpop') ? client.getDPoPHandle(own, await client.randomDPoPKeyPair()) : undefined
    const parameters = {
      redirect_uri: `${HOME}/callback`, scope: SCOPE, state: session.state, nonce: session.nonce, ...extra(url),
      code_challenge: await client.calculatePKCECodeChallenge(session.verifier), code_challenge_method: 'S256',
    }
    return query.has('par')
      ? client.buildAuthorizationUrlWithPAR(session.config, parameters, { DPoP: session.DPoP })
      : client.buildAuthorizationUrl(session.config, parameters)
  },
  async '/callback'(url, session) {
    return keep(session, await client.authorizationCodeGrant(session.config, url, {
      pkceCodeVerifier: session.verifier, expectedState: session.state, expectedNonce: session.nonce,
      maxAge: session.maxAge, idTokenExpected: true,
    }, undefined, { DPoP: session.DPoP }))
  },
  async '/refresh'(url, session) {
    const { refresh_token } = session.tokens
    return keep(session, await client.refreshTokenGrant(session.config, refresh_token, undefined, { DPoP: session.DPoP }))
  },
  async '/introspect'(url, session) {
    const claims = await client.tokenIntrospection(own, session.tokens.access_token)
    return { ...told(claims), ok: claims.active }
  },
  async '/revoke'(url, session) {
    await client.tokenRevocation(own, session.tokens.refresh_token)
    return { ok: true }
  },
  async '/machine'() {
    return { ok: true, token_type: (await client.clientCredentialsGrant(own)).token_type }
  },
  async '/device'(url, session) {
    session.config = own
    session.waiting = await client.initiateDeviceAuthorization(own, { scope: SCOPE })
    return { ok: true, ...session.waiting }
  },
  async '/device/tokens'(url, session) {
    const waiting = { ...session.waiting, interval: 1 } // before the first question, which is enough here
    return keep(session, await client.pollDeviceAuthorizationGrant(own, waiting))
  },
  async '/logout'(url, session) {
    return client.buildEndSessionUrl(session.config, {
      id_token_hint: session.tokens.id_token, post_logout_redirect_uri: `${HOME}/bye`,
    })
  },
  async '/bye'() {
    return { ok: true }
  },
})
