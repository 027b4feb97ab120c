// Requests whose length or lines can be read in two ways: refused, the connection closed, and not
// one byte of them at the upstream.
import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { atEnd, exchange, startHoldfast } from './rig.mjs'

const post = (fields, body = '') => `POST /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`
const chunked = body => post('Transfer-Encoding: chunked\r\n', body)
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

const bad = {
  'Content-Length and Transfer-Encoding':
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'Transfer-Encoding and Content-Length':
    post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '1\r\nZ\r\nQ\r\n\r\n'),
  'two different Content-Lengths': post('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd'),
  'a list of Content-Lengths': post('Content-Length: 3, 4\r\n', 'abcd'),
  'a signed Content-Length': post('Content-Length: +3\r\n', 'abc'),
  'a negative Content-Length': post('Content-Length: -1\r\n'),
  'a hexadecimal Content-Length': post('Content-Length: 0x3\r\n', 'abc'),
  'a Content-Length beyond 64 bits': post('Content-Length: 18446744073709551617\r\n', 'a'),
  'an empty Content-Length': post('Content-Length: \r\n', 'a'),
  'an unknown transfer coding': post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
  'chunked twice': post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'),
  'chunked not last': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
  'a tab before the coding\'s colon': post('Transfer-Encoding\t: chunked\r\n', '0\r\n\r\n'),
  'a space before a colon': post('Content-Length : 3\r\n', 'abc'),
  'a space before the first field': 'POST /x HTTP/1.1\r\n Host: a\r\nContent-Length: 0\r\n\r\n',
  'a folded line': post('X: a\r\n b\r\nContent-Length: 0\r\n'),
  'bare LF in the head': 'POST /x HTTP/1.1\nHost: a\nContent-Length: 0\n\n',
  'bare LF after one field': post('X: a\nContent-Length: 3\r\n', 'abc'),
  'bare CR in a value': post('X: a\rContent-Length: 3\r\n', 'abc'),
  'NUL in a value': post('X: a\0b\r\nContent-Length: 0\r\n'),
  'NUL in a name': post('X\0: a\r\nContent-Length: 0\r\n'),
  'no Host': 'POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n',
  'two Hosts': 'POST /x HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n',
  'a Host with a path': 'POST /x HTTP/1.1\r\nHost: a/b\r\nContent-Length: 0\r\n\r\n',
  'two spaces in the request line': 'POST  /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  'a space in the target': 'POST /x y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  'a method with a colon': 'PO:ST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  'a fragment in the target': 'POST /x#y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  'HTTP/2.0 in the request line': 'POST /x HTTP/2.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  'the HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'no version': 'POST /x\r\nHost: a\r\n\r\n',
  CONNECT: 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n',
  'a huge head': `POST /x HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(200_000)}\r\n\r\n`,
  'a head of many lines':
    `POST /x HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
  'a chunk size with a sign': chunked('+3\r\nabc\r\n0\r\n\r\n'),
  'a chunk size with a prefix': chunked('0x3\r\nabc\r\n0\r\n\r\n'),
  'a chunk size with a space': chunked('3 \r\nabc\r\n0\r\n\r\n'),
  'a chunk size beyond 64 bits': chunked('10000000000000003\r\nabc\r\n0\r\n\r\n'),
  'no chunk size': chunked('\r\nabc\r\n0\r\n\r\n'),
  'a chunk without its CRLF': chunked('3\r\nabcXX0\r\n\r\n'),
  'a chunk with a bare LF': chunked('3\nabc\r\n0\r\n\r\n'),
  'a chunk that ends in a bare LF': chunked('3\r\nabc\n0\r\n\r\n'),
  'a bare CR in a chunk extension': chunked(`3;a\rb\r\nabc\r\n0\r\n\r\n`),
  'a bare LF in a chunk extension': chunked(`3;a\nabc\r\n0\r\n\r\n${SMUGGLED}`),
  'an endless chunk extension': chunked(`3;${'a'.repeat(100_000)}\r\nabc\r\n0\r\n\r\n`),
  'a trailer with a bare LF': chunked('0\r\nX: a\nY: b\r\n\r\n'),
  'chunked in HTTP/1.0':
    'POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
}

// Keeps every byte of every connection, and answers nothing.
async function capture(t) {
  const server = net.createServer(socket => {
    const at = server.seen.push('') - 1
    socket.on('error', () => {})
    socket.on('data', bytes => { server.seen[at] += bytes.toString('latin1') })
  })
  server.seen = []
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => server.close())
  server.url = `http://127.0.0.1:${server.address().port}`
  return server
}

