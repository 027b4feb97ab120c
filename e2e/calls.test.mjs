// What an operator does with calls, by the command line against a running Holdfast.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, call, command, folder, pay, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = url => `
upstreams:
  plain: { url: "${url}", credentials: stored, account: main, breaker: { open: 100ms..200ms } }
routes:
  - path: /
    upstream: plain
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    wait: 200ms
    retry: { held: [1s, 1s, 1s, 1s, 1s, 1s] }
`

async function rig(t, fault) {
  const upstream = await startUpstream(t, { keys: false, fault })
  const proxy = await startHoldfast(t, config(upstream.url), { admin: true, health: true })
  const admin = ['--admin', new URL(proxy.admin).host,
    '--token-file', join(proxy.data, 'admin.token')]
  const tool = async (...args) => {
    const done = await command(t, [...args, ...admin])
    assert.equal(done.code, 0, `${args.join(' ')}: ${done.out}${done.err}`)
    return done.out
  }
  const keyed = key => pay(proxy.url, key, { headers: { 'idempotency-key': key } })
  return { upstream, proxy, admin, tool, keyed }
}

const lostOnce = ({ seen }) => (seen === 1 ? 'reset_after' : undefined)

test('a call in doubt: listed, shown, resolved as applied, its answer given', async t => {
  const { upstream, tool, keyed } = await rig(t, lostOnce)
  const first = await keyed('doubt')
  assert.equal(first.json.effect, 'unknown', first.text)
  const id = first.headers['holdfast-call']
  assert.ok((await tool('calls', 'list', '--state', 'unknown')).includes(id))
  const list = JSON.parse(await tool('calls', 'list', '--state', 'unknown', '--json'))
  assert.ok(JSON.stringify(list).includes(id))
  const shown = await tool('calls', 'show', id)
  assert.match(shown, /unknown/)
  assert.ok(!shown.includes('sk_test_one'), 'a credential is shown')

  const answer = join(folder(t), 'answer.json')
  writeFileSync(answer, '{"id": "found by hand"}')
  await tool('calls', 'resolve', id, 'applied', '--reason', 'it is in the dashboard',
    '--answer', answer)
  const replay = await keyed('doubt')
  assert.equal(replay.status, 200, replay.text)
  assert.equal(replay.text, '{"id": "found by hand"}')
  assert.match(await tool('calls', 'show', id), /it is in the dashboard/)
  assert.equal(upstream.requests.length, 1)
})

test('a call in doubt: resolved as not applied, and retried', async t => {
  const { upstream, proxy, admin, tool, keyed } = await rig(t, lostOnce)
  const id = (await keyed('doubt')).headers['holdfast-call']
  const early = await command(t, ['calls', 'retry', id, ...admin])
  assert.notEqual(early.code, 0, 'a call in doubt is not retried')
  assert.equal(upstream.requests.length, 1)
  await tool('calls', 'resolve', id, 'not_applied', '--reason', 'nothing there')
  await tool('calls', 'retry', id)
  await until('it is sent', () => upstream.requests.length === 2)
  await until('its owner sees the answer', async () => (await call(
    `${proxy.url}/.holdfast/calls/${id}/response`, { headers: AUTH })).status === 200)
  assert.equal((await keyed('doubt')).headers['idempotent-replayed'], 'true')
})

test('a held call is cancelled by the operator', async t => {
  const { upstream, tool, keyed } = await rig(t)
  await upstream.down()
  const held = await keyed('held')
  assert.equal(held.json.error.code, 'held', held.text)
  await tool('calls', 'cancel', held.headers['holdfast-call'], '--reason', 'by mistake')
  await upstream.up()
  assert.equal((await keyed('held')).json.error.code, 'cancelled')
  assert.equal(upstream.requests.length, 0)
})

test('a paused upstream gets nothing until it is resumed', async t => {
  const { upstream, tool, keyed } = await rig(t)
  await tool('pause', 'plain', '--for', '10m', '--reason', 'their incident')
  const held = await keyed('paused')
  assert.equal(held.json.error.code, 'held', held.text)
  assert.equal(upstream.requests.length, 0)
  await tool('resume', 'plain')
  await until('it is delivered', () => upstream.of('paused').length === 1)
})

test('the admin API wants its token, and its Host', async t => {
  const { proxy, admin } = await rig(t)
  const bad = await command(t, ['calls', 'list', '--admin', admin[1], '--token-file', proxy.config])
  assert.notEqual(bad.code, 0)
  assert.equal((await call(`${proxy.admin}/calls`)).status, 401)
  const rebound = await call(`${proxy.admin}/calls`, { headers: { host: 'evil.example' } })
  assert.ok([400, 401, 403, 421].includes(rebound.status), `${rebound.status}`)
  for (const path of ['healthz', 'readyz', 'metrics']) {
    assert.equal((await call(`${proxy.health}/${path}`)).status, 200, path)
  }
})
