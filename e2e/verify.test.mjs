// A provider without keys that can be asked: what is in doubt is settled by a lookup, and nothing
// is sent again before it. Counted by the provider's own ledger.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { charge, judge, learn, listed, toolOf } from './charges.mjs'
import { AUTH, call, folder, pause, settled, startHoldfast, startSandbox, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const LONG = '200ms, 500ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 2s, 2s, 2s, 5s'
const SHORT = '200ms, 200ms, 300ms, 500ms, 500ms'
const config = (url, { answer = 'answer: /data/0', settle = '1s', wait = '10s', held = LONG,
  get = '/charges?ref={form:ref}' } = {}) => `
upstreams:
  provider:
    url: ${url}
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 1s }
    breaker: { open: 100ms..200ms, consecutive: 100 }
    idempotency:
      mode: verify
      lookup:
        get: "${get}"
        found: /data/0
        where: { /status: succeeded }
        absent_status: [404]
        settle: ${settle}
        ${answer}
routes:
  - path: /charges
    upstream: provider
    key: { from: [ { form: ref } ] }
    hold: on_failure
    wait: ${wait}
    retry: { held: [${held}] }
  - path: /live/
    upstream: provider
    strip_prefix: true
    key: { from: [ { form: ref } ] }
    wait: ${wait}
  - path: /json/
    upstream: provider
    strip_prefix: true
    key: { from: [ { body: /ref } ] }
    wait: ${wait}
`

async function rig(t, options = {}, args = []) {
  const sandbox = await startSandbox(t, args)
  const proxy = await startHoldfast(t, config(sandbox.url, options), { admin: true })
  return { sandbox, proxy, tool: toolOf(t, proxy) }
}

const posts = ({ requests }) => requests.filter(each => each.method === 'POST').length
const lookups = ({ requests }) => requests.filter(each => each.method === 'GET').length

test('what took effect is found, and its object is the answer', async t => {
  const { sandbox, proxy, tool } = await rig(t)
  await sandbox.ask('/_faults', { next: ['reset_after'] })
  const answer = await charge(proxy.url, 'lost')
  const [object] = await listed(sandbox, 'lost')
  assert.equal(answer.status, 200, answer.text)
  assert.deepEqual(answer.json, object)
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.equal(answer.headers['holdfast-effect'], 'applied')
  const again = await charge(proxy.url, 'lost')
  assert.equal(again.text, answer.text)
  assert.equal(again.headers['idempotent-replayed'], 'true')
  const ledger = await settled(sandbox, '?order=lost', 500)
  assert.equal(posts(ledger), 1)
  assert.match(await tool('calls', 'show', answer.headers['holdfast-call']), /looked_up.*found/)
})

test('without an answer pointer the client is told that it was applied', async t => {
  const { sandbox, proxy } = await rig(t, { answer: '' })
  await sandbox.ask('/_faults', { next: ['reset_after'] })
  for (const round of [1, 2]) {
    const answer = await charge(proxy.url, 'lost')
    assert.equal(answer.status, 409, `${round}: ${answer.text}`)
    assert.equal(answer.json.error.code, 'outcome-applied')
    assert.equal(answer.headers['holdfast-effect'], 'applied')
    assert.equal(answer.headers['x-should-retry'], 'false')
  }
  assert.equal(posts(await settled(sandbox, '?order=lost', 500)), 1)
})

test('what took no effect is sent again, but only after settle', async t => {
  const { sandbox, proxy } = await rig(t, { settle: '1500ms' })
  await sandbox.ask('/_faults', { next: ['reset_before'] })
  const answer = await charge(proxy.url, 'dropped')
  assert.equal(answer.status, 201, answer.text)
  const { requests, effects } = await settled(sandbox, '?order=dropped', 500)
  assert.equal(effects.length, 1)
  const [first, second] = requests.filter(each => each.method === 'POST')
  const asked = requests.filter(each => each.method === 'GET').map(each => each.at_ms)
  assert.ok(second.at_ms - first.at_ms >= 1500, 'it waited out the settle time')
  const before = asked.filter(at => at <= second.at_ms)
  assert.ok(before.length >= 2 && before.at(-1) - before[0] >= 1490, `asked at ${asked}`)
})

test('a call that is not held is verified while its client waits', async t => {
  const { sandbox, proxy } = await rig(t)
  await sandbox.ask('/_faults', { next: ['reset_after', 'reset_before'] })
  const found = await charge(proxy.url, 'a', { path: '/live/charges' })
  assert.equal(found.status, 200, found.text)
  assert.deepEqual([found.json], await listed(sandbox, 'a'))
  const sent = await charge(proxy.url, 'b', { path: '/live/charges' })
  assert.equal(sent.status, 201, sent.text)
  const ledger = await settled(sandbox, '', 500)
  assert.deepEqual(ledger.effects.map(each => each.order), ['a', 'b'])
})

test('a live call whose client has left is verified when it is asked for again', async t => {
  const { sandbox, proxy } = await rig(t, { wait: '200ms' })
  await sandbox.ask('/_faults', { next: ['late_apply=300'] })
  const first = await charge(proxy.url, 'a', { path: '/live/charges' })
  assert.ok([502, 504].includes(first.status), first.text)
  assert.equal(first.headers['holdfast-effect'], 'unknown')
  const found = await until('it is found', async () => {
    const answer = await charge(proxy.url, 'a', { path: '/live/charges' })
    return answer.status === 200 && answer
  })
  assert.deepEqual([found.json], await listed(sandbox, 'a'))
  assert.equal(posts(await settled(sandbox, '', 500)), 1)
})

test('a lookup without a value asks nobody: told unknown, not sent again', async t => {
  const { sandbox, proxy } = await rig(t)
  await sandbox.ask('/_faults', { next: ['reset_before'] })
  const first = await charge(proxy.url, 'a', { path: '/json/charges', json: true })
  assert.equal(first.headers['holdfast-effect'], 'unknown', first.text)
  const again = await charge(proxy.url, 'a', { path: '/json/charges', json: true })
  assert.equal(again.json.error.code, 'outcome-unknown')
  const ledger = await settled(sandbox, '', 500)
  assert.equal(posts(ledger), 1)
  assert.equal(lookups(ledger), 0)
})

test('an effect that comes after the connection died is waited for', async t => {
  const { sandbox, proxy } = await rig(t, { settle: '2500ms' })
  await sandbox.ask('/_faults', { next: ['late_apply=1500'], lookup_lag_ms: 300 })
  const answer = await charge(proxy.url, 'late')
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json.ref, 'late')
  const ledger = await settled(sandbox, '?order=late', 500)
  assert.equal(posts(ledger), 1)
  assert.equal(ledger.effects.length, 1)
})

