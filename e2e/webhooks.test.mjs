// Routes that take providers' webhooks: what is signed passes, is kept while the application is
// away, and is handled once however often it is delivered.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { call, folder, logOf, pay, startHoldfast, until } from './rig.mjs'
import { macOf } from './receiver.mjs'
import { Stripe } from './sdks.mjs'
import { startUpstream } from './upstream.mjs'

const STRIPE = 'whsec_stripe_canary_1'
const STANDARD = 'whsec_c3RhbmRhcmQtY2FuYXJ5LTI='
const PLAIN = 'plain-canary-3'

// The application takes each event once: it knows them by the key that Holdfast sends with each.
const config = (app, secrets) => `
upstreams:
  app:
    url: ${app}
    idempotency: { mode: key, lifetime: 1d }
    credentials: stored
    account: main
    breaker: { open: 100ms..200ms }
routes:
  - path: /hooks/stripe
    upstream: app
    hold: always
    webhook: { scheme: stripe, secrets: [ "\${file:${secrets}/stripe}" ] }
    retry: { held: [200ms, 300ms, 500ms, 1s, 1s, 1s, 1s] }
  - path: /hooks/standard
    upstream: app
    hold: always
    webhook: { scheme: standard,
               secrets: [ "\${env:GONE}", "\${file:${secrets}/standard}" ] }
    retry: { held: [200ms, 300ms, 500ms, 1s, 1s, 1s, 1s] }
  - path: /hooks/hub
    upstream: app
    hold: always
    key: { required: true, from: [ { header: X-Delivery } ] }
    webhook: { scheme: hmac, secrets: [ "\${file:${secrets}/plain}" ], header: X-Signature-256,
               prefix: "sha256=" }
    retry: { held: [200ms, 300ms, 500ms, 1s, 1s, 1s, 1s] }
`

function secretFiles(t) {
  const at = folder(t)
  writeFileSync(join(at, 'stripe'), STRIPE)
  writeFileSync(join(at, 'standard'), STANDARD)
  writeFileSync(join(at, 'plain'), PLAIN)
  return at
}

const post = (url, body, headers) =>
  call(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })

const stripeEvent = (id, more = {}) => JSON.stringify({ id, object: 'event', order: id,
  type: 'payment_intent.succeeded', pending_webhooks: 1, data: { object: { amount: 500 } },
  ...more })
const stripe = (proxy, payload, { secret = STRIPE, timestamp } = {}) =>
  post(`${proxy.url}/hooks/stripe`, payload, {
    'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
  })

const seconds = () => Math.floor(Date.now() / 1000)
const standard = (proxy, id, body, { secret = STANDARD, at = seconds() } = {}) =>
  post(`${proxy.url}/hooks/standard`, body, {
    'webhook-id': id, 'webhook-timestamp': `${at}`,
    'webhook-signature': `v1a,none v1,${macOf(secret, `${id}.${at}.${body}`)}`,
  })

const hub = (proxy, id, body, secret = PLAIN) => post(`${proxy.url}/hooks/hub`, body, {
  'x-delivery': id,
  'x-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
})

test('a deploy loses no event, and what comes again is handled once', async t => {
  const app = await startUpstream(t)
  const proxy = await startHoldfast(t, config(app.url, secretFiles(t)))
  assert.equal((await stripe(proxy, stripeEvent('evt_before'))).status, 202)
  await until('it is handled', () => app.of('evt_before').length === 1)
  await app.down()
  const names = Array.from({ length: 20 }, (_, i) => `evt_${i}`)
  const first = await Promise.all(names.map(id => stripe(proxy, stripeEvent(id))))
  assert.deepEqual([...new Set(first.map(a => a.status))], [202], first[0].text)
  const other = await standard(proxy, 'msg_1', '{"order":"msg_1"}')
  assert.equal(other.status, 202, other.text)
  assert.equal((await hub(proxy, 'd-1', '{"order":"d-1"}')).status, 202)
  // The provider delivers again, with another count of endpoints to go, and is not made to wait.
  const began = performance.now()
  const again = await Promise.all(names.map(id =>
    stripe(proxy, stripeEvent(id, { pending_webhooks: 2 }))))
  assert.deepEqual(again.map(a => a.headers['holdfast-call'] ?? a.json.call),
    first.map(a => a.headers['holdfast-call'] ?? a.json.call), 'the same calls')
  assert.ok(performance.now() - began < 5000)
  await app.up()
  await until('every event is handled', () =>
    [...names, 'msg_1', 'd-1'].every(id => app.of(id).length > 0), 40_000)
  const late = await stripe(proxy, stripeEvent(names[0]))
  assert.equal(late.status, 200, late.text)
  assert.equal(late.headers['idempotent-replayed'], 'true')
  assert.equal((await standard(proxy, 'msg_1', '{"order":"msg_1"}')).status, 200)
  assert.deepEqual([...names, 'msg_1', 'd-1'].filter(id => app.of(id).length !== 1), [])
  assert.equal(app.requests.find(r => r.order === 'evt_0').body, stripeEvent('evt_0'))
  for (const secret of [STRIPE, STANDARD, PLAIN]) assert.ok(!logOf(proxy).includes(secret))
})

