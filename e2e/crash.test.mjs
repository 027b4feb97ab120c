// kill -9 under load, again and again, with the upstream's own ledger as the judge: what was
// acknowledged is there, and nothing is there twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join } from 'node:path'
import { AUTH, call, folder, pause, pay, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const ROUNDS = 10
const CLIENTS = 12
const ANSWERS_A_ROUND = 40

const config = (keyed, plain) => `
upstreams:
  keyed:
    url: ${keyed}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 2s }
    breaker: { open: 100ms..200ms }
  plain:
    url: ${plain}
    timeouts: { connect: 2s, head: 2s }
    breaker: { open: 100ms..200ms }
routes:
  - path: /live
    upstream: keyed
    key: { from: [ { header: Idempotency-Key } ] }
    wait: 5s
  - path: /held
    upstream: keyed
    key: { from: [ { form: "metadata[order]" } ] }
    hold: always
    retry: { held: [100ms, 200ms, 500ms, 500ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s] }
  - path: /once
    upstream: plain
    key: { from: [ { header: Idempotency-Key } ] }
`

// What a careful client does: it asks again with the same key until it knows.
async function see(order, path, proxies, seen) {
  const headers = { 'idempotency-key': order }
  for (;;) {
    const { url, over } = proxies.current
    try {
      const answer = await pay(url, order, { path, headers, within: 20_000 })
      if (answer.status < 300) return seen.acknowledged.set(order, answer)
      if (answer.json.error.code === 'outcome-unknown') return seen.unknown.add(order)
    } catch {
      await over
    }
    await pause(20)
    if (proxies.finished) return seen.gone.add(order)
  }
}

test(`kill -9 under load, ${ROUNDS} times`, { timeout: 150_000 }, async t => {
  // One request in ten loses its answer on top of the kills.
  const lossy = ({ n }) => (n % 10 === 3 ? 'reset_after' : undefined)
  const keyed = await startUpstream(t, { delay: 15, fault: lossy })
  const plain = await startUpstream(t, { delay: 15, keys: false })
  const data = join(folder(t), 'data')
  const seen = { acknowledged: new Map(), unknown: new Set(), gone: new Set() }
  const proxies = { finished: false }
  const begin = async () => {
    const process = await startHoldfast(t, config(keyed.url, plain.url), { data })
    let end
    proxies.current = { url: process.url, over: new Promise(resolve => { end = resolve }) }
    return { process, end }
  }

  let life = await begin()
  let next = 0
  const paths = ['/live', '/held', '/once']
  const client = async () => {
    while (!proxies.finished) {
      const path = paths[next % paths.length]
      await see(`${path.slice(1)}-${next++}`, path, proxies, seen)
    }
  }
  const clients = Array.from({ length: CLIENTS }, client)
  for (let round = 1; round <= ROUNDS; round++) {
    const target = seen.acknowledged.size + ANSWERS_A_ROUND
    await until(`round ${round}: answers`, () => seen.acknowledged.size >= target, 60_000)
    await life.process.kill()
    const { end } = life
    life = await begin()
    end()
  }
  await until('answers after the last kill', () =>
    seen.acknowledged.size >= ROUNDS * ANSWERS_A_ROUND + ANSWERS_A_ROUND, 60_000)
  proxies.finished = true
  await Promise.all(clients)

  const accepted = [...seen.acknowledged].filter(([, answer]) => answer.status === 202)
  assert.ok(accepted.length > ROUNDS)
  await until('every accepted call is delivered', () =>
    accepted.every(([order]) => keyed.of(order).length > 0), 60_000)
  for (const [, { headers }] of accepted) {
    await until('its owner sees the answer', async () => (await call(
      `${life.process.url}${headers.location}/response`, { headers: AUTH })).status === 200)
  }

  const effects = order => keyed.of(order).length + plain.of(order).length
  const orders = [...new Set([...keyed.effects, ...plain.effects].map(e => e.order))]
  assert.deepEqual(orders.filter(order => effects(order) > 1), [], 'doubled')
  assert.deepEqual([...seen.acknowledged.keys()].filter(order => effects(order) === 0), [], 'lost')
  // Without keys at the upstream nothing may even be sent twice: every request is an effect.
  const sent = new Map()
  for (const { order } of plain.requests) sent.set(order, (sent.get(order) ?? 0) + 1)
  assert.deepEqual([...sent].filter(([, times]) => times > 1), [], 'sent twice without proof')
  // Doubt is told only of what a kill cut, not of everything.
  assert.ok(seen.unknown.size <= ROUNDS * CLIENTS, `${seen.unknown.size} in doubt`)
  for (const order of seen.unknown) assert.match(order, /^once-/, 'keys settle every doubt')
  t.diagnostic(`${seen.acknowledged.size} acknowledged, ${seen.unknown.size} in doubt`)
})
