// Orders that are paid through Holdfast. An order is written down as `pending` before anything is
// sent; what settles it is the answer, the callback, or asking again with the same key, whichever
// comes first. Nothing here counts attempts or waits between them.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'

const PAYMENTS = process.env.PAYMENTS ?? 'http://127.0.0.1:8080'  // Holdfast
const API_KEY = process.env.API_KEY ?? 'sk_test'
const SECRETS = (process.env.HOOK_SECRET ?? '').split(' ').filter(Boolean)  // two during a change
const TOLERANCE_S = 300
const BODY_MAX = 64 * 1024

const db = new DatabaseSync(process.env.ORDERS_DB ?? 'orders.db')
db.exec(`CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, amount INTEGER NOT NULL, state TEXT NOT NULL)`)
const insert = db.prepare(
  `INSERT INTO orders VALUES (?, ?, 'pending') ON CONFLICT (id) DO NOTHING`)
const find = db.prepare('SELECT * FROM orders WHERE id = ?')
const pending = db.prepare(`SELECT * FROM orders WHERE state = 'pending'`)
// A settled order stays as it is: news may come twice and late. A person settles `unknown`.
const settle = db.prepare(
  `UPDATE orders SET state = ? WHERE id = ? AND state IN ('pending', 'unknown')`)

const stateOfAnswer = status => (status < 300 ? 'paid' : 'declined')

// What an answer to the payment says of the order.
function judge(status, effect, problem) {
  if (status === 202 || effect === 'pending') return 'pending'
  if (effect === null) return stateOfAnswer(status)  // the provider's own answer
  if (problem.safe_to_retry) return 'pending'
  if (effect === 'none') return 'failed'
  if (effect === 'applied' && problem.upstream_status) return stateOfAnswer(problem.upstream_status)
  return 'unknown'
}

// The same request with the same key each time: it can be asked again whatever happened.
async function pay(order) {
  let state = 'pending'
  try {
    const answer = await fetch(`${PAYMENTS}/v1/payments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': order.id,
        authorization: `Bearer ${API_KEY}` },
      body: JSON.stringify({ order: order.id, amount: order.amount }),
    })
    const text = await answer.text()
    const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json')
    state = judge(answer.status, answer.headers.get('holdfast-effect'),
      isProblem ? JSON.parse(text) : {})
  } catch {
    // No answer at all: the next look tells.
  }
  if (state !== 'pending') settle.run(state, order.id)
}

// Standard Webhooks: one of the signatures was made with one of our secrets, not long ago.
function isSigned(headers, body) {
  const id = headers['webhook-id']
  const timestamp = headers['webhook-timestamp']
  const apart = Math.abs(Date.now() / 1000 - Number(timestamp))
  if (!id || !(apart <= TOLERANCE_S)) return false
  const given = (headers['webhook-signature'] ?? '').split(' ').map(text => Buffer.from(text))
  return SECRETS.some(secret => {
    const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret
    const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body)
    const wanted = Buffer.from(`v1,${mac.digest('base64')}`)
    return given.some(one => one.length === wanted.length && timingSafeEqual(one, wanted))
  })
}

function takeNews({ type, data }) {
  const states = { 'call.answered': () => stateOfAnswer(data.answer?.status ?? 200),
    'call.dead': () => 'failed', 'call.cancelled': () => 'failed', 'call.unknown': () => 'unknown' }
  if (states[type] && data.key) settle.run(states[type](), data.key)
}

async function read(request) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > BODY_MAX) throw new Error('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function answer(request, body) {
  const { method, url } = request
  if (method === 'POST' && url === '/orders') {
    const { id, amount } = JSON.parse(body)
    insert.run(id, amount)
    const order = find.get(id)
    if (order.state === 'pending') await pay(order)
    return [200, find.get(id)]
  }
  if (method === 'GET' && url.startsWith('/orders/')) {
    const order = find.get(decodeURIComponent(url.slice('/orders/'.length)))
    return order ? [200, order] : [404, {}]
  }
  if (method === 'POST' && url === '/hooks/holdfast') {
    if (!isSigned(request.headers, body)) return [401, {}]
    takeNews(JSON.parse(body))
    return [200, {}]
  }
  // For a timer: what has been pending for long is asked for again.
  if (method === 'POST' && url === '/sweep') {
    for (const order of pending.all()) await pay(order)
    return [200, { pending: pending.all().length }]
  }
  return [404, {}]
}

const server = createServer(async (request, response) => {
  let [status, value] = [400, {}]
  try {
    [status, value] = await answer(request, await read(request))
  } catch (error) {
    console.error(error.message)
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
})
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`orders on http://127.0.0.1:${server.address().port}`)
})
process.on('SIGTERM', () => process.exit(0))
