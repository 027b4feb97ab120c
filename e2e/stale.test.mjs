// Readers while the application or its database is down: the last answer instead of an error, for a
// while, marked, and never somebody else's; writes wait meanwhile.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { join } from 'node:path'
import { AUTH, atEnd, call, command, folder, readText, startHoldfast,
  until } from './rig.mjs'
import { writeFileSync } from 'node:fs'
import { startUpstream } from './upstream.mjs'

const config = (url, { service = '', upstream = '', route = '' } = {}) => `
${service}
upstreams:
  app: { url: "${url}", timeouts: { connect: 1s, head: 500ms },
         breaker: { open: 200ms..200ms }${upstream} }
routes:
  - { path: /, upstream: app, stale_if_error: 1h${route} }
`

// An application whose answer to each path changes with every request.
function pages(fields = {}) {
  const state = { count: 0, fields, fault: undefined }
  state.options = {
    fault: () => state.fault,
    serve: ({ path }, headers) => ({ status: 200, effect: false,
      body: `${path} ${++state.count} ${headers.authorization ?? headers.cookie ?? ''}`.trim(),
      fields: { 'content-type': 'text/plain', ...state.fields } }),
  }
  return state
}

const metrics = async proxy => (await call(`${proxy.admin}/metrics`, { headers: {
  authorization: `Bearer ${readText(join(proxy.data, 'admin.token')).trim()}` } })).text

test('readers have the last answer while the application is down, however it is', async t => {
  const app = pages({ etag: '"v1"' })
  const upstream = await startUpstream(t, app.options)
  const proxy = await startHoldfast(t, config(upstream.url), { admin: true })
  const page = `${proxy.url}/page?x=1`
  const first = await call(page)
  assert.equal(first.text, '/page?x=1 1')
  assert.equal(first.headers['cache-status'], undefined)

  const stale = async (error, { of = 'hit' } = {}) => {
    const got = await call(page)
    assert.equal(got.status, 200, got.text)
    assert.equal(got.text, '/page?x=1 1')
    assert.match(got.headers.age, /^\d+$/)
    assert.equal(got.headers.etag, '"v1"')
    assert.match(got.headers['cache-status'],
      new RegExp(`^holdfast; ${of}; ttl=(0|-\\d+); detail="stale-if-error ${error}"$`))
    assert.equal(got.headers['retry-after'], undefined)
  }
  app.fault = { status: 500, body: 'no database' }
  await stale('upstream-500', { of: 'fwd=stale; fwd-status=500' })
  app.fault = { status: 503, body: 'x'.repeat(200_000) }
  await stale('upstream-503', { of: 'fwd=stale; fwd-status=503' })
  app.fault = 'reset_before'
  await stale('(connection-lost|breaker-open)')
  app.fault = 'hang'
  await stale('(timeout|breaker-open)')
  app.fault = undefined
  await upstream.down()
  await stale('(unreachable|breaker-open)')
  const head = await call(page, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], String('/page?x=1 1'.length))
  const known = await call(page, { headers: { 'if-none-match': '"v1"' } })
  assert.equal(known.status, 304)
  assert.match(known.headers['cache-status'], /stale-if-error/)
  assert.equal((await call(`${proxy.url}/other`)).status >= 500, true, 'never read before')
  assert.equal((await call(page, { headers: { 'cache-control': 'no-cache' } })).status >= 500, true)
  assert.equal((await call(page, { method: 'POST', body: 'x' })).status >= 500, true)

  await upstream.up()
  await until('a fresh answer', async () => {
    const got = await call(page)
    return got.headers['cache-status'] === undefined && got.text !== '/page?x=1 1'
  })
  const told = await metrics(proxy)
  assert.match(told, /holdfast_stale_answers_total\{route="\/",reason="upstream-500"\} 1/)
  assert.match(told, /holdfast_stale_missed_total\{route="\/",why="nothing-kept"\} 1/)
  assert.match(told, /holdfast_stale_missed_total\{route="\/",why="no-cache"\} 1/)
  assert.match(told, /holdfast_stale_kept 1\n/)
  assert.match(proxy.out + proxy.err,
    /answered_from_memory.*upstream-500.*the reader got an answer of the last \d+s/)
})

test('with an answer at hand nobody waits for an open breaker', async t => {
  const app = pages()
  const upstream = await startUpstream(t, app.options)
  const proxy = await startHoldfast(t, `
upstreams:
  app: { url: "${upstream.url}", breaker: { consecutive: 2, open: 8s..8s } }
routes: [ { path: /, upstream: app, stale_if_error: 1h } ]
`)
  await call(`${proxy.url}/a`)
  await upstream.down()
  for (let i = 0; i < 4; i++) assert.equal((await call(`${proxy.url}/a`)).status, 200)
  const began = performance.now()
  const got = await call(`${proxy.url}/a`)
  assert.match(got.headers['cache-status'], /breaker-open/)
  assert.ok(performance.now() - began < 1500, 'and not the 8 s that it stays open')
})