test('events are kept through kill -9', async t => {
  const app = await startUpstream(t)
  await app.down()
  const text = config(app.url, secretFiles(t))
  const first = await startHoldfast(t, text)
  const names = Array.from({ length: 10 }, (_, i) => `evt_k${i}`)
  const taken = await Promise.all(names.map(id => stripe(first, stripeEvent(id))))
  assert.ok(taken.every(a => a.status === 202))
  await first.kill()
  await app.up()
  await startHoldfast(t, text, { data: first.data })
  await until('every event is handled', () => names.every(id => app.of(id).length === 1), 40_000)
})

test('what is not signed well goes nowhere, and is not told why', async t => {
  const app = await startUpstream(t)
  const proxy = await startHoldfast(t, config(app.url, secretFiles(t)))
  const event = stripeEvent('evt_x')
  const refused = [
    await stripe(proxy, event, { secret: 'whsec_other' }),
    await stripe(proxy, event, { timestamp: seconds() - 400 }),
    await stripe(proxy, event, { timestamp: seconds() + 400 }),
    await post(`${proxy.url}/hooks/stripe`, `${event} `, {
      'stripe-signature':
        Stripe.webhooks.generateTestHeaderString({ payload: event, secret: STRIPE }),
    }),
    await standard(proxy, 'msg_x', '{}', { secret: 'whsec_b3RoZXI=' }),
    await standard(proxy, 'msg_x', '{}', { at: seconds() - 301 }),
    await hub(proxy, 'd-x', '{}', 'other'),
  ]
  for (const answer of refused) {
    assert.equal(answer.status, 401, answer.text)
    assert.equal(answer.json.error.code, 'signature-refused')
    assert.equal(answer.headers['holdfast-effect'], 'none')
  }
  assert.equal(new Set(refused.map(a => a.text)).size, 1, 'all are told the same')
  for (const headers of [{}, { 'stripe-signature': 'nonsense' },
    { 'stripe-signature': `t=${seconds()}` }]) {
    assert.equal((await post(`${proxy.url}/hooks/stripe`, event, headers)).status, 400)
  }
  const get = await call(`${proxy.url}/hooks/stripe`)
  assert.equal(get.status, 400)
  assert.equal(app.requests.length, 0)
  await until('it is in the log, once for each route', () =>
    logOf(proxy).match(/webhook_refused/g)?.length === 3)
})

test('a secret may be changed while it runs; without one the provider comes again', async t => {
  const app = await startUpstream(t)
  const secrets = secretFiles(t)
  const proxy = await startHoldfast(t, config(app.url, secrets))
  await until('what is missing is told at the start', () => logOf(proxy).includes(
    'route /hooks/standard: webhook.secrets[0]: secret ${env:GONE}: not set'))
  writeFileSync(join(secrets, 'stripe'), 'whsec_the_next_one')
  assert.equal((await stripe(proxy, stripeEvent('evt_1'))).status, 401)
  const next = await stripe(proxy, stripeEvent('evt_1'), { secret: 'whsec_the_next_one' })
  assert.equal(next.status, 202, next.text)
  writeFileSync(join(secrets, 'stripe'), '')
  const none = await stripe(proxy, stripeEvent('evt_2'), { secret: '' })
  assert.equal(none.status, 503, none.text)
  await until('it is in the log', () => logOf(proxy).includes('webhook_secret'))
  assert.equal((await pay(proxy.url, 'x', { path: '/elsewhere' })).status, 404)
})
