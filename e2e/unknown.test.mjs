// A provider without keys that nobody can ask: what is not known is said to be unknown, and nothing
// is sent twice. Counted by its own ledger.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { charge, judge, learn, toolOf } from './charges.mjs'
import { AUTH, call, settled, startHoldfast, startSandbox, until } from './rig.mjs'

const ORDERS = 240
const CLIENTS = 16
// One answer in five is lost, in each way that answers are lost; some more is refused or fails.
const FAULTS = 'reset_after=80,late_apply:700=40,hang=20,cut=20,apply_then_503=20,invalid=20,'
  + 'reset_before=30,s500=20,s503:1=20,s429:1=30,close_on_reuse=10'

const config = url => `
upstreams:
  provider:
    url: ${url}
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 1s }
    breaker: { open: 100ms..200ms, consecutive: 50 }
routes:
  - path: /charges
    upstream: provider
    key: { from: [ { form: ref } ] }
    wait: 5s
  - path: /held/
    upstream: provider
    strip_prefix: true
    key: { from: [ { form: ref } ] }
    hold: on_failure
    wait: 500ms
    retry: { held: [200ms, 500ms, 500ms, 1s, 1s, 1s, 1s] }
  - path: /always/
    upstream: provider
    strip_prefix: true
    key: { from: [ { form: ref } ] }
    hold: always
    retry: { held: [200ms, 500ms, 500ms, 1s, 1s, 1s, 1s] }
`

const PATHS = ['/charges', '/held/charges', '/always/charges']

test('one answer in five lost: nobody is charged twice, and nobody is told an untruth', {
  timeout: 150_000 }, async t => {
  const sandbox = await startSandbox(t, ['--seed', '11', '--faults', FAULTS])
  const proxy = await startHoldfast(t, config(sandbox.url), { admin: true })
  const proxies = { current: { url: proxy.url, over: Promise.resolve() } }
  const heard = []
  const ends = []
  let next = 0
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (next < ORDERS) {
      const ref = `o${next}`
      const path = PATHS[next++ % PATHS.length]
      ends.push({ ref, path, said: await learn(proxies, ref, heard, { path }) })
    }
  }))
  const ledger = await settled(sandbox)
  const { charged } = judge(heard, ledger)

  assert.deepEqual(ends.filter(end => !end.said).map(end => end.ref), [], 'never told an end')
  const unknown = ends.filter(end => end.said.effect === 'unknown')
  const paid = ends.filter(end => end.said.id)
  assert.equal(paid.length + unknown.length, ORDERS, 'paid or unknown, nothing else')
  for (const path of PATHS) {
    assert.ok(unknown.some(end => end.path === path), `${path}: some are unknown`)
  }
  // Each doubt is of one request: the provider read nothing twice that it may have done.
  const sent = new Map()
  for (const { method, order, fault } of ledger.requests) {
    const refused = /^(s429|dropped)/.test(fault ?? '')
    if (method === 'POST' && !refused) sent.set(order, (sent.get(order) ?? 0) + 1)
  }
  assert.deepEqual([...sent].filter(([, times]) => times > 1), [], 'sent again without proof')

  const tool = toolOf(t, proxy)
  const parked = JSON.parse(await tool('calls', 'list', '--state', 'unknown', '--limit', '500',
    '--json'))
  const ids = new Set(parked.calls.map(each => each.call))
  for (const { ref, said } of unknown) {
    assert.ok(ids.has(said.answer.headers['holdfast-call']), `${ref} stands in unknown`)
  }
  assert.equal(ids.size, unknown.length)
  t.diagnostic(`${ORDERS} orders, ${paid.length} told paid, ${unknown.length} told unknown,`
    + ` ${charged} charged`)
})

test('a doubt is settled by hand, either way, and the client hears it', async t => {
  const sandbox = await startSandbox(t)
  const proxy = await startHoldfast(t, config(sandbox.url), { admin: true })
  const tool = toolOf(t, proxy)
  for (const [fault, verdict] of [['reset_after', 'applied'], ['reset_before', 'not_applied']]) {
    for (const path of PATHS) {
      const ref = `${verdict}${path.replaceAll('/', '-')}`
      await sandbox.ask('/_faults', { next: [fault] })
      const first = await charge(proxy.url, ref, { path })
      const id = first.headers['holdfast-call']
      await until('it is unknown', async () => {
        const shown = await call(`${proxy.url}/.holdfast/calls/${id}`, { headers: AUTH })
        return shown.json.state === 'unknown'
      })
      const doubt = await charge(proxy.url, ref, { path })
      assert.equal(doubt.status, 409, doubt.text)
      assert.equal(doubt.json.error.code, 'outcome-unknown')
      assert.equal(doubt.headers['holdfast-effect'], 'unknown')
      await tool('calls', 'resolve', id, verdict, '--reason', 'looked it up')
      const told = await charge(proxy.url, ref, { path })
      if (verdict === 'applied') {
        assert.equal(told.status, 409, told.text)
        assert.equal(told.headers['holdfast-effect'], 'applied')
      } else if (told.status !== 201) {
        assert.equal(told.status, 202, told.text)
      }
    }
  }
  const { effects } = await settled(sandbox, '', 500)
  assert.equal(new Set(effects.map(e => e.order)).size, effects.length, 'charged twice')
  assert.equal(effects.length, 2 * PATHS.length, 'what was not applied is charged when asked again')
})