test('pending is neither found nor absent: it is asked again', async t => {
  const { sandbox, proxy } = await rig(t)
  await sandbox.ask('/_faults', { next: ['listed_pending=1500'] })
  const answer = await charge(proxy.url, 'pending')
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json.status, 'succeeded')
  assert.equal(posts(await settled(sandbox, '?order=pending', 500)), 1)
})

for (const [fault, what] of [['body:html', 'a login page'], ['body:torn', 'half of an object'],
  ['body:other', 'another shape'], ['status:500', 'errors'], ['reset_before', 'resets'],
  ['invalid:status', 'no HTTP']]) {
  test(`lookups that answer ${what} end in unknown, and nothing is sent again`, {
    timeout: 120_000 }, async t => {
    const { sandbox, proxy, tool } = await rig(t, { wait: '1s', held: SHORT })
    await sandbox.ask('/_faults', { next: ['reset_before'], lookup_faults: `${fault}=1000` })
    const first = await charge(proxy.url, 'blind')
    assert.ok([409, 502, 503, 504].includes(first.status), first.text)
    assert.ok(['unknown', 'pending'].includes(first.headers['holdfast-effect']), first.text)
    const id = first.headers['holdfast-call']
    await until('it is unknown', async () => {
      const shown = await call(`${proxy.url}/.holdfast/calls/${id}`, { headers: AUTH })
      return shown.json.state === 'unknown'
    }, 90_000)
    const told = await charge(proxy.url, 'blind')
    assert.equal(told.json.error.code, 'outcome-unknown', told.text)
    const ledger = await settled(sandbox, '?order=blind', 500)
    assert.equal(posts(ledger), 1)
    assert.ok(lookups(ledger) > 0)

    await sandbox.ask('/_faults', { lookup_faults: '' })
    await tool('calls', 'resolve', id, 'not_applied', '--reason', 'nothing on the dashboard')
    await learn({ current: { url: proxy.url, over: Promise.resolve() } }, 'blind', [])
    const after = await settled(sandbox, '?order=blind', 500)
    assert.equal(after.effects.length, 1, 'settled as not applied, it is charged when asked again')
  })
}

