// Holdfast-Order: calls with one order key go strictly one after another, in the order in which
// they were acknowledged, through kill -9. Counted by the upstream's own ledger.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { toolOf } from './charges.mjs'
import { AUTH, call, folder, pause, startHoldfast, startSandbox, until } from './rig.mjs'

const config = url => `
upstreams:
  ledger:
    url: ${url}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 2s }
    breaker: { open: 100ms..200ms, consecutive: 100 }
  plain:
    url: ${url}
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 1s }
    breaker: { open: 100ms..200ms, consecutive: 100 }
routes:
  - path: /book
    upstream: ledger
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: always
    retry: { held: [100ms, 100ms, 200ms, 200ms, 500ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 1s] }
  - path: /plain
    upstream: plain
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: always
    retry: { held: [100ms, 100ms, 200ms, 200ms, 500ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 1s] }
`

const book = (url, line, entry, path = '/book') => call(url + path, {
  method: 'POST', body: `order=${entry}`,
  headers: { ...AUTH, 'content-type': 'application/x-www-form-urlencoded',
    'idempotency-key': entry, 'holdfast-order': line },
})

const LINES = 1000
const ENTRIES = 4
const CLIENTS = 50
const KILLS = 3
const FAULTS = 'reset_before=20,reset_after=20,s500=20,s429:1=5,slow:300=10'

test(`${LINES} lines of ${ENTRIES} calls keep their order over ${KILLS} kills`, {
  timeout: 170_000 }, async t => {
  const sandbox = await startSandbox(t, ['--keys', 'all', '--seed', '3', '--faults', FAULTS,
    '--max-faulted-attempts', '3'])
  const data = join(folder(t), 'data')
  const proxies = {}
  const begin = async () => {
    const process = await startHoldfast(t, config(sandbox.url), { data, admin: true })
    let end
    proxies.current = { url: process.url, over: new Promise(resolve => { end = resolve }) }
    return { process, end }
  }
  let life = await begin()
  let acknowledged = 0
  // An application books an entry of a line only once the one before it was acknowledged.
  const add = async (line, entry) => {
    for (;;) {
      const { url, over } = proxies.current
      try {
        const answer = await book(url, line, entry)
        // Asked again after a kill, it may have been delivered already.
        const replayed = answer.status === 200 && answer.headers['idempotent-replayed'] === 'true'
        assert.ok(answer.status === 202 || replayed, answer.text)
        acknowledged++
        return
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        await over
      }
    }
  }
  let next = 0
  const clients = Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (next < LINES) {
      const line = `line${next++}`
      for (let i = 0; i < ENTRIES; i++) await add(line, `${line}.${i}`)
    }
  }))
  for (let round = 1; round <= KILLS; round++) {
    const target = Math.floor(LINES * ENTRIES * round / (KILLS + 1))
    await until(`${target} acknowledged`, () => acknowledged >= target, 120_000)
    await life.process.kill()
    await pause(100)  // sleep: the machine takes a moment to bring it back
    const { end } = life
    life = await begin()
    end()
  }
  await clients
  await until('all are delivered', async () =>
    (await sandbox.ask('/_ledger?counts=only')).counts.orders === LINES * ENTRIES, 120_000)

  const { effects, counts } = await sandbox.ask('/_ledger')
  assert.equal(counts.duplicates, 0, 'an entry was booked twice')
  const seen = new Map()
  const wrong = []
  for (const { order } of effects) {
    const [line, entry] = order.split('.')
    const expected = seen.get(line) ?? 0
    if (Number(entry) !== expected) wrong.push(`${order} came where ${line}.${expected} was due`)
    seen.set(line, expected + 1)
  }
  assert.deepEqual(wrong, [])
  assert.equal(seen.size, LINES)
})

test('an unknown head blocks its line and no other, visibly, until it is settled', async t => {
  const sandbox = await startSandbox(t)
  const proxy = await startHoldfast(t, config(sandbox.url), { admin: true })
  const tool = toolOf(t, proxy)
  const orders = async () => (await sandbox.ask('/_ledger')).effects.map(each => each.order)
  await sandbox.ask('/_faults', { next: ['reset_before'] })
  const head = await book(proxy.url, 'A', 'A.0', '/plain')
  const id = head.headers['holdfast-call']
  await until('the head is unknown', async () => (await call(
    `${proxy.url}/.holdfast/calls/${id}`, { headers: AUTH })).json.state === 'unknown')
  for (const entry of ['A.1', 'A.2', 'B.0', 'B.1']) {
    assert.equal((await book(proxy.url, entry[0], entry, '/plain')).status, 202)
  }
  await until('the other line moves', async () => (await orders()).length === 2)
  await pause(500)  // sleep: long enough for a blocked call to slip through
  assert.deepEqual(await orders(), ['B.0', 'B.1'])
  const blocked = await tool('calls', 'blocked')
  assert.ok(blocked.includes(id), blocked)
  await tool('calls', 'resolve', id, 'applied', '--reason', 'seen in their books')
  await until('the line moves on', async () => (await orders()).length === 4)
  assert.deepEqual((await orders()).slice(2), ['A.1', 'A.2'])
})