// A buffered route and one that streams: they read bodies at different times.
const config = url => `
upstreams:
  plain: { url: "${url}", timeouts: { head: 1s } }
  keyed:
    url: ${url}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    timeouts: { head: 1s }
routes:
  - { path: /, upstream: NAME, wait: 1s }
`
for (const name of ['keyed', 'plain']) {
  test(`malformed requests, ${name === 'keyed' ? 'buffered' : 'streamed'} route`, async t => {
    const upstream = await capture(t)
    const proxy = await startHoldfast(t, config(upstream.url).replace('NAME', name)
      .replace(name === 'keyed' ? /^  plain:.*\n/m : /^  keyed:\n(    .*\n)+/m, ''))
    // Every case has a path of its own, because what it leaves at the upstream may come late.
    for (const [number, [what, text]] of Object.entries(bad).entries()) {
      await t.test(what, async () => {
        const path = `/case${number}`
        const bytes = text.replace(' /x', ` ${path}`)
        const { text: answer, closed } = await exchange(proxy.port, bytes)
        assert.ok(closed, `the connection stays open: ${answer.slice(0, 200)}`)
        if (answer) assert.match(answer, /^HTTP\/1\.1 (4\d\d|50[15]) /)
        assert.equal(answer.match(/HTTP\/1\.1 \d\d\d/g)?.length ?? 0, answer ? 1 : 0, answer)
      })
    }
    await exchange(proxy.port, post('Content-Length: 3\r\nConnection: close\r\n', 'abc'))
    const good = upstream.seen.filter(bytes => bytes.startsWith('POST /x HTTP/1.1\r\n'))
    assert.equal(good.length, 1, 'a good request still passes')
    const others = upstream.seen.filter(bytes => bytes && !good.includes(bytes))
    assert.deepEqual(others, [], 'no byte of a malformed request reaches the upstream')
  })
}

test('a request behind a refused one on its connection is not read', async t => {
  const upstream = await capture(t)
  const proxy = await startHoldfast(t, config(upstream.url).replace('NAME', 'plain')
    .replace(/^  keyed:\n(    .*\n)+/m, ''))
  await exchange(proxy.port, post('Content-Length: 1\r\nContent-Length: 2\r\n', `a${SMUGGLED}`))
  assert.deepEqual(upstream.seen, [])
})

test('Connection cannot name away what matters', async t => {
  const upstream = await capture(t)
  const proxy = await startHoldfast(t, config(upstream.url).replace('NAME', 'keyed')
    .replace(/^  plain:.*\n/m, ''))
  await exchange(proxy.port, post('Content-Length: 3\r\nAuthorization: Bearer x\r\nX-Hop: 1\r\n'
    + 'Idempotency-Key: k1\r\nConnection: close, authorization, idempotency-key, host, x-hop\r\n',
  'abc'))
  const [bytes] = upstream.seen
  assert.match(bytes, /\r\nauthorization: Bearer x\r\n/i)
  assert.match(bytes, /\r\nidempotency-key: k1\r\n/i)
  assert.match(bytes, /\r\nhost: 127/i)
  assert.doesNotMatch(bytes, /\r\nx-hop:/i)
})
