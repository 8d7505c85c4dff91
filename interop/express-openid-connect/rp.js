import express from 'express'
import expressSession from 'express-session'
import openid from 'express-openid-connect'
import { CLIENT_ID, CLIENT_SECRET, HOME, ISSUER, PORT, SCOPE, extra, reason, told } from '../rp.js'

const app = express()
const show = (res, shown) => res.json({ rp: 'express-openid-connect', ...shown })
app.use(openid.auth({
  issuerBaseURL: ISSUER, baseURL: HOME, clientID: CLIENT_ID, clientSecret: CLIENT_SECRET,
  secret: 'a secret of the tests, long enough', authRequired: false, idpLogout: true, httpTimeout: 30000,
  authorizationParams: { response_type: 'code', scope: SCOPE },
  backchannelLogout: { store: new expressSession.MemoryStore() },
  routes: { login: false, postLogoutRedirect: '/bye' },
}))
app.get('/login', (req, res) => {
  const authorizationParams = extra(new URL(req.url, HOME))
  if (authorizationParams.max_age) authorizationParams.max_age = Number(authorizationParams.max_age)
  res.oidc.login({ returnTo: '/me', authorizationParams })
})
app.get('/me', async (req, res) => {
  if (!req.oidc.isAuthenticated()) return show(res, { ok: false, error: 'signed out' })
  show(res, told(req.oidc.idTokenClaims, { userinfo: await req.oidc.fetchUserInfo() }))
})
app.get('/refresh', async (req, res) => {
  await req.oidc.accessToken.refresh()
  show(res, told(req.oidc.idTokenClaims, { userinfo: await req.oidc.fetchUserInfo() }))
})
app.get('/bye', (req, res) => show(res, { ok: true }))
app.use((error, req, res, next) => show(res, { ok: false, error: reason(error) }))
app.listen(PORT, '127.0.0.1')
