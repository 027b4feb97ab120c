// One key, one effect, one answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call, pay, startHoldfast, stripeConfig } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const keyed = (url, mode) => `
upstreams:
  up:
    url: ${url}
    idempotency: ${mode}
routes:
  - path: /
    upstream: up
    limits: { waiters: 128 }
    key: { from: [ { header: Idempotency-Key } ] }
`
const modes = {
  'an upstream that honours keys': '{ mode: key, header: Idempotency-Key, lifetime: 1h }',
  'an upstream that never heard of keys': '{ mode: none }',
}

for (const [name, mode] of Object.entries(modes)) {
  test(`100 concurrent duplicates of one key at ${name}`, async t => {
    const upstream = await startUpstream(t, { keys: name.includes('honours'), delay: 300 })
    const proxy = await startHoldfast(t, keyed(upstream.url, mode))
    const headers = { 'idempotency-key': 'one' }
    const answers = await Promise.all(Array.from({ length: 100 }, () =>
      pay(proxy.url, 'same', { headers })))
    assert.equal(upstream.effects.length, 1)
    assert.equal(upstream.requests.length, 1)
    assert.deepEqual([...new Set(answers.map(a => a.status))], [200])
    assert.equal(new Set(answers.map(a => a.text)).size, 1, 'one answer, byte for byte')
    assert.equal(new Set(answers.map(a => a.headers['holdfast-call'])).size, 1, 'one call')

    const replay = await pay(proxy.url, 'same', { headers })
    assert.equal(replay.text, answers[0].text)
    assert.equal(replay.headers['idempotent-replayed'], 'true')
    assert.ok(replay.headers['holdfast-replayed'])
    assert.equal(upstream.requests.length, 1)
  })
}

test('the waiters above the limit get 409, and still one effect', async t => {
  const upstream = await startUpstream(t, { delay: 500 })
  const proxy = await startHoldfast(t, keyed(upstream.url, modes['an upstream that honours keys'])
    .replace('waiters: 128', 'waiters: 8'))
  const answers = await Promise.all(Array.from({ length: 40 }, () =>
    pay(proxy.url, 'same', { headers: { 'idempotency-key': 'one' } })))
  const refused = answers.filter(a => a.status === 409)
  assert.equal(answers.filter(a => a.status === 200).length, 9)
  assert.equal(refused.length, 31)
  assert.ok(refused.every(a => a.json.error.code === 'in-progress'))
  assert.equal(upstream.effects.length, 1)
})

test('100 concurrent duplicates of one business key, each with a fresh key of its SDK', async t => {
  const upstream = await startUpstream(t, { delay: 300 })
  const proxy = await startHoldfast(t, stripeConfig(upstream.url,
    { route: 'limits: { waiters: 128 }' }))
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => pay(proxy.url, 'same',
    { headers: { 'idempotency-key': `stripe-node-retry-${i}` } })))
  assert.equal(upstream.requests.length, 1)
  assert.equal(new Set(answers.map(a => `${a.status} ${a.text}`)).size, 1)
  assert.equal(answers[0].status, 200)
})

test('a quoted key and a bare one are the same, and the first one goes upstream', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, keyed(upstream.url, modes['an upstream that honours keys']))
  const first = await pay(proxy.url, 'q', { headers: { 'idempotency-key': '"quoted"' } })
  const second = await pay(proxy.url, 'q', { headers: { 'idempotency-key': 'quoted' } })
  assert.equal(second.text, first.text)
  assert.equal(upstream.requests.length, 1)
  assert.equal(upstream.requests[0].headers['idempotency-key'], '"quoted"')
})

test('a call without a key gets one, the same in each of its attempts', async t => {
  const upstream = await startUpstream(t, { fault: ({ seen }) =>
    (seen === 1 ? 'reset_after' : undefined) })
  const proxy = await startHoldfast(t, keyed(upstream.url, modes['an upstream that honours keys']))
  const answer = await pay(proxy.url, 'made')
  assert.equal(answer.status, 200, answer.text)
  assert.equal(upstream.effects.length, 1)
  assert.equal(upstream.requests.length, 2)
  assert.ok(upstream.requests[0].key)
  assert.equal(upstream.requests[1].key, upstream.requests[0].key)
})

test('a lost answer without keys is told as it is, and not sent again', async t => {
  const upstream = await startUpstream(t, { keys: false, fault: () => 'reset_after' })
  const proxy = await startHoldfast(t, keyed(upstream.url, '{ mode: none }'))
  const answer = await pay(proxy.url, 'lost')
  assert.equal(answer.status, 502)
  assert.equal(answer.json.effect, 'unknown')
  assert.equal(answer.headers['holdfast-effect'], 'unknown')
  assert.equal(upstream.requests.length, 1)
})

test('safe methods pass as they are, key or not', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, keyed(upstream.url, modes['an upstream that honours keys']))
  for (let i = 0; i < 2; i++) {
    const answer = await call(`${proxy.url}/v1/x?y=%7e`, { headers: { 'idempotency-key': 'get' } })
    assert.equal(answer.status, 200)
  }
  assert.deepEqual(upstream.requests.map(r => `${r.method} ${r.path}`),
    ['GET /v1/x?y=%7e', 'GET /v1/x?y=%7e'])
})
