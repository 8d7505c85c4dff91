// An application of the old kind: it knows the endpoints by configuration and sends no PKCE.
import express from 'express'
import expressSession from 'express-session'
import passport from 'passport'
import Strategy from 'passport-openidconnect'
import { CLIENT_ID, CLIENT_SECRET, HOME, ISSUER, PORT, extra, reason, told } from '../rp.js'

// As somebody would copy them.
const endpoints = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json()
const strategy = ({ prompt, max_age, acr_values } = {}) => new Strategy({
  issuer: ISSUER, authorizationURL: endpoints.authorization_endpoint, tokenURL: endpoints.token_endpoint,
  userInfoURL: endpoints.userinfo_endpoint, clientID: CLIENT_ID, clientSecret: CLIENT_SECRET,
  callbackURL: `${HOME}/callback`, scope: ['profile', 'email'], skipUserProfile: false,
  prompt, maxAge: max_age, acrValues: acr_values,
}, (issuer, profile, context, idToken, done) => done(null, { context, idToken, profile }))

const app = express()
const show = (res, shown) => res.json({ rp: 'passport-openidconnect', ...shown })
app.use(expressSession({ name: 'rp_session', secret: 'a secret of the tests', resave: false, saveUninitialized: true }))
app.get('/login', (req, res, next) => passport.authenticate(strategy(extra(new URL(req.url, HOME))))(req, res, next))
app.get('/callback', passport.authenticate(strategy(), { session: false, failWithError: true }), (req, res) => {
  const { context, idToken, profile } = req.user
  const claims = JSON.parse(Buffer.from(idToken.split('.')[1], 'base64url'))
  const userinfo = { sub: profile.id, email: profile.emails[0].value }
  show(res, { ...told(claims, { userinfo }), amr: context.methods, acr: context.class })
})
app.use((error, req, res, next) => {
  show(res, { ok: false, error: typeof error.code === 'string' ? error.code : reason(error) })
})
app.listen(PORT, '127.0.0.1')
