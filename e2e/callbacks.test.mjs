// How an application learns the end of a held call without asking.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, call, command, folder, logOf, pause, pay, startHoldfast, until } from './rig.mjs'
import { signed, startReceiver } from './receiver.mjs'
import { startUpstream } from './upstream.mjs'

const NEW = 'whsec_bmV3LXNlY3JldC1jYW5hcnktMQ=='
const OLD = 'old-secret-canary-2'

const config = (upstream, allow, { callbacks = '', route = '', secrets } = {}) => `
callbacks:
  allow: [ ${allow.map(url => `"${url}"`).join(', ')} ]
  secrets: [ ${secrets} ]
  private_addresses: true
  retry: { held: [100ms, 200ms, 300ms, 500ms, 1s] }
  ${callbacks}
upstreams:
  pay:
    url: ${upstream}
    idempotency: { mode: key, lifetime: 1h }
    credentials: stored
    account: main
    breaker: { open: 100ms..200ms }
routes:
  - path: /
    upstream: pay
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    wait: 200ms
    retry: { held: [200ms, 300ms, 500ms, 1s, 1s, 1s, 1s, 1s] }
    ${route}
`

// Its secrets in files, as they are where it runs.
function secretFiles(t) {
  const at = folder(t)
  writeFileSync(join(at, 'new'), `${NEW}\n`)
  writeFileSync(join(at, 'old'), OLD)
  return `"\${file:${join(at, 'new')}}", "\${file:${join(at, 'old')}}"`
}

const order = (proxy, key, headers = {}) =>
  pay(proxy.url, key, { headers: { 'idempotency-key': key, ...headers } })

const tool = (t, proxy) => async (...args) => {
  const done = await command(t, [...args, '--admin', new URL(proxy.admin).host,
    '--token-file', join(proxy.data, 'admin.token')])
  assert.equal(done.code, 0, done.out + done.err)
  return done.out
}

