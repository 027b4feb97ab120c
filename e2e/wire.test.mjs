// HTTP as clients and upstreams speak it, through a pass-through route and a keyed one: Node's http
// and raw sockets on both sides.
import assert from 'node:assert/strict'
import http from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import { atEnd, call, exchange, pay, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

// A raw upstream: answers every connection's first bytes with what `answer` makes of them.
async function rawUpstream(t, answer) {
  const server = net.createServer(socket => {
    const at = server.seen.push('') - 1
    socket.on('error', () => {})
    socket.on('close', () => { server.closed++ })
    socket.on('data', bytes => {
      server.seen[at] += bytes.toString('latin1')
      answer(socket, server.seen[at])
    })
  })
  server.seen = []
  server.closed = 0
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => { server.close() })
  server.url = `http://127.0.0.1:${server.address().port}`
  return server
}

// One answer for each head that has come, whatever its body.
const heads = (...answers) => (socket, seen) => {
  if (seen.endsWith('\r\n\r\n')) socket.write(answers[seen.split('\r\n\r\n').length - 2] ?? '')
}

async function through(t, url, route = '') {
  return startHoldfast(t, `
upstreams: { up: { url: "${url}", timeouts: { head: 3s, idle: 2s } } }
routes: [ { path: /, upstream: up${route} } ]
`)
}

test('bytes of path and query, equal fields and their order arrive as sent', async t => {
  const upstream = await rawUpstream(t,
    heads('HTTP/1.1 200 OK\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nContent-Length: 2\r\n\r\nok'))
  const proxy = await through(t, upstream.url)
  const target = '/a//b/%7Ec/../d;x=1?q=%zz&q=+%20'
  const { text } = await exchange(proxy.port, `GET ${target} HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n`
    + 'x-two: b\r\nX-One: 2\r\nTE: trailers\r\nX-Hop: 1\r\nConnection: close, X-Hop\r\n'
    + 'Keep-Alive: timeout=9\r\nHoldfast-Foo: 1\r\n\r\n')
  const [seen] = upstream.seen
  assert.ok(seen.startsWith(`GET ${target} HTTP/1.1\r\n`), seen)
  assert.match(seen, /X-One: 1\r\n[^]*X-One: 2\r\n/)
  assert.match(seen, /\r\nvia: 1\.1 holdfast\r\n/i)
  assert.doesNotMatch(seen, /\r\n(x-hop|keep-alive|holdfast-foo):/i)
  assert.match(text, /X-B: 1\r\n[^]*X-B: 3\r\n/)
  assert.match(text, /\r\n\r\nok$/)
})

test('HEAD, 204, 304 and answers without a body keep the connection in step', async t => {
  const upstream = await rawUpstream(t, heads(
    'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: "x"\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast'))
  const proxy = await through(t, upstream.url)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  atEnd(t, () => agent.destroy())
  const head = await call(proxy.url, { method: 'HEAD', agent })
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], '1000')
  assert.equal((await call(proxy.url, { agent })).status, 204)
  const unchanged = await call(proxy.url, { agent })
  assert.equal(unchanged.status, 304)
  assert.equal(unchanged.headers.etag, '"x"')
  assert.equal((await call(proxy.url, { agent })).text, 'last')
})

