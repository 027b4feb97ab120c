// Whatever refuses a request says which rule it was, what was measured and the threshold: in the
// answer, in the log and in the metrics, and it is the same three times.
import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { atEnd, call, freePort, logOf, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const get = (proxy, path) => call(proxy.url + path)

const escaped = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

async function told(proxy, answer, { rule, code, upstream = '' }) {
  assert.equal(answer.json.error.code, code, answer.text)
  const { measured, threshold, unit, ...rest } = answer.json.limit
  assert.deepEqual(rest, { rule })
  const by = `{rule="${rule}",code="${code}",upstream="${upstream}",unit="${unit}"}`
  const { text } = await call(`${proxy.health}/metrics`)
  for (const [family, value] of [['refusals_total', '[1-9][0-9]*'],
    ['refusal_measured', `${measured}`], ['refusal_threshold', `${threshold}`]]) {
    assert.match(text, new RegExp(`^holdfast_${family}${escaped(by)} ${value}$`, 'm'))
  }
  return { measured, threshold, unit }
}

const inLog = (proxy, { rule }, { measured, threshold, unit }) => until(`${rule} in the log`, () =>
  logOf(proxy).includes(`${rule}, ${measured} ${unit}, threshold ${threshold}`))

test('limits of an upstream', async t => {
  const upstream = await startUpstream(t, {
    fault: ({ path }) => path === '/paused'
      ? { status: 429, fields: { 'retry-after': '60' } } : path === '/full' ? 'hang' : undefined,
  })
  const nobody = await freePort()
  const proxy = await startHoldfast(t, `
upstreams:
  down: { url: "http://127.0.0.1:${nobody}", breaker: { consecutive: 2, open: 60s..90s } }
  paced: { url: "${upstream.url}", rate: 1/h }
  paused: { url: "${upstream.url}" }
  full: { url: "${upstream.url}", concurrency: 2, timeouts: { head: 30s } }
routes:
  - { path: /down, upstream: down, wait: 100ms }
  - { path: /paced, upstream: paced, wait: 100ms }
  - { path: /paused, upstream: paused, wait: 100ms }
  - { path: /full, upstream: full, wait: 100ms }
`, { health: true })
  const cases = [
    { path: '/down', rule: 'breaker', code: 'breaker-open', upstream: 'down', before: 2 },
    { path: '/paced', rule: 'rate', code: 'limited', upstream: 'paced', before: 1 },
    { path: '/paused', rule: 'paused', code: 'paused', upstream: 'paused', before: 1 },
  ]
  for (const one of cases) {
    for (let i = 0; i < one.before; i++) await get(proxy, one.path)
    const numbers = await told(proxy, await get(proxy, one.path), one)
    await inLog(proxy, one, numbers)
  }
  const hangs = get(proxy, '/full').catch(error => error)
  await until('it is there', () => upstream.requests.some(({ path }) => path === '/full'))
  const full = { rule: 'concurrency', code: 'overloaded', upstream: 'full' }
  await inLog(proxy, full, await told(proxy, await get(proxy, '/full'), full))
  await proxy.kill()
  await hangs
})

test('shares of clients', async t => {
  const upstream = await startUpstream(t, {
    serve: ({ path }) => ({ status: path === '/guess' ? 401 : 200, body: '{}' }),
  })
  const proxy = await startHoldfast(t, `
limits:
  - { name: login, match: { path: /login }, by: [address], rate: 2/h }
  - { name: guess, match: { path: /guess }, by: [address],
      ban: { after: 2, within: 1h, for: 1h, on: [401] } }
  - { name: nobody, match: { path: /closed }, by: [address], block: [127.0.0.0/8] }
upstreams: { app: { url: "${upstream.url}" } }
routes: [ { path: /, upstream: app } ]
`, { health: true })
  const cases = [
    { path: '/login', rule: 'login', code: 'quota-exceeded', before: 2, log: /limit login: 3 of/ },
    { path: '/guess', rule: 'guess', code: 'banned', before: 2, log: /limit guess: banned, 2 off/ },
    { path: '/closed', rule: 'nobody', code: 'blocked', before: 0, log: /limit nobody: in its/ },
  ]
  for (const one of cases) {
    for (let i = 0; i < one.before; i++) await get(proxy, one.path)
    await told(proxy, await get(proxy, one.path), one)
    await until('it is in the log', () => one.log.test(logOf(proxy)))
  }
})

test('room for bodies', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, `
buffers: 1MiB
upstreams: { app: { url: "${upstream.url}",
  idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h } } }
routes: [ { path: /, upstream: app, limits: { body: 1MiB } } ]
`, { health: true })
  // One client does not send the end of its body; what it may fill is not there for the next.
  const socket = net.connect(proxy.port, '127.0.0.1')
  atEnd(t, () => socket.destroy())
  const begun = 'x'.repeat(700_000)
  socket.write('POST /slow HTTP/1.1\r\nHost: a\r\nIdempotency-Key: one\r\n' +
    `Content-Length: ${begun.length + 1}\r\n\r\n${begun}`)
  await until('its bytes are in memory', async () => Number(
    (await call(`${proxy.health}/metrics`)).text
      .match(/^holdfast_server_buffered_bytes (\d+)$/m)[1]) >= begun.length)
  const answer = await call(`${proxy.url}/big`, { method: 'POST', body: begun,
    headers: { 'idempotency-key': 'two' } })
  const full = { rule: 'buffers', code: 'overloaded' }
  await inLog(proxy, full, await told(proxy, answer, full))
})
