// The journal's disk is full: what is under way can still end, new durable calls are refused with
// effect none, calls without a journal pass, and with room again all is as before.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { atEnd, folder, logOf, pay, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = url => `
upstreams:
  keyed:
    url: ${url}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    timeouts: { head: 4s }
  plain: { url: "${url}" }
routes:
  - { path: /keyed, upstream: keyed, wait: 15s, key: { from: [ { header: Idempotency-Key } ] } }
  - { path: /plain, upstream: plain }
`

function smallDisk(t) {
  const path = join(folder(t), 'disk')
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', path], { stdio: 'pipe' })
  } catch (error) {
    t.skip(`no tmpfs can be mounted here: ${String(error.stderr ?? error.message).trim()}`)
    return undefined
  }
  atEnd(t, () => execFileSync('umount', ['-l', path]))
  return path
}

function fill(path) {
  const file = openSync(path, 'w')
  const block = Buffer.alloc(64 * 1024)
  try {
    for (;;) writeSync(file, block)
  } catch (error) {
    assert.equal(error.code, 'ENOSPC')
  } finally {
    closeSync(file)
  }
}

test('a full disk', async t => {
  const disk = smallDisk(t)
  if (!disk) return
  const waiting = []
  const upstream = await startUpstream(t, { delay: 0 })
  const proxy = await startHoldfast(t, config(upstream.url), { data: join(disk, 'data') })
  const keyed = (order, key = order) =>
    pay(proxy.url, order, { path: '/keyed', headers: { 'idempotency-key': key } })
  assert.equal((await keyed('before')).status, 200)

  // One call is at the upstream while the disk fills up; its fate must still be written.
  upstream.fault = ({ order, seen }) => (order === 'under-way' && seen === 1 ? 'hang' : undefined)
  const underWay = keyed('under-way')
  await until('it is at the upstream', () => upstream.of('under-way').length === 1)
  const ballast = join(disk, 'fill')
  fill(ballast)

  const refused = await until('a durable call is refused', async () => {
    const answer = await keyed(`full-${waiting.push(0)}`)
    return answer.status === 503 && answer
  })
  assert.equal(refused.json.error.code, 'journal-unavailable')
  assert.equal(refused.json.effect, 'none')
  assert.equal(refused.json.safe_to_retry, true)
  const { rule, measured, threshold } = refused.json.limit
  assert.equal(rule, 'journal-disk')
  assert.ok(measured < threshold, refused.text)
  assert.match(logOf(proxy), /journal_refusing.*: journal-disk, \d+ bytes left, threshold \d+/)
  const sent = upstream.requests.length
  for (let i = 0; i < 20; i++) assert.equal((await keyed(`more-${i}`)).status, 503)
  assert.equal(upstream.requests.length, sent, 'a refused call is not sent')
  assert.equal((await pay(proxy.url, 'plain', { path: '/plain' })).status, 200,
    'a call that needs no journal passes')
  assert.equal((await keyed('before')).headers['idempotent-replayed'], 'true',
    'answers that are there are given')

  // The upstream lets go: the attempt ends, and Holdfast can write what came of it.
  const ended = await underWay
  assert.equal(ended.status, 200, ended.text)
  assert.equal(upstream.of('under-way').length, 1)

  rmSync(ballast)
  await until('durable calls are taken again', async () => (await keyed('after')).status === 200)
  assert.equal((await keyed('under-way')).text, ended.text)
  assert.ok(statfsSync(disk).bavail > 0)
  assert.match(logOf(proxy), /disk|space/i, 'the log says why')

  await proxy.kill()
  const again = await startHoldfast(t, config(upstream.url), { data: join(disk, 'data') })
  const replayed = await pay(again.url, 'under-way',
    { path: '/keyed', headers: { 'idempotency-key': 'under-way' } })
  assert.equal(replayed.text, ended.text)
  assert.equal(replayed.headers['idempotent-replayed'], 'true')
  const doubled = upstream.effects.filter((e, i) =>
    upstream.effects.findIndex(o => o.order === e.order) !== i && e.order !== 'plain')
  assert.deepEqual(doubled, [])
})
