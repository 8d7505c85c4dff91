// What the small relying parties share. Each is told ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE and PORT by its
// environment. A route returns the address to go to, or what is to be shown: one line of JSON.
import { createServer } from 'node:http'
import { randomUUID } from 'node:crypto'

export const { ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, PORT } = process.env
export const HOME = `http://localhost:${PORT}`

// told is what a relying party knows about a person from an ID token's claims.
export const told = (claims, more = {}) => ({ ok: true, claims, amr: claims.amr, acr: claims.acr, ...more })

// reason finds the OAuth error behind what a library has thrown.
export function reason(error) {
  for (let e = error; e; e = e.cause) if (typeof e.error === 'string') return e.error
  return error.code && error.code !== 'OAUTH_INVALID_RESPONSE' ? `${error.code}: ${error.message}` : String(error)
}

// extra returns the parameters that /login was given for the authorization request.
export const extra = (url) => Object.fromEntries(
  [...url.searchParams].filter(([name]) => ['prompt', 'max_age', 'acr_values'].includes(name)))

export function serve(rp, routes) {
  const sessions = new Map()
  createServer(async (req, res) => {
    const url = new URL(req.url, HOME)
    const id = /rp_session=([^;]+)/.exec(req.headers.cookie ?? '')?.[1] ?? randomUUID()
    if (!sessions.has(id)) sessions.set(id, {})
    res.setHeader('set-cookie', `rp_session=${id}; Path=/; HttpOnly`)
    let shown
    try {
      const route = routes[url.pathname]
      shown = route ? await route(url, sessions.get(id)) : { ok: false, error: `nothing at ${url.pathname}` }
      if (shown instanceof URL) return res.writeHead(303, { location: shown.href }).end()
    } catch (error) {
      shown = { ok: false, error: reason(error) }
    }
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ rp, ...shown }) + '\n')
  }).listen(PORT, '127.0.0.1')
}
