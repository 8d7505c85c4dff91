// The known-good provider: what a relying party does here is right, so that a difference points at ours. Its pages
// have the fields and buttons of ours. POST /test/KIND sets the scene.
import { createServer } from 'node:http'
import { json, text } from 'node:stream/consumers'
import Provider, { errors, interactionPolicy } from 'oidc-provider'

const { ISSUER, PORT } = process.env
const people = new Map()
const rows = new Map() // everything that is kept, by kind and id

class Rows {
  constructor(kind) { this.kind = kind }
  async upsert(id, payload) { rows.set(`${this.kind} ${id}`, payload) }
  async find(id) { return rows.get(`${this.kind} ${id}`) }
  async findByUid(uid) { return this.first((row) => row.uid === uid) }
  async findByUserCode(code) { return this.first((row) => row.userCode === code) }
  async consume(id) { rows.get(`${this.kind} ${id}`).consumed = Math.floor(Date.now() / 1000) }
  async destroy(id) { rows.delete(`${this.kind} ${id}`) }
  async revokeByGrantId(grant) { for (const [key, row] of rows) if (row.grantId === grant) rows.delete(key) }
  first(right) { return [...rows].find(([key, row]) => key.startsWith(`${this.kind} `) && right(row))?.[1] }
}

// pressed puts a button into one of the provider's forms.
const pressed = (form, button) => form.replace('</form>', `${button}</form>`)

const policy = interactionPolicy.base()
policy.remove('consent')
const { Check } = interactionPolicy
policy.get('login').checks.add(new Check('step_up', 'a second factor is asked for', ({ oidc }) => (
  oidc.params.acr_values === 'aal2' && oidc.session.acr !== 'aal2')))

const provider = new Provider(ISSUER, {
  adapter: Rows,
  claims: { openid: ['sub', 'acr', 'amr', 'auth_time', 'sid'], email: ['email'], profile: ['name'] },
  acrValues: ['aal1', 'aal2'],
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
  clientBasedCORS: () => true,
  cookies: { keys: ['a key of the tests'] },
  conformIdTokenClaims: false,
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // to this machine, too
  pkce: { required: (ctx, client) => client.clientAuthMethod === 'none' },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  findAccount(ctx, id) {
    const person = people.get(id)
    if (person === undefined || person.disabled) return undefined
    return { accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, name: id }) }
  },
  async loadExistingGrant(ctx) {
    const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
    grant.addOIDCScope('openid offline_access email profile')
    await grant.save()
    return grant
  },
  interactions: { policy, url: (ctx, interaction) => `/login/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true, initialAccessToken: process.env.REGISTRATION_TOKEN },
    introspection: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
    revocation: { enabled: true },
    backchannelLogout: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource(ctx, form) { ctx.body = pressed(form, '<button id="device-submit">Go</button>') },
      userCodeConfirmSource(ctx, form) { ctx.body = pressed(form, '<button id="consent-allow">Yes</button>') },
      successSource(ctx) { ctx.body = '<p role="status">Done.</p>' },
    },
    rpInitiatedLogout: {
      logoutSource(ctx, form) {
        ctx.body = pressed(form, '<button id="logout-confirm" name="logout" value="yes">Yes</button>')
      },
      postLogoutSuccessSource(ctx) { ctx.body = '<p role="status">You are signed out.</p>' },
    },
  },
})
provider.on('server_error', (ctx, error) => console.error(error))
provider.on('backchannel.error', (ctx, error) => console.error(error))

const scenes = {
  client: async (metadata) => rows.set(`Client ${metadata.client_id}`, metadata),
  person: async ({ name }) => people.set(name, {}),
  enrol: async ({ name, code }) => { people.get(name).code = code },
  disable: async ({ name }) => {
    people.get(name).disabled = true
    for (const [key, row] of rows) if (row.kind === 'Session' && row.accountId === name) rows.delete(key)
  },
  age: async ({ name, seconds }) => {
    for (const row of rows.values()) if (row.kind === 'Session' && row.accountId === name) row.loginTs -= seconds
  },
}

const page = (res, alert, fields) => res.setHeader('content-type', 'text/html').end(
  `<title>Sign in</title>${alert ? '<p role="alert">No.</p>' : ''}<form method="post">${fields}</form>`)
const passwordPage = (res, alert) => page(res, alert, `<input id="username" name="username">
  <input id="password" name="password" type="password"><button id="login-submit">Go</button>`)
const codePage = (res, alert, name) => page(res, alert,
  `<input type="hidden" name="person" value="${name}"><input id="code" name="code"><button id="mfa-submit">Go</button>`)

// signIn is the form of a sign-in: the password, then the code of somebody who has one.
async function signIn(req, res) {
  if (req.method !== 'POST') {
    const { prompt, session } = await provider.interactionDetails(req, res)
    return prompt.reasons.join() === 'step_up' ? codePage(res, false, session.accountId) : passwordPage(res, false)
  }
  const form = new URLSearchParams(await text(req))
  const name = form.get('username') ?? form.get('person')
  const person = people.get(name)
  const wrong = form.has('username') && form.get('password') !== process.env.PASSWORD
  if (person === undefined || person.disabled || wrong) return passwordPage(res, true)
  if (person.code && !form.has('code')) return codePage(res, false, name)
  if (person.code && form.get('code') !== person.code) return codePage(res, true, name)
  const [amr, acr] = person.code ? [['pwd', 'otp', 'mfa'], 'aal2'] : [['pwd'], 'aal1']
  await provider.interactionFinished(req, res, { login: { accountId: name, amr, acr } })
}

const callback = provider.callback()
createServer(async (req, res) => {
  try {
    if (req.url.startsWith('/test/')) {
      await scenes[req.url.slice('/test/'.length)](await json(req))
      res.end()
    } else if (req.url.startsWith('/login/')) {
      await signIn(req, res)
    } else {
      callback(req, res)
    }
  } catch (error) {
    console.error(error)
    res.writeHead(error instanceof errors.SessionNotFound ? 400 : 500).end(String(error))
  }
}).listen(PORT, '127.0.0.1')
