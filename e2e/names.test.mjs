// Several addresses behind one name: calls go where they are answered, one that fails is left out
// and comes back, and what is in doubt follows the rules of its keys and not health.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, call, command, folder, logOf, pause, postJson, startHoldfast, until }
  from './rig.mjs'
import { startUpstream } from './upstream.mjs'

// A place where bank.test stands for 127.0.0.2 and 127.0.0.3: a view of the files of its own.
function place(t) {
  const hosts = join(folder(t), 'hosts')
  writeFileSync(hosts, `${readFileSync('/etc/hosts', 'utf8')}
127.0.0.2 bank.test
127.0.0.3 bank.test
`)
  const under = ['unshare', process.getuid() === 0 ? '-m' : '-rm', 'sh', '-c',
    'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
  try {
    execFileSync(under[0], [...under.slice(1), 'true'], { stdio: 'pipe' })
  } catch (error) {
    t.skip(`no names of our own here: ${String(error.stderr ?? error.message).trim()}`)
    return undefined
  }
  return { under, env: { RESOLV_MULTI: 'on' } }
}

const config = (port, more = '', route = '') => `
upstreams:
  bank:
    url: http://bank.test:${port}
    credentials: stored
    account: main
    timeouts: { connect: 1s, head: 300ms }
    ejection: { consecutive: 3, out: 1s }
    breaker: { consecutive: 1000, of_at_least: 1000, open: 200ms }
${more}
routes:
  - path: /
    upstream: bank
    retry: { live: { backoff: 1ms }, held: [200ms, 200ms, 300ms, 1s, 1s, 1s, 1s], budget: 100% }
${route}
`
const KEYED = `    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    wait: 300ms
`
const get = proxy => call(proxy.url, { headers: AUTH })
const pay = (proxy, order) =>
  postJson(`${proxy.url}/pay`, { order }, { 'idempotency-key': order })
const adminOf = proxy =>
  ['--admin', proxy.admin.replace('http://', ''), '--token-file', `${proxy.data}/admin.token`]

async function pair(t, one = {}, two = {}) {
  const first = await startUpstream(t, { ...one, host: '127.0.0.2' })
  const second = await startUpstream(t, { ...two, host: '127.0.0.3', port: first.port })
  return [first, second]
}
async function addresses(t, proxy) {
  const { code, out, err } = await command(t, ['upstreams', '--json', ...adminOf(proxy)])
  assert.equal(code, 0, err)
  return JSON.parse(out).upstreams[0].addresses
}
const untilOut = (t, proxy) => until('its ejection', async () => {
  assert.equal((await get(proxy)).status, 200)
  return (await addresses(t, proxy))[0].state !== 'in'
})
const untilBack = (t, proxy) => until('its return', async () => {
  assert.equal((await get(proxy)).status, 200)
  return (await addresses(t, proxy))[0].state === 'in'
})

test('each takes its share, and one that is down is left out until it is back', async t => {
  const names = place(t)
  if (!names) return
  const [one, two] = await pair(t)
  const proxy = await startHoldfast(t, config(one.port), { admin: true, health: true, ...names })
  for (let i = 0; i < 40; i++) assert.equal((await get(proxy)).status, 200)
  assert.ok(one.requests.length > 8 && two.requests.length > 8,
    `${one.requests.length} and ${two.requests.length} of 40`)
  assert.ok(one.connections + two.connections <= 4, 'connections are kept')

  await one.down()
  await untilOut(t, proxy)
  const [first, second] = await addresses(t, proxy)
  assert.equal(first.url, `bank.test:${one.port}`)
  assert.equal(first.address, `127.0.0.2:${one.port}`)
  assert.equal(first.last_failure, 'connect_refused')
  assert.equal(second.state, 'in')
  const { text } = await call(`${proxy.health}/metrics`)
  assert.match(text, new RegExp(`^holdfast_upstream_address_out{upstream="bank",url="bank.test:${
    one.port}",address="127.0.0.2:${one.port}"} 1$`, 'm'))
  assert.match(logOf(proxy), /address_ejected.*127\.0\.0\.2.*3 failures in a row/)
  const table = await command(t, ['upstreams', ...adminOf(proxy)])
  assert.match(table.out, /bank +bank\.test:\d+ +127\.0\.0\.2:\d+ +(out|due|probing) +connect_ref/)

  await one.up()
  const before = one.requests.length
  await untilBack(t, proxy)
  assert.match(logOf(proxy), /address_returned/)
  for (let i = 0; i < 40; i++) assert.equal((await get(proxy)).status, 200)
  assert.ok(one.requests.length - before > 5)
})

for (const [what, fault, why] of [
  ['answers 500', { status: 500 }, 'status 500'],
  ['takes requests and says nothing', 'hang', 'head_timeout'],
  ['breaks connections', 'reset_before', 'reset'],
]) {
  test(`one that ${what} is left out, and back when it is well`, async t => {
    const names = place(t)
    if (!names) return
    const [one, two] = await pair(t, { fault: () => fault })
    const proxy = await startHoldfast(t, config(one.port), { admin: true, ...names })
    await untilOut(t, proxy)
    assert.match((await addresses(t, proxy))[0].last_failure, new RegExp(`^(${why}|closed)$`))
    const served = two.requests.length
    one.fault = undefined
    await untilBack(t, proxy)
    assert.ok(two.requests.length > served)
  })
}

// The answer of the only copy is lost. The other address is well and would take it gladly.
test('without keys a call in doubt is sent to nobody', async t => {
  const names = place(t)
  if (!names) return
  const fault = ({ order }) => (order ? 'reset_after' : undefined)
  const both = await pair(t, { fault, keys: false }, { fault, keys: false })
  const proxy = await startHoldfast(t, config(both[0].port, '', KEYED), { admin: true, ...names })
  const answer = await pay(proxy, 'doubt')
  assert.equal(answer.json.effect, 'unknown', answer.text)
  for (const upstream of both) upstream.fault = undefined
  await pause(1500)  // several steps of its schedule
  assert.equal((await pay(proxy, 'doubt')).status, 409)
  assert.equal(both[0].of('doubt').length + both[1].of('doubt').length, 1)
})

// One URL is one memory of keys, whatever stands behind its name.
test('with keys it may go to the other address, with the same key and bytes', async t => {
  const names = place(t)
  if (!names) return
  const fault = ({ order }) => (order ? 'reset_before' : undefined)
  const both = await pair(t, { fault }, { fault })
  const proxy = await startHoldfast(t, config(both[0].port,
    '    idempotency: { mode: key, lifetime: 1h }', KEYED), { admin: true, ...names })
  await pay(proxy, 'doubt')
  await until('a copy at each', () => both.every(one =>
    one.requests.some(request => request.order === 'doubt')))
  const copies = both.flatMap(one => one.requests.filter(r => r.order === 'doubt'))
  assert.deepEqual([...new Set(copies.map(r => r.key))], ['doubt'])
  assert.equal(new Set(copies.map(r => r.body)).size, 1)
  assert.deepEqual(both.flatMap(one => one.of('doubt')), [])
  for (const upstream of both) upstream.fault = undefined
  await until('its answer', async () => (await pay(proxy, 'doubt')).status === 200)
  assert.equal(both[0].of('doubt').length + both[1].of('doubt').length, 1)
})

// Nothing has left: the other address may have it at once.
test('a payment that meets a closed door goes through the next one', async t => {
  const names = place(t)
  if (!names) return
  const both = await pair(t, { keys: false }, { keys: false })
  await both[0].down()
  const proxy = await startHoldfast(t, config(both[0].port), { admin: true, ...names })
  for (let i = 0; i < 20; i++) assert.equal((await pay(proxy, `pay-${i}`)).status, 200)
  assert.equal(both[1].effects.length, 20)
  assert.equal(new Set(both[1].effects.map(e => e.order)).size, 20)
})