test('the end of a held call is told, signed, until it is taken', async t => {
  const upstream = await startUpstream(t)
  const receiver = await startReceiver(t, {
    answer: (_, n) => [500, { status: 302, fields: { location: '/elsewhere' } }, 404, 204][n - 1],
  })
  const hooks = `${receiver.url}/hooks/`
  const proxy = await startHoldfast(t,
    config(upstream.url, [hooks], { secrets: secretFiles(t) }), { admin: true })
  await upstream.down()
  const held = await order(proxy, 'order-1', { 'holdfast-callback': `${hooks}paid?from=test` })
  assert.equal(held.json.error.code, 'held', held.text)
  await upstream.up()
  await until('it is told and taken', () => receiver.requests.length === 4)
  const id = held.headers['holdfast-call']
  for (const request of receiver.requests) {
    assert.equal(request.path, '/hooks/paid?from=test')
    assert.equal(request.headers['content-type'], 'application/json')
    assert.ok(signed(request, NEW) && signed(request, OLD), request.signature)
    assert.ok(!signed(request, 'another'))
    assert.ok(Math.abs(Date.now() / 1000 - Number(request.timestamp)) < 60)
    assert.equal(request.id, receiver.requests[0].id, 'one webhook-id over all attempts')
    assert.equal(request.body, receiver.requests[0].body)
  }
  const { event } = receiver.requests[0]
  assert.equal(event.type, 'call.answered')
  assert.deepEqual({ ...event.data, created_at: 0 }, { call: id, key: 'order-1',
    state: 'answered', effect: 'applied', attempts: event.data.attempts, created_at: 0,
    answer: { status: 200 } })
  assert.equal(upstream.of('order-1').length, 1)
  assert.equal(upstream.requests[0].headers['holdfast-callback'], undefined)

  const shown = await tool(t, proxy)('calls', 'show', id)
  assert.match(shown, /callback_made/)
  assert.ok(shown.includes(receiver.requests[0].id), 'its timeline names the call that told it')
  await until('the telling has ended', async () =>
    (await tool(t, proxy)('calls', 'show', receiver.requests[0].id)).includes('answered'))
  await proxy.stop()
  const files = readdirSync(proxy.data, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  for (const secret of [NEW, NEW.slice(6), OLD, 'new-secret-canary-1']) {
    assert.ok(!logOf(proxy).includes(secret), 'a secret is logged')
    for (const file of files) assert.ok(!readFileSync(file).includes(secret), file)
  }
})

test('a callback that was not delivered goes on after kill -9', async t => {
  const upstream = await startUpstream(t)
  await upstream.down()
  const receiver = await startReceiver(t, { answer: () => 503 })
  const text = config(upstream.url, [receiver.url],
    { secrets: secretFiles(t), route: `callback: "${receiver.url}/all"` })
  const first = await startHoldfast(t, text)
  const names = Array.from({ length: 10 }, (_, i) => `crash-${i}`)
  await Promise.all(names.map(name => order(first, name)))
  await upstream.up()
  await until('some is told', () => receiver.requests.length >= 3)
  await first.kill()
  receiver.answer = () => 200
  await startHoldfast(t, text, { data: first.data })
  const told = () => new Set(receiver.requests.filter(r => r.event.type === 'call.answered')
    .map(r => r.event.data.key))
  await until('all are told', () => names.every(name => told().has(name)), 40_000)
  const ids = new Map()
  for (const { id, event } of receiver.requests) {
    assert.equal(ids.get(event.data.key) ?? id, id, 'one id for each end')
    ids.set(event.data.key, id)
  }
  assert.deepEqual(names.filter(name => upstream.of(name).length !== 1), [])
})

test('410 is the last word, and a dead receiver costs only itself', async t => {
  const upstream = await startUpstream(t)
  await upstream.down()
  const gone = await startReceiver(t, { answer: () => 410 })
  const hanging = await startReceiver(t, { answer: () => 'hang' })
  const good = await startReceiver(t)
  const proxy = await startHoldfast(t, config(upstream.url,
    [gone.url, hanging.url, good.url], { secrets: secretFiles(t) }))
  for (let i = 0; i < 70; i++) {
    await order(proxy, `h-${i}`, { 'holdfast-callback': `${hanging.url}/`, prefer: 'wait=0' })
  }
  await order(proxy, 'gone', { 'holdfast-callback': `${gone.url}/` })
  await order(proxy, 'good', { 'holdfast-callback': `${good.url}/` })
  await upstream.up()
  await until('the good one is told', () => good.requests.length === 1)
  await until('the other has refused', () => gone.requests.length === 1)
  await pause(1500)  // sleep: a quiet spell longer than several pauses of the schedule
  assert.equal(gone.requests.length, 1)
  assert.equal(good.requests.length, 1)
})

test('only public addresses unless it is said otherwise', async t => {
  const upstream = await startUpstream(t)
  await upstream.down()
  const receiver = await startReceiver(t)
  const byName = receiver.url.replace('127.0.0.1', 'localhost')
  const text = config(upstream.url, [receiver.url, byName], { secrets: secretFiles(t) })
    .replace('private_addresses: true', 'private_addresses: false')
  const proxy = await startHoldfast(t, text, { admin: true })
  await order(proxy, 'a', { 'holdfast-callback': `${receiver.url}/x` })
  await order(proxy, 'b', { 'holdfast-callback': `${byName}/x` })
  await upstream.up()
  const refused = await until('both were refused', async () => {
    const list = await tool(t, proxy)('calls', 'list', '--state', 'waiting', '--json')
    const found = [...list.matchAll(/callback-plain:(127\.0\.0\.1|localhost):\d+/g)]
    return new Set(found.map(m => m[1])).size === 2 &&
      list.match(/address_refused/g)?.length === 2 && list
  })
  assert.ok(refused)
  assert.equal(receiver.connections, 0)
})

test('a callback that cannot be made is refused at once', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream.url, ['https://app.example/hooks/'],
    { secrets: secretFiles(t) }))
  for (const url of ['https://evil.example/hooks/', 'https://app.example/hooks/../x',
    'http://app.example/hooks/', 'https://u:canary@app.example/hooks/', '']) {
    const answer = await order(proxy, 'never', { 'holdfast-callback': url })
    assert.equal(answer.status, 400, url)
    assert.equal(answer.json.error.code, 'bad-request')
    assert.ok(!answer.text.includes('canary'))
  }
  assert.equal(upstream.requests.length, 0)
  const { status } = await call(`${proxy.url}/x`, { headers: AUTH })
  assert.equal(status, 200)
})