test('interim answers: 100 when asked for, 103 on the way, and only one final', async t => {
  const upstream = await rawUpstream(t, (socket, seen) => {
    if (!seen.endsWith('abc')) return
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const proxy = await through(t, upstream.url)
  const answer = await new Promise((resolve, reject) => {
    let continued = false
    const request = http.request(proxy.url, { method: 'POST', agent: false,
      headers: { expect: '100-continue', 'content-length': 3 } })
    request.on('continue', () => { continued = true; request.end('abc') })
    request.on('response', response => {
      let text = ''
      response.on('data', chunk => { text += chunk })
      response.on('end', () => resolve({ status: response.statusCode, text, continued }))
    })
    request.on('error', reject)
    request.flushHeaders()
  })
  assert.deepEqual(answer, { status: 200, text: 'ok', continued: true })
})

test('chunked both ways', async t => {
  const upstream = await rawUpstream(t, (socket, seen) => {
    if (/\r\n0\r\n\r\n$/.test(seen) || /hello world/.test(seen)) {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      socket.write('5;ext=1\r\nfirst\r\n6\r\nsecond\r\n0\r\nX-T: 1\r\n\r\n')
    }
  })
  const proxy = await through(t, upstream.url)
  const answer = await call(`${proxy.url}/x`, { method: 'POST', body: 'hello world',
    headers: { 'transfer-encoding': 'chunked' } })
  assert.equal(answer.status, 200)
  assert.equal(answer.text, 'firstsecond')
  assert.match(upstream.seen[0], /\r\ntransfer-encoding: chunked\r\n/i)
})

test('a close-delimited answer ends with the connection', async t => {
  const upstream = await rawUpstream(t, socket => {
    socket.end('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nup to the end')
  })
  const proxy = await through(t, upstream.url)
  assert.equal((await call(proxy.url)).text, 'up to the end')
})

test('an answer cut in its body is cut for the client too, never completed', async t => {
  for (const start of ['Content-Length: 100\r\n\r\nhalf',
    'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n']) {
    const upstream = await rawUpstream(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${start}`, () => socket.destroy())
    })
    const proxy = await through(t, upstream.url)
    await assert.rejects(call(proxy.url, { method: 'POST', body: 'x' }))
  }
})

test('HTTP/1.0 clients get an answer they can read', async t => {
  const upstream = await rawUpstream(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')
  })
  const proxy = await through(t, upstream.url)
  const { text, closed } = await exchange(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  assert.ok(closed)
  assert.doesNotMatch(text, /transfer-encoding/i)
  assert.match(text, /\r\n\r\nok$/)
})

test('pipelined requests are answered in order', async t => {
  const upstream = await startUpstream(t, { delay: 50, answer: ({ n }) => ({ n }) })
  const proxy = await through(t, upstream.url)
  const post = order => `POST /${order} HTTP/1.1\r\nHost: a\r\nX-Order: ${order}\r\n`
    + 'Content-Length: 0\r\n'
  const { text } = await exchange(proxy.port,
    `${post(1)}\r\n${post(2)}\r\n${post(3)}Connection: close\r\n\r\n`)
  assert.deepEqual(text.match(/\{"n":\d\}/g), ['{"n":1}', '{"n":2}', '{"n":3}'])
  assert.deepEqual(upstream.requests.map(r => r.order), ['1', '2', '3'])
})

test('a client that closes its half still gets its answer', async t => {
  const upstream = await startUpstream(t, { delay: 200 })
  const proxy = await through(t, upstream.url)
  const text = await new Promise(resolve => {
    let seen = ''
    const socket = net.connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('data', bytes => { seen += bytes })
    socket.on('end', () => { socket.destroy(); resolve(seen) })
    socket.end('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  })
  assert.match(text, /^HTTP\/1\.1 200 /)
  assert.equal(upstream.effects.length, 1)
})

test('a client that is gone: its plain call is cancelled upstream at once', async t => {
  const upstream = await rawUpstream(t, () => {})
  const proxy = await through(t, upstream.url)
  const socket = net.connect(proxy.port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  await until('it is at the upstream', () => upstream.seen.join('').includes('POST'))
  socket.resetAndDestroy()
  await until('the upstream is let go', () => upstream.closed === 1, 2000)
})

test('a client that is gone: its keyed call runs on, and its key has the answer', async t => {
  const upstream = await startUpstream(t, { delay: 500 })
  const proxy = await through(t, upstream.url, ', key: { from: [ { header: Idempotency-Key } ] }')
  const socket = net.connect(proxy.port, '127.0.0.1')
  const body = 'amount=500&currency=eur&metadata[order]=gone'
  socket.write('POST /v1/payment_intents HTTP/1.1\r\nHost: a\r\nIdempotency-Key: gone\r\n'
    + 'Authorization: Bearer sk_test_one\r\nContent-Type: application/x-www-form-urlencoded\r\n'
    + `Content-Length: ${body.length}\r\n\r\n${body}`)
  await until('it is at the upstream', () => upstream.requests.length === 1)
  socket.resetAndDestroy()
  const answer = await pay(proxy.url, 'gone', { headers: { 'idempotency-key': 'gone' } })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(upstream.requests.length, 1)
})

test('an answer before the body was read: passed on, and the connection stays in step', async t => {
  const upstream = await rawUpstream(t, (socket, seen) => {
    if (seen.includes('\r\n\r\n')) {
      socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig')
    }
  })
  const proxy = await through(t, upstream.url)
  const answer = await call(proxy.url, { method: 'POST', body: 'x'.repeat(4 << 20) })
    .catch(error => error)
  // Either the upstream's answer, or the connection is closed; never another answer.
  if (answer.status !== undefined) {
    assert.ok(answer.status === 413 || answer.json.error.code === 'connection-lost', answer.text)
  }
})

test('redirects are passed on, and upgrades refused', async t => {
  const upstream = await rawUpstream(t,
    heads('HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'))
  const proxy = await through(t, upstream.url)
  const moved = await call(proxy.url)
  assert.equal(moved.status, 302)
  assert.equal(moved.headers.location, '/elsewhere')
  const { text } = await exchange(proxy.port, 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close,'
    + ' Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n')
  assert.doesNotMatch(text, /^HTTP\/1\.1 101/)
  assert.ok(!upstream.seen.join('').toLowerCase().includes('upgrade: websocket'))
})
