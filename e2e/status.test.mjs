// What the owner of a call sees and may do: status, answer, cancel; and agreed 202s.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { AUTH, call, pay, postJson, startHoldfast, startSandbox, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const curl = async (...args) => {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-i', '--max-time', '30', ...args])
  const [head, ...body] = stdout.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, text: body.join('\r\n\r\n') }
}
const fieldOf = (head, name) =>
  head.match(new RegExp(`^${name}: (.*)$`, 'im'))?.[1].trim()

const config = url => `
upstreams:
  orders:
    url: ${url}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    account: main
    breaker: { open: 200ms..500ms }
routes:
  - path: /orders
    upstream: orders
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    wait: 1s
    retry: { held: [200ms, 200ms, 500ms, 500ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 1s] }
`

async function asked(proxy, location, state) {
  return until(`state ${state}`, async () => {
    const { json } = await call(proxy.url + location, { headers: AUTH })
    return json.state === state && json
  })
}

test('curl: an agreed 202, its status and its answer', async t => {
  const sandbox = await startSandbox(t, ['--keys', 'all'])
  const proxy = await startHoldfast(t, config(sandbox.url))
  const accepted = await curl(`${proxy.url}/orders`, '-H', 'Prefer: respond-async',
    '-H', `Authorization: ${AUTH.authorization}`, '-H', 'Idempotency-Key: order-7', '-d', 'order=7')
  assert.equal(accepted.status, 202, accepted.head)
  assert.equal(fieldOf(accepted.head, 'Preference-Applied'), 'respond-async')
  const location = fieldOf(accepted.head, 'Location')
  const { call: id, state } = JSON.parse(accepted.text)
  assert.equal(location, `/.holdfast/calls/${id}`)
  assert.match(id, /^[0-9a-hjkmnp-tv-z]{36}$/)
  assert.match(state, /^(waiting|sending|answered)$/)

  const status = await asked(proxy, location, 'answered')
  assert.equal(status.call, id)
  assert.equal(status.effect, 'applied')
  assert.equal(status.attempts, 1)
  assert.match(status.created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  const response = await call(`${proxy.url}${location}/response`, { headers: AUTH })
  assert.equal(response.status, 200)
  assert.equal(response.json.ok, true)
  assert.equal(response.headers['idempotent-replayed'], 'true')
  assert.equal((await sandbox.ask('/_ledger?order=7')).effects.length, 1)
})

test('a stranger sees no call', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream.url))
  const { headers } = await pay(proxy.url, 'mine',
    { path: '/orders', headers: { 'idempotency-key': 'mine' } })
  const path = `${proxy.url}/.holdfast/calls/${headers['holdfast-call']}`
  for (const [method, at] of [['GET', ''], ['GET', '/response'], ['DELETE', '']]) {
    const answer = await call(path + at, { method, headers: { authorization: 'Bearer other' } })
    assert.equal(answer.status, 404)
    assert.equal(answer.json.error.code, 'no-such-call')
  }
  assert.equal((await call(path, { headers: AUTH })).status, 200)
})

test('a held call that was never sent can be cancelled, once and for all', async t => {
  const upstream = await startUpstream(t)
  await upstream.down()
  const proxy = await startHoldfast(t, config(upstream.url))
  const headers = { 'idempotency-key': 'cancel-me' }
  const held = await pay(proxy.url, 'c', { path: '/orders', headers })
  assert.equal(held.status, 503)
  assert.equal(held.json.error.code, 'held')
  assert.equal(held.json.effect, 'pending')
  assert.match(held.headers['retry-after'], /^\d+$/)
  const path = `${proxy.url}/.holdfast/calls/${held.headers['holdfast-call']}`

  const waiting = await call(`${path}/response`, { headers: AUTH })
  assert.equal(waiting.status, 202)
  const cancelled = await until('it is cancelled', async () => {
    const answer = await call(path, { method: 'DELETE', headers: AUTH })
    return answer.status !== 202 && answer
  })
  assert.equal(cancelled.status, 200, cancelled.text)
  assert.equal(cancelled.json.state, 'cancelled')
  assert.equal(cancelled.json.effect, 'none')
  const again = await call(path, { method: 'DELETE', headers: AUTH })
  assert.equal(again.status, 409)
  assert.equal(again.json.error.code, 'already-ended')
  const repeated = await pay(proxy.url, 'c', { path: '/orders', headers })
  assert.equal(repeated.status, 409)
  assert.equal(repeated.json.error.code, 'cancelled')
  await upstream.up()
  await pay(proxy.url, 'd', { path: '/orders', headers: { 'idempotency-key': 'another' } })
  assert.deepEqual(upstream.requests.map(r => r.order), ['d'])
})

test('cancelling a call in doubt says so: 409, and state unknown', async t => {
  const upstream = await startUpstream(t, { fault: () => 'reset_after' })
  const proxy = await startHoldfast(t, config(upstream.url))
  const held = await pay(proxy.url, 'doubt',
    { path: '/orders', headers: { 'idempotency-key': 'doubt' } })
  assert.equal(held.json.error.code, 'held', held.text)
  const path = `/.holdfast/calls/${held.headers['holdfast-call']}`
  const answer = await until('no attempt is under way', async () => {
    const deleted = await call(proxy.url + path, { method: 'DELETE', headers: AUTH })
    return deleted.status !== 202 && deleted
  })
  assert.equal(answer.status, 409, answer.text)
  const status = await asked(proxy, path, 'unknown')
  assert.equal(status.effect, 'unknown')
  const repeated = await pay(proxy.url, 'doubt',
    { path: '/orders', headers: { 'idempotency-key': 'doubt' } })
  assert.equal(repeated.json.error.code, 'outcome-unknown')
})

test('Prefer: wait=N is capped by the route, and said', async t => {
  const upstream = await startUpstream(t, { delay: 200 })
  const proxy = await startHoldfast(t, config(upstream.url))
  const answer = await postJson(`${proxy.url}/orders`, { order: 'w' },
    { 'idempotency-key': 'w', prefer: 'wait=60' })
  assert.equal(answer.status, 200, answer.text)
  assert.match(answer.headers['preference-applied'] ?? '', /^wait(=\d+)?$/)
})
