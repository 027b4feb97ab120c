// Canaries in bodies, keys and credentials: none is found in clear in a file of the journal, in the
// log or in the metrics, whatever became of the call.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { call, folder, logOf, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const CANARIES = {
  body: 'canary-body-5f1d', key: 'canary-key-81c2', token: 'canary-token-e09a',
  basic: 'canary-basic-77b3', query: 'canary-query-2a4e', answer: 'canary-answer-c5d0',
  injected: 'canary-injected-93f7', order: 'canary-order-6e6e', header: 'canary-header-ab12',
}

const config = (url, gone, secret) => `
upstreams:
  keyed:
    url: ${url}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    timeouts: { head: 1s }
  injected:
    url: ${url}
    idempotency: { mode: none }
    inject: { X-Api-Key: "\${file:${secret}}" }
    timeouts: { head: 1s }
  gone:
    url: ${gone}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
routes:
  - { path: /keyed, upstream: keyed, wait: 2s, key: { from: [ { header: Idempotency-Key } ] } }
  - path: /business
    upstream: keyed
    hold: on_failure
    wait: 1s
    key: { from: [ { body: /order } ] }
  - path: /injected
    upstream: injected
    wait: 2s
    key: { from: [ { header: Idempotency-Key } ] }
  - { path: /gone, upstream: gone, hold: on_failure, wait: 200ms,
      key: { stable: true, from: [ { header: Idempotency-Key } ] } }
`

function files(path) {
  return readdirSync(path, { recursive: true }).map(name => join(path, name))
    .filter(name => statSync(name).isFile())
}

test('no canary is found in clear', async t => {
  const fates = { '/keyed/reset': 'reset_after', '/keyed/500': { status: 500 },
    '/injected/reset': 'reset_after', '/keyed/cut': 'cut' }
  const upstream = await startUpstream(t, {
    fault: ({ path, seen }) => (seen === 1 ? fates[path.split('?')[0]] : undefined),
    answer: () => ({ ok: true, secret: CANARIES.answer }),
  })
  const closed = await startUpstream(t)
  await closed.down()
  const secret = join(folder(t), 'secret')
  writeFileSync(secret, CANARIES.injected)
  const proxy = await startHoldfast(t, config(upstream.url, closed.url, secret), { health: true })

  const credentials = [`Bearer ${CANARIES.token}`,
    `Basic ${Buffer.from(`user:${CANARIES.basic}`).toString('base64')}`]
  const paths = ['/keyed/ok', '/keyed/reset', '/keyed/500', '/keyed/cut', '/business/ok',
    '/injected/ok', '/injected/reset', '/gone/held', '/nowhere']
  const statuses = new Set()
  for (const [n, authorization] of credentials.entries()) {
    for (const path of paths) {
      const answer = await call(`${proxy.url}${path}?q=${CANARIES.query}`, {
        method: 'POST',
        body: JSON.stringify({ order: `${CANARIES.order}${path}${n}`, card: CANARIES.body }),
        headers: { authorization, 'content-type': 'application/json',
          'idempotency-key': `${CANARIES.key}${path}${n}`, 'x-note': CANARIES.header },
      })
      statuses.add(answer.status)
      const own = answer.headers['content-type'] === 'application/problem+json'
      for (const [what, canary] of Object.entries(CANARIES)) {
        assert.ok(!own || !answer.text.includes(canary), `an error repeats the ${what}`)
      }
    }
  }
  assert.ok(statuses.has(200) && statuses.has(502) && statuses.has(503), `${[...statuses]}`)
  assert.ok(upstream.requests.some(r => r.headers['x-api-key'] === CANARIES.injected))
  assert.ok(upstream.requests.some(r => r.body.includes(CANARIES.body)), 'they did travel')

  const metrics = (await call(`${proxy.health}/metrics`)).text
  await until('it ends', async () => (await proxy.stop()).code !== undefined)
  const found = []
  const look = (where, bytes) => {
    const forms = value => [value, Buffer.from(value).toString('base64').slice(0, -4),
      Buffer.from(value).toString('hex')]
    for (const [what, canary] of Object.entries(CANARIES)) {
      for (const form of forms(canary)) if (bytes.includes(form)) found.push(`${what} in ${where}`)
    }
  }
  look('the log', logOf(proxy))
  look('the metrics', metrics)
  const journal = files(proxy.data)
  assert.ok(journal.length > 3, `only ${journal}`)
  for (const file of journal) look(file, readFileSync(file))
  for (const file of journal) look('a file name', file)
  assert.deepEqual(found, [])
  assert.match(metrics, /^holdfast_/m)
})

test('the journal, its keys and tokens are for their owner alone', async t => {
  const upstream = await startUpstream(t)
  const closed = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream.url, closed.url, '/dev/null'),
    { admin: true })
  assert.equal(statSync(proxy.data).mode & 0o077, 0)
  for (const name of ['seal.key', 'admin.token']) {
    assert.equal(statSync(join(proxy.data, name)).mode & 0o777, 0o600, name)
  }
})
