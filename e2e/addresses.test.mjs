// One upstream at several URLs: calls go where they are answered, one that fails is left out and
// comes back, and a call in doubt stays where its first copy went.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUTH, call, command, logOf, postJson, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = (urls, more = '', route = '') => `
upstreams:
  bank:
    urls: [ ${urls.map(url => `"${url}"`).join(', ')} ]
    credentials: stored
    account: main
    timeouts: { connect: 1s, head: 2s }
    ejection: { consecutive: 3, out: 1s }
    breaker: { open: 200ms }
${more}
routes:
  - path: /
    upstream: bank
    retry: { live: { backoff: 1ms }, held: [300ms, 300ms, 300ms, 1s, 1s, 1s, 1s] }
${route}
`
const get = (proxy, path = '/') => call(proxy.url + path, { headers: AUTH })
const host = upstream => `127.0.0.1:${upstream.port}`

async function addresses(t, proxy) {
  const { code, out, err } = await command(t, ['upstreams', '--json', ...adminOf(proxy)])
  assert.equal(code, 0, err)
  return JSON.parse(out).upstreams[0].addresses
}
const adminOf = proxy =>
  ['--admin', proxy.admin.replace('http://', ''), '--token-file', `${proxy.data}/admin.token`]
const metric = async (proxy, name, url) => {
  const { text } = await call(`${proxy.health}/metrics`)
  return Number(text.match(new RegExp(`^${name}{upstream="bank",url="${url}"} (\\d+)$`, 'm'))[1])
}

test('each takes its share, and one that is down is left out until it is back', async t => {
  const [one, two] = [await startUpstream(t), await startUpstream(t)]
  const proxy = await startHoldfast(t, config([one.url, two.url]), { admin: true, health: true })
  for (let i = 0; i < 40; i++) assert.equal((await get(proxy)).status, 200)
  assert.ok(one.requests.length > 8, `${one.requests.length} of 40`)
  assert.ok(two.requests.length > 8, `${two.requests.length} of 40`)

  await one.down()
  // Nobody notices: another try goes to the other one.
  for (let i = 0; i < 40; i++) assert.equal((await get(proxy)).status, 200)
  const [first, second] = await addresses(t, proxy)
  assert.equal(first.url, host(one))
  assert.notEqual(first.state, 'in')
  assert.equal(first.last_failure, 'connect_refused')
  assert.equal(second.state, 'in')
  assert.equal(await metric(proxy, 'holdfast_upstream_url_out', host(one)), 1)
  assert.ok(await metric(proxy, 'holdfast_upstream_url_ejections_total', host(one)) >= 1)
  assert.match(logOf(proxy), /address_ejected.*3 failures in a row, the last: connect_refused/)
  const table = await command(t, ['upstreams', ...adminOf(proxy)])
  assert.match(table.out, /bank +127\.0\.0\.1:\d+ +(out|due|probing) +connect_refused/)

  await one.up()
  const before = one.requests.length
  await until('its return', async () => {
    assert.equal((await get(proxy)).status, 200)
    return (await addresses(t, proxy))[0].state === 'in'
  })
  assert.match(logOf(proxy), /address_returned/)
  for (let i = 0; i < 40; i++) assert.equal((await get(proxy)).status, 200)
  assert.ok(one.requests.length - before > 5)
})

test('one that answers 500 to everything is left out too', async t => {
  const [bad, good] = [await startUpstream(t, { fault: () => ({ status: 500 }) }),
    await startUpstream(t)]
  const proxy = await startHoldfast(t, config([bad.url, good.url]))
  for (let i = 0; i < 30; i++) assert.equal((await get(proxy)).status, 200)
  assert.ok(bad.requests.length < 10, `${bad.requests.length} of 30`)
})

test('all of them down is the upstream down, and not nobody to call', async t => {
  const [one, two] = [await startUpstream(t), await startUpstream(t)]
  const proxy = await startHoldfast(t, config([one.url, two.url]))
  assert.equal((await get(proxy)).status, 200)
  await Promise.all([one.down(), two.down()])
  for (let i = 0; i < 6; i++) assert.ok((await get(proxy)).status >= 502)
  await Promise.all([one.up(), two.up()])
  await until('an answer', async () => (await get(proxy)).status === 200)
})

// The answer of the first copy is lost; then that address is ill for everybody.
test('a call in doubt goes to the URL of its doubt, whatever health says', async t => {
  const state = { ill: false }
  const lost = new Set()
  const fault = ({ order, path }) => {
    if (state.ill) return path === '/probe' ? { status: 500 } : 'reset_before'
    if (!order?.startsWith('doubt') || lost.has(order)) return undefined
    lost.add(order)
    state.ill = true
    state.where = order
    return 'reset_after'
  }
  const upstreams = [await startUpstream(t, { fault }), await startUpstream(t, { fault: call =>
    (call.order?.startsWith('doubt') && !lost.has(call.order) ? { status: 421 } : undefined) })]
  const proxy = await startHoldfast(t, config(upstreams.map(u => u.url),
    '    idempotency: { mode: key, lifetime: 1h }',
    '    key: { from: [ { body: /order } ] }\n    hold: on_failure\n    wait: 1s'),
  { admin: true })
  const [first, second] = upstreams
  const asked = postJson(`${proxy.url}/pay`, { order: 'doubt-1' })
  await until('the doubt', () => state.ill)
  // Everybody else finds out that the first one is ill.
  await until('its ejection', async () => {
    assert.equal((await get(proxy, '/probe')).status, 200)
    return (await addresses(t, proxy))[0].state === 'out'
  })
  await asked
  const elsewhere = second.requests.filter(r => r.order === 'doubt-1')
  const tried = first.requests.filter(r => r.order === 'doubt-1').length
  await until('more tries', () =>
    first.requests.filter(r => r.order === 'doubt-1').length > tried)
  assert.deepEqual(second.requests.filter(r => r.order === 'doubt-1'), elsewhere,
    'nothing more went to the other one')
  assert.ok(elsewhere.every(r => r.n <= 2), 'before the doubt it may have been refused there')
  state.ill = false
  await until('its answer', async () =>
    (await postJson(`${proxy.url}/pay`, { order: 'doubt-1' })).status === 200)
  assert.equal(first.of('doubt-1').length, 1)
  assert.equal(second.of('doubt-1').length, 0)
})

test('with one key store it goes where it is answered', async t => {
  const lost = new Set()
  const fault = ({ order }) => {
    if (!order?.startsWith('pay') || lost.size > 0) return undefined
    lost.add(order)
    return 'reset_before'
  }
  const [one, two] = [await startUpstream(t, { fault }), await startUpstream(t, { fault })]
  const proxy = await startHoldfast(t, config([one.url, two.url],
    '    one_key_store: true\n    idempotency: { mode: key, lifetime: 1h }',
    '    key: { from: [ { body: /order } ] }'))
  const answer = await postJson(`${proxy.url}/pay`, { order: 'pay-1' })
  assert.equal(answer.status, 200)
  assert.equal(one.requests.length, 1)
  assert.equal(two.requests.length, 1)
})
