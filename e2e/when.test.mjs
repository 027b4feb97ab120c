// When a held call may be sent: Holdfast-Not-Before, Holdfast-Deadline, Priority. Told by the
// upstream's own clock and ledger.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, call, folder, pause, startHoldfast, startSandbox, until } from './rig.mjs'

const config = (url, upstream = '') => `
upstreams:
  ledger:
    url: ${url}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 2s }
    breaker: { open: 100ms..200ms, consecutive: 100 }
    ${upstream}
routes:
  - path: /
    upstream: ledger
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: always
    retry: { held: [100ms, 100ms, 200ms, 200ms, 500ms, 500ms, 500ms, 500ms, 1s, 1s, 1s, 1s] }
`

const post = (url, order, headers) => call(`${url}/book`, {
  method: 'POST', body: `order=${order}`,
  headers: { ...AUTH, 'content-type': 'application/x-www-form-urlencoded',
    'idempotency-key': order, ...headers },
})
const state = async (url, answer) => (await call(url + answer.headers.location,
  { headers: AUTH })).json

test('nothing is sent before Holdfast-Not-Before, through kill -9 too', async t => {
  const sandbox = await startSandbox(t, ['--keys', 'all'])
  const data = join(folder(t), 'data')
  const first = await startHoldfast(t, config(sandbox.url), { data })
  const begun = Date.now()
  const due = { a: begun + 2000, b: begun + 3000, date: Math.ceil(begun / 1000) * 1000 + 3000 }
  assert.equal((await post(first.url, 'a', { 'holdfast-not-before': '2' })).status, 202)
  assert.equal((await post(first.url, 'b', { 'holdfast-not-before': '3s' })).status, 202)
  assert.equal((await post(first.url, 'date',
    { 'holdfast-not-before': new Date(due.date).toUTCString() })).status, 202)
  assert.equal((await post(first.url, 'now')).status, 202)
  await until('what may go goes', async () => (await sandbox.ask('/_ledger')).effects.length === 1)
  await first.kill()
  await startHoldfast(t, config(sandbox.url), { data })
  const { effects } = await until('all are there', async () => {
    const ledger = await sandbox.ask('/_ledger')
    return ledger.effects.length === 4 && ledger
  })
  assert.equal(effects[0].order, 'now')
  for (const { order, at_ms: at } of effects.slice(1)) {
    assert.ok(at >= due[order], `${order} came ${due[order] - at} ms early`)
  }
})

test('nothing is sent after Holdfast-Deadline', async t => {
  const sandbox = await startSandbox(t, ['--keys', 'all'])
  const proxy = await startHoldfast(t, config(sandbox.url))
  await sandbox.ask('/_down', {})
  const late = await post(proxy.url, 'late', { 'holdfast-deadline': '1500ms' })
  const good = await post(proxy.url, 'good', { 'holdfast-deadline': '10m' })
  assert.deepEqual([late.status, good.status], [202, 202], late.text + good.text)
  await until('it has ended', async () => (await state(proxy.url, late)).state === 'dead')
  await sandbox.ask('/_up', {})
  await until('the other is delivered', async () =>
    (await state(proxy.url, good)).state === 'answered')
  await pause(500)  // sleep: long enough for a late one to slip through
  assert.deepEqual((await sandbox.ask('/_ledger')).requests.map(each => each.order), ['good'])
  const told = await state(proxy.url, late)
  assert.equal(told.effect, 'none')
})

test('what is asked for in a way that cannot be understood is refused', async t => {
  const sandbox = await startSandbox(t)
  const proxy = await startHoldfast(t, config(sandbox.url))
  for (const headers of [{ 'holdfast-not-before': 'soon' }, { 'holdfast-deadline': '-1' },
    { 'holdfast-not-before': '1m, 2m' }]) {
    const answer = await post(proxy.url, 'odd', headers)
    assert.equal(answer.status, 400, `${JSON.stringify(headers)}: ${answer.text}`)
  }
  assert.equal((await sandbox.ask('/_ledger')).requests.length, 0)
})

test('urgent calls overtake a backlog, and nothing is starved', { timeout: 120_000 }, async t => {
  const sandbox = await startSandbox(t, ['--keys', 'all', '--latency-ms', '20'])
  const proxy = await startHoldfast(t, config(sandbox.url, 'concurrency: 2'))
  await sandbox.ask('/_down', {})
  const backlog = Array.from({ length: 200 }, (_, i) => `low${i}`)
  for (const order of backlog) {
    assert.equal((await post(proxy.url, order, { priority: 'u=7' })).status, 202)
  }
  const urgent = Array.from({ length: 20 }, (_, i) => `high${i}`)
  for (const order of urgent) {
    assert.equal((await post(proxy.url, order, { priority: 'u=0' })).status, 202)
  }
  await sandbox.ask('/_up', {})
  const { effects } = await until('all are delivered', async () => {
    const ledger = await sandbox.ask('/_ledger')
    return ledger.effects.length === 220 && ledger
  }, 90_000)
  const last = effects.findLastIndex(each => each.order.startsWith('high'))
  assert.ok(last < 110, `the last urgent call was the ${last + 1}th of 220`)
})
