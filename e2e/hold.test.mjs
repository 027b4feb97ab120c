// Held calls: through an outage, and through a restart.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUTH, call, pay, startHoldfast, stripeConfig, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const orders = (name, count) => Array.from({ length: count }, (_, i) => `${name}-${i}`)
const shortWait = { wait: '500ms' }

const delivered = (upstream, names) => until('all held calls are delivered', () =>
  names.every(order => upstream.of(order).length > 0), 40_000)

test('an outage: calls are held, and delivered once after it', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, stripeConfig(upstream.url, shortWait))
  assert.equal((await pay(proxy.url, 'before')).status, 200)
  await upstream.down()
  const names = orders('out', 30)
  const held = await Promise.all(names.map(order => pay(proxy.url, order)))
  for (const answer of held) {
    assert.equal(answer.status, 503, answer.text)
    assert.equal(answer.json.error.code, 'held')
    assert.equal(answer.json.effect, 'pending')
    assert.equal(answer.headers['holdfast-effect'], 'pending')
    assert.ok(Number(answer.headers['retry-after']) >= 1)
  }
  await upstream.up()
  await delivered(upstream, names)
  const collected = await Promise.all(names.map(order => until(`the answer of ${order}`,
    async () => {
      const answer = await pay(proxy.url, order)
      return answer.status === 200 && answer
    })))
  assert.deepEqual(collected.map(a => a.json.metadata.order), names)
  assert.deepEqual(collected.map(a => a.headers['holdfast-call']),
    held.map(a => a.headers['holdfast-call']), 'the same calls')
  assert.deepEqual(names.filter(order => upstream.of(order).length !== 1), [])
})

test('a client that waits through a short outage gets its answer', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  await upstream.down()
  const waiting = pay(proxy.url, 'patient')
  await until('an attempt failed', async () => {
    const other = await pay(proxy.url, 'probe', { headers: { prefer: 'respond-async' } })
    const { json } = await call(proxy.url + other.headers.location, { headers: AUTH })
    return json.attempts > 0 || json.reason === 'breaker'
  })
  await upstream.up()
  const answer = await waiting
  assert.equal(answer.status, 200, answer.text)
  assert.equal(upstream.of('patient').length, 1)
})

for (const [how, end] of [['SIGTERM', p => p.stop()], ['kill -9', p => p.kill()]]) {
  test(`held calls are delivered after a restart (${how})`, async t => {
    const upstream = await startUpstream(t)
    await upstream.down()
    const first = await startHoldfast(t, stripeConfig(upstream.url, shortWait))
    const names = orders('restart', 20)
    const held = await Promise.all(names.map(order => pay(first.url, order)))
    assert.ok(held.every(a => a.json.error?.code === 'held'), held.map(a => a.text).join('\n'))
    await end(first)
    await upstream.up()
    const second = await startHoldfast(t, stripeConfig(upstream.url, shortWait),
      { data: first.data })
    await delivered(upstream, names)
    const id = held[0].headers['holdfast-call']
    await until('its owner sees the answer', async () => (await call(
      `${second.url}/.holdfast/calls/${id}/response`, { headers: AUTH })).status === 200)
    const again = await pay(second.url, names[0])
    assert.equal(again.status, 200)
    assert.equal(again.headers['holdfast-call'], id)
    assert.equal(again.headers['idempotent-replayed'], 'true')
    assert.deepEqual(names.filter(order => upstream.of(order).length !== 1), [])
  })
}

test('held calls are delivered even if no route needs a journal any more', async t => {
  const upstream = await startUpstream(t)
  await upstream.down()
  const first = await startHoldfast(t, stripeConfig(upstream.url, shortWait))
  const held = await pay(first.url, 'route-gone')
  assert.equal(held.json.error?.code, 'held', held.text)
  await first.stop()
  await upstream.up()
  const config = stripeConfig(upstream.url)
  const plain = `  plain: { url: ${upstream.url} }\n`
    + 'routes:\n  - { path: /plain/, upstream: plain }\n'
  await startHoldfast(t, config.slice(0, config.indexOf('routes:')) + plain,
    { data: first.data })
  await delivered(upstream, ['route-gone'])
  assert.equal(upstream.of('route-gone').length, 1)
})

test('a call in doubt at a restart is sent again under its key, with its bytes', async t => {
  const upstream = await startUpstream(t, { fault: ({ seen }) =>
    (seen <= 1 ? 'hang' : undefined) })
  const first = await startHoldfast(t, stripeConfig(upstream.url, shortWait))
  const lost = pay(first.url, 'doubt').catch(() => {})
  await until('it is at the upstream', () => upstream.requests.length === 1)
  await first.kill()
  await lost
  await startHoldfast(t, stripeConfig(upstream.url, shortWait), { data: first.data })
  await until('it is sent again', () => upstream.requests.length > 1)
  const [one, two] = upstream.requests
  assert.equal(two.key, one.key)
  assert.equal(two.body, one.body)
  assert.equal(two.headers.authorization, one.headers.authorization)
  assert.equal(upstream.of('doubt').length, 1)
})