test('what is listed as failed is not guessed about', { timeout: 120_000 }, async t => {
  const { sandbox, proxy, tool } = await rig(t, { wait: '1s', held: SHORT })
  await sandbox.ask('/_faults', { next: ['listed_failed'] })
  const first = await charge(proxy.url, 'failed')
  const id = first.headers['holdfast-call']
  await until('it is unknown', async () => {
    const shown = await call(`${proxy.url}/.holdfast/calls/${id}`, { headers: AUTH })
    return shown.json.state === 'unknown'
  }, 90_000)
  assert.equal(posts(await settled(sandbox, '?order=failed', 500)), 1)
  await tool('calls', 'resolve', id, 'applied', '--reason', 'settled by phone')
  const told = await charge(proxy.url, 'failed')
  assert.equal(told.headers['holdfast-effect'], 'applied', told.text)
})

test('a lookup carries the credential of the call, and asks for its own path', async t => {
  const upstream = await startUpstream(t, { keys: false, fault: ({ method, seen }) => {
    if (method === 'GET') return { status: 200, body: '{"data": [{"status": "succeeded"}]}' }
    return seen === 1 ? 'reset_after' : undefined
  } })
  const proxy = await startHoldfast(t, config(upstream.url,
    { get: '/find{path}?key={key}&order={form:order}&ref={form:ref}' }))
  const answer = await call(`${proxy.url}/charges/new`, {
    method: 'POST', body: 'ref=a%26b+c&order=7',
    headers: { ...AUTH, 'content-type': 'application/x-www-form-urlencoded' } })
  assert.equal(answer.status, 200, answer.text)
  const [, asked] = upstream.requests
  assert.equal(asked.method, 'GET')
  assert.equal(asked.headers.authorization, AUTH.authorization)
  assert.match(asked.path,
    /^\/find\/charges\/new\?key=hf1-[0-9a-f]{40}&order=7&ref=a%26b(%20|\+)c$/)
  assert.equal(upstream.requests.filter(each => each.method === 'POST').length, 1)
})

const ORDERS = 150
const CLIENTS = 12
const KILLS = 4
// One answer in five is lost, most of the effects are there then, and some come seconds later.
const FAULTS = 'reset_after=70,late_apply:2000=40,hang=20,cut=20,apply_then_503=20,'
  + 'listed_pending:1500=20,reset_before=40,slow:1500=30,s429:1=20'
// Lookups are seconds behind, and fail.
const LOOKUP_FAULTS = 'status:503=80,body:html=40,reset_before=40'

test('lagging lookups, late effects and kill -9: every order is charged once and answered', {
  timeout: 170_000 }, async t => {
  const sandbox = await startSandbox(t, ['--seed', '5', '--faults', FAULTS, '--lookup-faults',
    LOOKUP_FAULTS, '--lookup-lag-ms', '1000', '--max-faulted-attempts', '4'])
  // As long as it may still work on a charge, and the lag of its lookups.
  const settings = config(sandbox.url, { settle: '3500ms', wait: '8s' })
  const data = join(folder(t), 'data')
  const proxies = {}
  const begin = async () => {
    const process = await startHoldfast(t, settings, { data, admin: true })
    let end
    proxies.current = { url: process.url, over: new Promise(resolve => { end = resolve }) }
    return { process, end }
  }
  let life = await begin()
  const heard = []
  const ends = []
  let next = 0
  const clients = Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (next < ORDERS) {
      const ref = `o${next++}`
      ends.push({ ref, said: await learn(proxies, ref, heard, { patience: 120_000 }) })
    }
  }))
  for (let round = 1; round <= KILLS; round++) {
    const target = Math.floor(ORDERS * round / (KILLS + 2))
    await until(`${target} ends`, () => ends.length >= target, 120_000)
    await life.process.kill()
    await pause(100)  // sleep: the machine takes a moment to bring it back
    const { end } = life
    life = await begin()
    end()
  }
  await clients
  const ledger = await settled(sandbox, '', 3000)
  const { charged } = judge(heard, ledger)
  assert.deepEqual(ends.filter(end => !end.said?.id).map(end => [end.ref, end.said?.code]), [],
    'not answered')
  assert.equal(charged, ORDERS)
  await sandbox.ask('/_faults', { lookup_faults: '' })
  for (const { ref, said } of ends) {
    assert.deepEqual((await listed(sandbox, ref)).map(each => each.id), [said.id], ref)
  }
  t.diagnostic(`${ORDERS} orders, ${posts(ledger)} charges sent, ${lookups(ledger)} lookups,`
    + ` ${KILLS} kills`)
})
