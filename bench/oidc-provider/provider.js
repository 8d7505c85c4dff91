// The peer: a certified provider with everything in memory. People are signed in, and have consented, as soon as they are sent
// to it with a login_hint; from then on their cookies say who they are. It does what ours does at each operation: a signed access
// token for machines, a refresh token that is replaced at every use.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const { ISSUER, PORT, SECRET, CALLBACK } = process.env

const rows = new Map()
const members = new Map() // keys of rows by grant
class Rows {
  constructor(kind) { this.kind = kind }
  key(id) { return `${this.kind} ${id}` }
  async upsert(id, payload) {
    const key = this.key(id)
    rows.set(key, payload)
    if (payload.grantId) {
      const keys = members.get(payload.grantId)
      if (keys) keys.add(key)
      else members.set(payload.grantId, new Set([key]))
    }
  }
  async find(id) { return rows.get(this.key(id)) }
  async findByUid(uid) { for (const row of rows.values()) if (row.kind === 'Session' && row.uid === uid) return row }
  async findByUserCode() {}
  async consume(id) { rows.get(this.key(id)).consumed = Math.floor(Date.now() / 1000) }
  async destroy(id) {
    const key = this.key(id)
    members.get(rows.get(key)?.grantId)?.delete(key)
    rows.delete(key)
  }
  async revokeByGrantId(grant) {
    for (const key of members.get(grant) ?? []) rows.delete(key)
    members.delete(grant)
  }
}

const jwk = (kind, options, alg) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg })
const app = (client_id, id_token_signed_response_alg) => ({
  client_id, client_secret: SECRET, redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'], id_token_signed_response_alg,
})

const provider = new Provider(ISSUER, {
  adapter: Rows,
  jwks: { keys: [jwk('ec', { namedCurve: 'P-256' }, 'ES256'), jwk('rsa', { modulusLength: 2048 }, 'RS256')] },
  clients: [
    app('es256', 'ES256'), app('rs256', 'RS256'),
    { client_id: 'machine', client_secret: SECRET, redirect_uris: [], response_types: [], grant_types: ['client_credentials'], id_token_signed_response_alg: 'ES256' },
  ],
  claims: { openid: ['sub', 'auth_time', 'amr', 'acr'], email: ['email', 'email_verified'], profile: ['name'] },
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  cookies: { keys: ['a key of the benchmark'] },
  pkce: { required: () => true },
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  findAccount: async (ctx, id) => ({
    accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: id }),
  }),
  interactions: { url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  ttl: { AccessToken: 3600, AuthorizationCode: 60, ClientCredentials: 600, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async (ctx, client, token) => token.clientId === client.clientId },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (ctx, client) => client.clientId === 'machine' ? 'urn:example:api' : undefined,
      getResourceServerInfo: async () => ({ scope: 'read', audience: 'urn:example:api', accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } } }),
    },
  },
})
provider.on('server_error', (ctx, error) => console.error(error))
provider.on('grant.error', (ctx, error) => console.error(error.message, error.error_description))

async function signIn(req, res) {
  const { params, grantId } = await provider.interactionDetails(req, res)
  let grant = grantId && await provider.Grant.find(grantId)
  if (!grant) {
    grant = new provider.Grant({ accountId: params.login_hint, clientId: params.client_id })
    grant.addOIDCScope('openid offline_access email profile')
  }
  await provider.interactionFinished(req, res, { login: { accountId: params.login_hint, amr: ['pwd', 'otp', 'mfa'] }, consent: { grantId: await grant.save() } })
}

const callback = provider.callback()
createServer((req, res) => {
  if (req.url.startsWith('/sign-in/')) {
    signIn(req, res).catch((error) => {
      console.error(error)
      res.writeHead(500).end()
    })
  } else {
    callback(req, res)
  }
}).listen(PORT, '127.0.0.1')
