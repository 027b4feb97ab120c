// Routes with `mode: observe`: the upstream sees what it would see without Holdfast, the client
// gets what it would get, and the report tells what would have been done.
import assert from 'node:assert/strict'
import {
  appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync,
} from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  atEnd, call, command, exchange, folder, pause, pay, postJson, startHoldfast, until,
} from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = (url, { upstream = '', route = '' } = {}) => `
upstreams: { up: { url: "${url}"${upstream} } }
routes:
  - path: /
    upstream: up
    mode: observe
    key: { from: [ { header: Idempotency-Key } ] }
    ${route}
`

const ask = (t, proxy, ...more) =>
  command(t, ['report', '-c', proxy.config, '--admin', new URL(proxy.admin).host,
    '--token-file', join(proxy.data, 'admin.token'), ...more])

// What was found so far, by "would rule", with the calls of the only route.
async function findings(t, proxy) {
  const answer = await ask(t, proxy, '--json')
  assert.equal(answer.code, 0, answer.err)
  return counted(JSON.parse(answer.out))
}
function counted(report) {
  const found = { calls: 0, clean: 0 }
  for (const route of report.routes) {
    found.calls += route.calls
    found.clean += route.clean
    for (const one of route.findings) {
      const name = `${one.would} ${one.rule}`
      found[name] = (found[name] ?? 0) + one.count
    }
  }
  return found
}
async function foundSoon(t, proxy, want) {
  let found
  const pick = () => Object.fromEntries(Object.keys(want).map(name => [name, found[name]]))
  await until('a report of all calls', async () => {
    found = await findings(t, proxy)
    return found.calls >= want.calls
  })
  assert.deepEqual(pick(), want, JSON.stringify(found))
  return found
}

