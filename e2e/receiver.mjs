// A receiver of callbacks on Node's own http. It checks signatures as the Standard Webhooks
// specification tells receivers to, with no line of Holdfast's.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { atEnd } from './rig.mjs'

export function keyOf(secret) {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
}

export const macOf = (secret, text) =>
  createHmac('sha256', keyOf(secret)).update(text).digest('base64')

// True if one of the signatures was made with the secret.
export function signed(request, secret) {
  const { id, timestamp, signature, body } = request
  const wanted = Buffer.from(`v1,${macOf(secret, `${id}.${timestamp}.${body}`)}`)
  return signature.split(' ').some(one => {
    const got = Buffer.from(one)
    return got.length === wanted.length && timingSafeEqual(got, wanted)
  })
}

// options: answer(request) => status or { status, fields }; port to come back on.
export async function startReceiver(t, options = {}) {
  const self = { requests: [], connections: 0, answer: options.answer ?? (() => 204) }
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const seen = {
      path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString(),
      id: request.headers['webhook-id'], timestamp: request.headers['webhook-timestamp'],
      signature: request.headers['webhook-signature'] ?? '',
    }
    seen.event = JSON.parse(seen.body)
    self.requests.push(seen)
    const how = self.answer(seen, self.requests.length)
    if (how === 'hang') return
    response.writeHead(how.status ?? how, how.fields ?? {}).end()
  })
  server.on('connection', () => { self.connections++ })
  await new Promise(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  self.port = server.address().port
  self.url = `http://127.0.0.1:${self.port}`
  self.down = () => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  })
  atEnd(t, () => (server.listening ? self.down() : undefined))
  return self
}