test('an application in maintenance is down; one that limits us is not', async t => {
  const app = pages()
  const upstream = await startUpstream(t, app.options)
  const proxy = await startHoldfast(t, config(upstream.url))
  await call(`${proxy.url}/a`)
  app.fault = { status: 503, body: 'back soon', fields: { 'retry-after': '120' } }
  for (const error of ['upstream-503', 'paused', 'paused']) {
    const got = await call(`${proxy.url}/a`)
    assert.equal(got.text, '/a 1')
    assert.match(got.headers['cache-status'], new RegExp(error))
  }
  const other = await startHoldfast(t, config(upstream.url))
  app.fault = undefined
  await call(`${other.url}/a`)
  app.fault = { status: 429, body: 'slower', fields: { 'retry-after': '120' } }
  for (let i = 0; i < 2; i++) assert.equal((await call(`${other.url}/a`)).status, 429)
})

test('users never see each other’s, and everybody what is public', async t => {
  const app = pages()
  const upstream = await startUpstream(t, app.options)
  const proxy = await startHoldfast(t, config(upstream.url), { admin: true })
  const as = (user, path) => call(proxy.url + path, { headers: { authorization: user } })
  const cookie = (user, path) => call(proxy.url + path, { headers: { cookie: user } })
  await as('ann', '/mine')
  await as('bob', '/mine')
  await cookie('s=ann', '/session')
  app.fields = { 'cache-control': 'public' }
  await as('ann', '/news')
  app.fields = { 'cache-control': 'private' }
  await call(`${proxy.url}/private`)
  app.fields = { 'set-cookie': 'id=1' }
  await call(`${proxy.url}/login`)
  await upstream.down()
  assert.equal((await as('ann', '/mine')).status >= 500, true)
  assert.equal((await as('bob', '/mine')).status >= 500, true)
  assert.equal((await cookie('s=ann', '/session')).text, '/session 3 s=ann')
  assert.equal((await cookie('s=bob', '/session')).status >= 500, true)
  assert.equal((await call(`${proxy.url}/session`)).status >= 500, true)
  assert.equal((await as('bob', '/news')).text, '/news 4 ann')
  assert.equal((await call(`${proxy.url}/private`)).status >= 500, true)
  assert.equal((await call(`${proxy.url}/login`)).status >= 500, true)
  const told = await metrics(proxy)
  for (const why of ['authorization', 'private', 'set-cookie']) {
    assert.match(told, new RegExp(`holdfast_stale_not_kept_total\\{route="/",why="${why}"\\}`))
  }
})

test('reads are answered while writes are held, and delivered later', async t => {
  const app = pages()
  const upstream = await startUpstream(t, { ...app.options,
    serve: (request, headers) => (request.method === 'POST'
      ? { status: 201, body: '{"id":1}', effect: true }
      : app.options.serve(request, headers)) })
  const proxy = await startHoldfast(t, `
upstreams:
  app:
    url: "${upstream.url}"
    idempotency: { mode: key, lifetime: 1d }
    credentials: stored
    breaker: { open: 200ms..200ms }
routes:
  - { path: /orders, methods: [GET, HEAD], upstream: app, stale_if_error: 1h }
  - path: /orders
    methods: [POST]
    upstream: app
    key: { from: [ { header: Idempotency-Key } ], stable: true }
    hold: on_failure
    held_answer: 202
    wait: 500ms
    retry: { held: [200ms, 500ms, 1s] }
`)
  const list = () => call(`${proxy.url}/orders`)
  assert.equal((await list()).text, '/orders 1')
  await upstream.down()
  const order = await call(`${proxy.url}/orders`, { method: 'POST', body: '{"order":7}',
    headers: { 'idempotency-key': 'o7', 'content-type': 'application/json', ...AUTH } })
  assert.equal(order.status, 202, order.text)
  const stale = await list()
  assert.equal(stale.text, '/orders 1', 'a write that waits has changed nothing yet')
  assert.match(stale.headers['cache-status'], /stale-if-error/)
  await upstream.up()
  await until('the order is there', () => upstream.of(7).length === 1)
  // What the write has changed is not told from memory any more (RFC 9111 section 4.4).
  await until('Holdfast knows', async () => (await call(
    `${proxy.url}${order.headers.location}`, { headers: AUTH })).json.state === 'answered')
  await upstream.down()
  assert.equal((await list()).status >= 500, true)
})