// An upstream that keeps every byte of its connections.
async function startRaw(t, answer) {
  const self = { connections: [] }
  const server = net.createServer(socket => {
    const seen = { bytes: '', closed: false }
    self.connections.push(seen)
    socket.on('error', () => {})
    socket.on('close', () => { seen.closed = true })
    socket.setEncoding('latin1').on('data', text => {
      seen.bytes += text
      answer(socket, seen)
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  self.port = server.address().port
  self.url = `http://127.0.0.1:${self.port}`
  atEnd(t, () => server.close())
  return self
}

const HOP = new Set(['connection', 'host', 'content-length', 'transfer-encoding', 'expect'])

// A request's head as lines, without what belongs to one connection; and its body without framing.
function parts(bytes) {
  const end = bytes.indexOf('\r\n\r\n')
  const [first, ...lines] = bytes.slice(0, end).split('\r\n')
  const fields = lines.filter(line => !HOP.has(line.slice(0, line.indexOf(':')).toLowerCase()))
  const host = lines.find(line => line.toLowerCase().startsWith('host:'))?.slice(5).trim()
  const chunked = lines.some(line => /^transfer-encoding: *chunked/i.test(line))
  const rest = bytes.slice(end + 4)
  return { first, fields, host, chunked, body: chunked ? dechunked(rest) : rest }
}
function dechunked(text) {
  let out = ''
  for (;;) {
    const line = text.indexOf('\r\n')
    const size = Number.parseInt(text.slice(0, line), 16)
    if (!size) return out
    out += text.slice(line + 2, line + 2 + size)
    text = text.slice(line + 2 + size + 2)
  }
}

const FIELDS = ['X-Two: 1', 'x-TWO: 2', 'Idempotency-Key: "abc"', 'Prefer: respond-async',
  'Holdfast-Deadline: 5', 'Holdfast-Anything: x', 'Via: 1.1 other', 'Forwarded: for=10.0.0.1',
  'traceparent: 00-1-2-3', 'Authorization: Bearer sk', 'Cookie: a=b', 'Accept-Encoding: gzip']

test('the upstream sees the same bytes, with and without', async t => {
  const upstream = await startRaw(t, (socket, seen) => {
    const whole = seen.bytes.endsWith('END') || seen.bytes.endsWith('END\r\n0\r\n\r\n') ||
      /^(GET|HEAD|DELETE|OPTIONS) /.test(seen.bytes)
    if (!whole || seen.answered) return
    seen.answered = true
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nHoldfast-Own: theirs\r\nX-A: 1\r\n' +
      'x-a: 2\r\nConnection: close\r\n\r\n' + (seen.bytes.startsWith('HEAD') ? '' : 'ok'))
  })
  const proxy = await startHoldfast(t, config(upstream.url, {
    upstream: ', credentials: stored', route: 'hold: always' }))
  const big = 'b'.repeat(3_000_000) + 'END'
  const cases = {
    get: ['GET /a/%2e%2e/b?q=%20+x&q=2 HTTP/1.1', [], ''],
    head: ['HEAD /h HTTP/1.1', [], ''],
    delete: ['DELETE /d HTTP/1.1', [], ''],
    odd: ['PROPFIND /p HTTP/1.1', ['Content-Length: 3'], 'END'],
    post: ['POST /v1/charges HTTP/1.1', ['Content-Length: 8'], 'a=100END'],
    chunked: ['POST /c HTTP/1.1', ['Transfer-Encoding: chunked'],
      '4\r\nabcd\r\n2;ext=1\r\nef\r\n3\r\nEND\r\n0\r\n\r\n'],
    large: ['PUT /l HTTP/1.1', [`Content-Length: ${big.length}`], big],
  }
  for (const [name, [first, framing, body]] of Object.entries(cases)) {
    const send = async port => {
      const before = upstream.connections.length
      const bytes = [first, `Host: 127.0.0.1:${upstream.port}`, ...FIELDS, ...framing, '', '']
        .join('\r\n') + body
      const answer = await exchange(port,
        bytes.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
      const made = upstream.connections.slice(before)
      assert.equal(made.length, 1, `${name}: one request, once`)
      return { seen: parts(made[0].bytes), answer: answer.text }
    }
    const direct = await send(upstream.port)
    const through = await send(proxy.port)
    assert.deepEqual(through.seen, direct.seen, name)
    const fieldsOf = text => text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').slice(1)
      .filter(line => !/^(date|connection):/i.test(line)).sort()
    assert.deepEqual(fieldsOf(through.answer), fieldsOf(direct.answer), name)
    assert.equal(through.answer.endsWith('ok'), direct.answer.endsWith('ok'), name)
  }
  assert.ok(!existsSync(join(proxy.data, 'db')), 'no journal where no route acts')
})

test('100-continue, streams and clients that leave', async t => {
  const upstream = await startRaw(t, (socket, seen) => {
    if (seen.bytes.includes('/slow')) return
    if (seen.bytes.includes('/stream') && !seen.begun) {
      seen.begun = true
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
      seen.more = () => socket.end('data: 2\n\n')
    }
    if (!seen.bytes.endsWith('END')) return
    socket.write('HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok')
  })
  const proxy = await startHoldfast(t, config(upstream.url), { admin: true })

  // The answer to Expect comes while the upstream has the head already: nothing waits for the body.
  const socket = net.connect(proxy.port, '127.0.0.1')
  let got = ''
  socket.setEncoding('latin1').on('data', text => { got += text })
  socket.write('POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n')
  await until('100', () => got.includes('100 Continue'))
  await until('the head upstream', () => upstream.connections[0]?.bytes.includes('POST /c'))
  socket.write('abc')
  await until('its first half', () => upstream.connections[0].bytes.endsWith('abc'))
  socket.write('END')
  await until('201', () => got.includes('201'))
  socket.destroy()

  const request = http.get(`${proxy.url}/stream`)
  const answer = await new Promise(resolve => request.on('response', resolve))
  let text = ''
  answer.setEncoding('utf8').on('data', piece => { text += piece })
  await until('the first event', () => text === 'data: 1\n\n')
  assert.equal(answer.headers['holdfast-call'], undefined)
  upstream.connections.at(-1).more()
  await until('the second', () => text.endsWith('data: 2\n\n'))

  // A client that goes takes its call along, as without Holdfast; and is told of.
  const leaving = net.connect(proxy.port, '127.0.0.1')
  leaving.write('POST /slow HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k1\r\n' +
    'Content-Length: 3\r\n\r\nabc')
  await until('it is there', () => upstream.connections.at(-1).bytes.includes('/slow'))
  leaving.resetAndDestroy()
  await until('the upstream sees the end', () => upstream.connections.at(-1).closed)
  await foundSoon(t, proxy, { calls: 3, 'finish client-left': 1 })
})

test('an answer that comes before the body is through is passed on', async t => {
  const upstream = await startRaw(t, (socket, seen) => {
    if (seen.answered) return
    seen.answered = true
    socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n' +
      'Connection: close\r\n\r\nno\n')
  })
  const proxy = await startHoldfast(t, config(upstream.url), { admin: true })
  const socket = net.connect(proxy.port, '127.0.0.1')
  let got = ''
  socket.on('error', () => {})
  socket.setEncoding('latin1').on('data', text => { got += text })
  socket.write('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc')
  await until('413', () => got.includes(' 413 ') && got.endsWith('no\n'))
  socket.destroy()
  await foundSoon(t, proxy, { calls: 1, 'unseen body-not-read': 1 })
})

test('nothing is retried, refused, held or queued', async t => {
  const statuses = [503, 429, 500, 409, 404]
  const upstream = await startUpstream(t, { keys: false, fault: ({ n }) =>
    (n <= statuses.length ? { status: statuses[n - 1], body: `{"n":${n}}`,
      fields: { 'retry-after': '3600' } } : undefined) })
  const proxy = await startHoldfast(t, config(upstream.url, {
    upstream: ', rate: 1/h, concurrency: 4, idempotency: { mode: key, lifetime: 24h }, ' +
      'credentials: stored',
    route: 'hold: always' }), { admin: true })
  for (const status of statuses) {
    const answer = await pay(proxy.url, 'o', { headers: { 'idempotency-key': `k${status}` } })
    assert.equal(answer.status, status)
    assert.equal(answer.headers['retry-after'], '3600')
    assert.deepEqual(Object.keys(answer.headers).filter(name => name.startsWith('holdfast')), [])
  }
  const many = await Promise.all(Array.from({ length: 30 }, (_, i) =>
    pay(proxy.url, `o${i}`, { headers: { 'idempotency-key': 'one' } })))
  assert.deepEqual([...new Set(many.map(one => one.status))], [200])
  assert.equal(upstream.requests.length, statuses.length + 30)
  const found = await findings(t, proxy)
  assert.equal(found['hold hold-always'] >= 6, true, JSON.stringify(found))
  assert.equal(found.calls, 35)
})

test('an upstream that cannot be had is a plain 502, and a call less is lost from the report',
  async t => {
    const upstream = await startUpstream(t)
    const proxy = await startHoldfast(t, config(upstream.url, {
      upstream: ', idempotency: { mode: key, lifetime: 24h }' }), { admin: true })
    await upstream.down()
    const refused = await pay(proxy.url, 'o', { headers: { 'idempotency-key': 'k' } })
    assert.equal(refused.status, 502)
    assert.equal(refused.text, 'Bad Gateway\n')
    assert.equal(refused.headers['proxy-status'], undefined)
    const found = await foundSoon(t, proxy, { calls: 1, 'retry no-byte-sent': 1 })
    assert.equal(found.clean, 0)
  })

test('the report tells of double submits, lost answers, errors and limits', async t => {
  const upstream = await startUpstream(t, { keys: false, fault: ({ order }) => ({
    lost: 'reset_after', busy: { status: 503 }, big: undefined, slow: undefined,
  })[order] })
  const slow = await startRaw(t, socket => {
    // sleep: slowness of this upstream's own, longer than its `head` allows
    setTimeout(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 1500)
  })
  const proxy = await startHoldfast(t, `
upstreams:
  up: { url: "${upstream.url}", idempotency: { mode: key, lifetime: 24h } }
  plain: { url: "${upstream.url}" }
  slow: { url: "${slow.url}", timeouts: { head: 1s } }
routes:
  - path: /
    upstream: up
    mode: observe
    key: { from: [ { form: "metadata[order]" } ], required: true }
    limits: { body: 2KiB }
  - { path: /plain/, upstream: plain, mode: observe,
      key: { from: [ { header: Idempotency-Key } ] } }
  - { path: /slow/, upstream: slow, mode: observe }
`, { admin: true })
  // One customer, two clicks: the SDK made a key of its own for each.
  const key = value => ({ headers: { 'idempotency-key': value } })
  for (const each of ['sdk-1', 'sdk-2']) {
    assert.equal((await pay(proxy.url, 'two-clicks', key(each))).status, 200)
  }
  assert.equal(upstream.of('two-clicks').length, 2)
  assert.equal((await pay(proxy.url, 'busy')).status, 503)
  assert.equal((await pay(proxy.url, 'lost')).status, 502)
  assert.equal((await pay(proxy.url, 'lost', { ...key('p1'), path: '/plain/x' })).status, 502)
  assert.equal((await pay(proxy.url, 'changed', { ...key('p2'), path: '/plain/x' })).status, 200)
  assert.equal((await pay(proxy.url, 'other', { ...key('p2'), path: '/plain/x' })).status, 200)
  const missing = await postJson(`${proxy.url}/v1/none`, { order: 'n' })
  assert.equal(missing.status, 200)
  const large = await pay(proxy.url, `big${'x'.repeat(3000)}`)
  assert.equal(large.status, 200)
  assert.equal((await call(`${proxy.url}/slow/x`)).status, 200)

  const found = await foundSoon(t, proxy, {
    calls: 10,
    'doubled answered-twice': 1,
    'replay answered': 1,
    'retry retry-same-key': 2,
    'unknown no-repeat-without-proof': 1,
    'refuse key-reused': 1,
    'refuse key-missing': 1,
    'refuse body-too-large': 1,
    'time-out head': 1,
    'retry safe-retry': 1,
  })
  assert.equal(found.clean, 2)

  const text = (await ask(t, proxy)).out
  assert.match(text, /1 request was a repeat of a call already applied: it took effect twice\./)
  assert.match(text, /no_status, retry-same-key/)
  assert.match(text, /POST \/v1\/payment_intents {2}200 {2}key #[0-9a-f]{12}/)
  assert.match(text, /To begin, take `mode: observe` off one route at a time/)
  assert.ok(!text.includes('sdk-'), 'no key in clear')
  const one = await ask(t, proxy, '--route', '/slow/', '--json')
  assert.deepEqual(JSON.parse(one.out).routes.map(route => route.route), ['/slow/'])
  const metrics = await call(`${proxy.admin}/metrics`, { headers: { authorization:
    `Bearer ${readFileSync(join(proxy.data, 'admin.token'), 'utf8').trim()}` } })
  assert.match(metrics.text, /holdfast_observed_total\{route="\/",finding="doubled"\} 1/)
  // Nothing of a request but its path is in the files.
  const kept = readdirSync(join(proxy.data, 'observed'))
    .map(name => readFileSync(join(proxy.data, 'observed', name), 'utf8')).join('')
  for (const secret of ['sk_test_one', 'sdk-1', 'metadata', 'two-clicks']) {
    assert.ok(!kept.includes(secret), secret)
  }
})

test('counts outlive kill -9 but for the last seconds, a torn line, and a stop', async t => {
  const upstream = await startUpstream(t)
  const data = join(folder(t), 'data')
  const begin = () => startHoldfast(t, config(upstream.url), { admin: true, data })
  const days = () => {
    const path = join(data, 'observed')
    return existsSync(path) ? readdirSync(path).map(name => join(path, name)) : []
  }
  let proxy = await begin()
  for (let n = 0; n < 5; n++) assert.equal((await pay(proxy.url, `a${n}`)).status, 200)
  await until('it is written by itself', () => days().some(day => statSync(day).size > 0))
  await proxy.kill()
  // What a write looks like that a crash has cut.
  appendFileSync(days().at(-1), '{"v":1,"kind":"calls","hour":"2026')

  proxy = await begin()
  for (let n = 0; n < 3; n++) assert.equal((await pay(proxy.url, `b${n}`)).status, 200)
  await proxy.stop()
  const rest = await command(t, ['report', '--journal', data, '--json'])
  assert.equal(rest.code, 0, rest.err)
  assert.equal(counted(JSON.parse(rest.out)).calls, 8)
  assert.equal(JSON.parse(rest.out).unreadable_lines, 1)

  proxy = await begin()
  assert.equal((await findings(t, proxy)).calls, 8)
  assert.match((await ask(t, proxy)).out, /Lines of the files that could not be read: 1/)
})

test('a directory that cannot be written costs no call, and the counts come later', async t => {
  const upstream = await startUpstream(t)
  const data = join(folder(t), 'data')
  const first = await startHoldfast(t, config(upstream.url), { data })
  await first.stop()
  writeFileSync(join(data, 'observed'), 'in the way')
  const proxy = await startHoldfast(t, config(upstream.url), { admin: true, data })
  assert.equal((await pay(proxy.url, 'a')).status, 200)
  await until('the log says so', () => (proxy.out + proxy.err).includes('observed_not_written'))
  assert.equal((await pay(proxy.url, 'b')).status, 200)
})

test('a start that fails ends', async t => {
  const upstream = await startUpstream(t)
  const taken = new URL(upstream.url).host
  const file = join(folder(t), 'holdfast.yaml')
  writeFileSync(file, `listen: ${taken}
journal: { path: "${join(folder(t), 'data')}" }
upstreams: { up: { url: "http://127.0.0.1:1" } }
routes: [ { path: /, upstream: up, mode: observe } ]
`)
  const how = await command(t, ['serve', '-c', file])
  assert.equal(how.code, 1, how.err)
  assert.match(how.err, /listen/)
})

test('beside a route that acts, neither meets the other', async t => {
  const upstream = await startUpstream(t, { fault: ({ path }) =>
    (path.startsWith('/watched') ? { status: 429, fields: { 'retry-after': '600' } } : undefined) })
  const proxy = await startHoldfast(t, `
upstreams:
  up: { url: "${upstream.url}", idempotency: { mode: key, lifetime: 24h } }
routes:
  - { path: /, upstream: up, key: { from: [ { header: Idempotency-Key } ] } }
  - { path: /watched/, upstream: up, mode: observe,
      key: { from: [ { header: Idempotency-Key } ] } }
`, { admin: true })
  const key = { headers: { 'idempotency-key': 'same' } }
  assert.equal((await pay(proxy.url, 'a', { ...key, path: '/watched/x' })).status, 429)
  const acted = await pay(proxy.url, 'b', key)
  assert.equal(acted.status, 200, 'the pause and the key of what was observed do not count')
  assert.ok(acted.headers['holdfast-call'])
  const again = await pay(proxy.url, 'b', key)
  assert.equal(again.headers['idempotent-replayed'], 'true')
  // sleep: time in which a retry of what was observed would come
  await pause(300)
  assert.equal(upstream.requests.filter(one => one.path.startsWith('/watched')).length, 1)
})
