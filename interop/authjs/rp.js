import { Auth } from '@auth/core'
import { ExpressAuth, getSession } from '@auth/express'
import express from 'express'
import { CLIENT_ID, CLIENT_SECRET, HOME, ISSUER, PORT, SCOPE, extra, reason, told } from '../rp.js'

let failure // what the provider said; the page of an error is told no more than a kind
const config = {
  basePath: '/auth', secret: 'a secret of the tests, long enough', trustHost: true,
  providers: [{
    id: 'idp', name: 'idp', type: 'oidc', issuer: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET,
    authorization: { params: { scope: SCOPE } }, checks: ['pkce', 'state', 'nonce'],
  }],
  pages: { signIn: '/failed', error: '/failed' },
  logger: {
    error(error) { failure ??= reason(error) },
    warn() {},
    debug(kind, more) { failure = more?.error ?? failure },
  },
  callbacks: {
    jwt: ({ token, profile }) => (profile ? { ...token, claims: profile } : token),
    session: ({ session, token }) => ({ ...session, claims: token.claims }),
  },
}

const app = express()
const show = (res, shown) => res.json({ rp: 'authjs', ...shown })
app.get('/login', async (req, res) => {
  const answer = await Auth(new Request(`${HOME}/auth/csrf`), config)
  const { csrfToken } = await answer.json()
  const query = new URLSearchParams(extra(new URL(req.url, HOME)))
  res.setHeader('set-cookie', answer.headers.getSetCookie()).type('html').send(`
    <form method="post" action="/auth/signin/idp?${query}">
    <input type="hidden" name="csrfToken" value="${csrfToken}">
    <input type="hidden" name="callbackUrl" value="${HOME}/me">
    <button id="rp-sign-in">Sign in</button></form>`)
})
app.use('/auth', ExpressAuth(config))
app.get('/me', async (req, res) => {
  const session = await getSession(req, config)
  show(res, session ? told(session.claims) : { ok: false, error: 'signed out' })
})
app.get('/failed', (req, res) => {
  show(res, { ok: false, error: failure })
  failure = undefined
})
app.listen(PORT, '127.0.0.1')
