import * as oauth from 'oauth4webapi'
import { CLIENT_ID, HOME, ISSUER, SCOPE, extra, serve, told } from '../rp.js'

const client = { client_id: CLIENT_ID }
const { privateKey, publicKey } = await oauth.generateKeyPair('ES256')
const auth = oauth.PrivateKeyJwt({ key: privateKey, kid: 'key-1' })
const plain = { [oauth.allowInsecureRequests]: true } // http, on this machine
const issuer = new URL(ISSUER)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, plain))
const callback = `${HOME}/callback`

// proven sends a request with a proof of possession, once more where the server wants its nonce in it.
async function proven(session, request, process) {
  const options = { ...plain, DPoP: session.DPoP }
  try {
    return await process(await request(options))
  } catch (error) {
    if (session.DPoP === undefined || !oauth.isDPoPNonceError(error)) throw error
    return process(await request(options))
  }
}

async function keep(session, tokens, response) {
  session.tokens = { ...session.tokens, ...tokens }
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  await oauth.validateApplicationLevelSignature(as, response, plain)
  const userinfo = await proven(session,
    (options) => oauth.userInfoRequest(as, client, tokens.access_token, options),
    (answer) => oauth.processUserInfoResponse(as, client, claims.sub, answer))
  return told(claims, { userinfo, token_type: tokens.token_type })
}

serve('oauth4webapi', {
  async '/login'(url, session) {
    const query = url.searchParams
    session.verifier = oauth.generateRandomCodeVerifier()
    session.state = oauth.generateRandomState()
    session.nonce = oauth.generateRandomNonce()
    session.maxAge = query.has('max_age') ? Number(query.get('max_age')) : undefined
    session.DPoP = query.has('dpop') ? oauth.DPoP(client, await oauth.generateKeyPair('ES256')) : undefined
    let parameters = new URLSearchParams({
      client_id: CLIENT_ID, redirect_uri: callback, response_type: 'code', scope: SCOPE, ...extra(url),
      code_challenge: await oauth.calculatePKCECodeChallenge(session.verifier), code_challenge_method: 'S256',
      state: session.state, nonce: session.nonce,
    })
    if (query.has('thief')) session.verifier = oauth.generateRandomCodeVerifier() // somebody else's, with this code
    if (query.has('par')) {
      const pushed = await proven(session,
        (options) => oauth.pushedAuthorizationRequest(as, client, auth, parameters, options),
        (answer) => oauth.processPushedAuthorizationResponse(as, client, answer))
      parameters = new URLSearchParams({ client_id: CLIENT_ID, request_uri: pushed.request_uri })
    }
    return new URL(`${as.authorization_endpoint}?${parameters}`)
  },
  async '/callback'(url, session) {
    const answer = oauth.validateAuthResponse(as, client, url, session.state)
    const expected = { expectedNonce: session.nonce, requireIdToken: true, maxAge: session.maxAge }
    const exchange = (options) => oauth.authorizationCodeGrantRequest(
      as, client, auth, answer, callback, session.verifier, options)
    session.again = () => exchange(plain)
    let last
    const tokens = await proven(session, async (options) => last = await exchange(options),
      (response) => oauth.processAuthorizationCodeResponse(as, client, response, expected))
    return keep(session, tokens, last)
  },
  async '/again'(url, session) { // presents a code that has been used
    return { ok: true, ...await oauth.processAuthorizationCodeResponse(as, client, await session.again()) }
  },
  async '/refresh'(url, session) {
    const { refresh_token } = session.tokens
    let last
    const tokens = await proven(session,
      async (options) => last = await oauth.refreshTokenGrantRequest(as, client, auth, refresh_token, options),
      (response) => oauth.processRefreshTokenResponse(as, client, response))
    return keep(session, tokens, last)
  },
  async '/introspect'(url, session) {
    const response = await oauth.introspectionRequest(as, client, auth, session.tokens.access_token, plain)
    const claims = await oauth.processIntrospectionResponse(as, client, response)
    return { ...told(claims), ok: claims.active }
  },
  async '/revoke'(url, session) {
    const response = await oauth.revocationRequest(as, client, auth, session.tokens.refresh_token, plain)
    await oauth.processRevocationResponse(response)
    return { ok: true }
  },
  async '/machine'() {
    const response = await oauth.clientCredentialsGrantRequest(as, client, auth, {}, plain)
    return { ok: true, token_type: (await oauth.processClientCredentialsResponse(as, client, response)).token_type }
  },
  async '/device'(url, session) {
    const response = await oauth.deviceAuthorizationRequest(as, client, auth, { scope: SCOPE }, plain)
    session.waiting = await oauth.processDeviceAuthorizationResponse(as, client, response)
    return { ok: true, ...session.waiting }
  },
  async '/device/tokens'(url, session) {
    const response = await oauth.deviceCodeGrantRequest(as, client, auth, session.waiting.device_code, plain)
    return keep(session, await oauth.processDeviceCodeResponse(as, client, response), response)
  },
  async '/logout'(url, session) {
    const { id_token } = session.tokens
    const parameters = { client_id: CLIENT_ID, id_token_hint: id_token, post_logout_redirect_uri: `${HOME}/bye` }
    return new URL(`${as.end_session_endpoint}?${new URLSearchParams(parameters)}`)
  },
  async '/jwks'() {
    return { keys: [{ ...await crypto.subtle.exportKey('jwk', publicKey), kid: 'key-1', use: 'sig', alg: 'ES256' }] }
  },
  async '/bye'() {
    return { ok: true }
  },
})