test('an application killed in the middle of an answer', async t => {
  // In a process of its own, so that kill -9 is one.
  const script = join(folder(t), 'app.mjs')
  writeFileSync(script, `
import { createServer } from 'node:http'
let count = 0
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain' })
  if (++count === 1) return response.end('whole answer')
  response.write('half an an')
  process.stdout.write('half\\n')
})
server.listen(Number(process.argv[2]), '127.0.0.1',
  () => console.log('port ' + server.address().port))
`)
  const start = async (port = 0) => {
    const child = spawn(process.execPath, [script, String(port)],
      { stdio: ['ignore', 'pipe', 'inherit'] })
    const self = { child, out: '' }
    child.stdout.setEncoding('utf8').on('data', text => { self.out += text })
    atEnd(t, () => child.kill('SIGKILL'))
    self.port = Number((await until('its port', () => self.out.match(/port (\d+)/)))[1])
    return self
  }
  const app = await start()
  const proxy = await startHoldfast(t, config(`http://127.0.0.1:${app.port}`,
    { upstream: '' }).replace('head: 500ms', 'head: 5s'))
  assert.equal((await call(`${proxy.url}/a`)).text, 'whole answer')
  const cut = assert.rejects(call(`${proxy.url}/a`), 'its reader sees that it was cut')
  await until('half of it', () => app.out.includes('half'))
  app.child.kill('SIGKILL')
  await cut
  const stale = await call(`${proxy.url}/a`)
  assert.equal(stale.text, 'whole answer', 'what is kept is whole')
  assert.match(stale.headers['cache-status'], /stale-if-error/)
  await start(app.port)
  await until('a fresh one', async () =>
    (await call(`${proxy.url}/a`)).headers['cache-status'] === undefined)
})

test('memory is bounded, and a stream of events is nobody’s last answer', async t => {
  const upstream = await startUpstream(t, { keys: false, serve: ({ path }) => {
    if (path === '/events') {
      return { status: 200, body: 'data: 1\n\n', fields: { 'content-type': 'text/event-stream' } }
    }
    const size = path === '/large' ? 1_200_000 : 900_000
    return { status: 200, body: path.padEnd(size, '.') }
  } })
  const proxy = await startHoldfast(t, config(upstream.url, { service: 'stale_cache: 4MiB' }),
    { admin: true })
  const get = path => call(proxy.url + path)
  for (let i = 0; i < 12; i++) assert.equal((await get(`/${i}`)).status, 200)
  await get('/large')
  await get('/events')
  const told = await metrics(proxy)
  const value = name => Number(told.match(new RegExp(`^${name} (\\d+)$`, 'm'))[1])
  assert.ok(value('holdfast_stale_bytes') <= 4 << 20)
  assert.ok(value('holdfast_stale_kept') >= 2)
  assert.ok(value('holdfast_stale_evicted_total') >= 8)
  assert.match(told, /not_kept_total\{route="\/",why="too-large"\} 1/)
  assert.match(told, /not_kept_total\{route="\/",why="event-stream"\} 1/)
  await upstream.down()
  assert.equal((await get('/11')).text.length, 900_000)
  for (const path of ['/0', '/large', '/events']) {
    assert.equal((await get(path)).status >= 500, true, path)
  }
})

test('its time ends', async t => {
  const app = pages({ 'cache-control': 'max-age=0, stale-if-error=3' })
  const upstream = await startUpstream(t, app.options)
  const proxy = await startHoldfast(t, config(upstream.url))
  await call(`${proxy.url}/a`)
  await upstream.down()
  assert.equal((await call(`${proxy.url}/a`)).status, 200)
  await until('an error again', async () => (await call(`${proxy.url}/a`)).status >= 500)
})

test('beside a route that only observes, whose writes count as well', async t => {
  const app = pages()
  const upstream = await startUpstream(t, app.options)
  const proxy = await startHoldfast(t, `
upstreams: { app: { url: "${upstream.url}", breaker: { open: 200ms..200ms } } }
routes:
  - { path: /, methods: [GET], upstream: app, stale_if_error: 1h }
  - { path: /, upstream: app, mode: observe }
`)
  const down = async path => {
    await upstream.down()
    const got = await call(proxy.url + path)
    await upstream.up()
    return got.status
  }
  for (const path of ['/a', '/b']) assert.equal((await call(proxy.url + path)).status, 200)
  assert.equal((await call(`${proxy.url}/a`, { method: 'PUT', body: 'x' })).status, 200)
  assert.equal(await down('/b'), 200)
  assert.equal(await down('/a') >= 500, true)
})

test('check says where it cannot work', async t => {
  const file = join(folder(t), 'c.yaml')
  writeFileSync(file, `
upstreams: { app: { url: "http://127.0.0.1:1" } }
routes:
  - { path: /, upstream: app, methods: [POST], stale_if_error: 1h }
  - { path: /me, upstream: app, owner: { header: X-User }, stale_if_error: 10m }
`)
  const checked = await command(t, ['check', '-c', file])
  assert.match(checked.out + checked.err, /stale-never/)
  assert.match(checked.out + checked.err, /stale-personal/)
})
