// A gibibyte each way in constant memory, with back-pressure from a slow reader.
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { atEnd, readText, startHoldfast } from './rig.mjs'

const GIB = 1024 ** 3
const PIECE = Buffer.alloc(256 * 1024, 'x')
const ROOM_MIB = 64
// Under the address sanitizer what is freed stays resident for a while; here only little of it.
const env = {
  ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'quarantine_size_mb=8'].filter(Boolean).join(':'),
}

const residentMib = pid =>
  Number(readText(`/proc/${pid}/status`).match(/^VmHWM:\s+(\d+)/m)[1]) / 1024

const listen = (t, handler) => new Promise(resolve => {
  const server = http.createServer(handler).listen(0, '127.0.0.1', () =>
    resolve(`http://127.0.0.1:${server.address().port}`))
  atEnd(t, () => { server.closeAllConnections(); server.close() })
})

// Writes a gibibyte as fast as it is taken.
function pour(stream) {
  let left = GIB
  const more = () => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE
      left -= piece.length
      if (!stream.write(piece)) return stream.once('drain', more)
    }
    stream.end()
  }
  more()
}

const count = stream => new Promise((resolve, reject) => {
  let bytes = 0
  stream.on('data', piece => { bytes += piece.length })
  stream.on('end', () => resolve(bytes))
  stream.on('error', reject)
})

const config = url => `
upstreams:
  files: { url: "${url}" }
routes:
  - { path: /, upstream: files }
`

test('a gibibyte down, known length and chunked', { timeout: 120_000 }, async t => {
  const upstream = await listen(t, (request, answer) => {
    answer.writeHead(200, request.url === '/known' ? { 'content-length': GIB } : {})
    pour(answer)
  })
  const proxy = await startHoldfast(t, config(upstream), { env })
  for (const path of ['/known', '/chunked']) {
    const before = residentMib(proxy.child.pid)
    const answer = await new Promise((resolve, reject) =>
      http.get(proxy.url + path, { agent: false }, resolve).on('error', reject))
    assert.equal(await count(answer), GIB)
    assert.ok(residentMib(proxy.child.pid) - before < ROOM_MIB, 'memory stays')
  }
})

test('a gibibyte up', { timeout: 120_000 }, async t => {
  const upstream = await listen(t, async (request, answer) => {
    answer.end(String(await count(request)))
  })
  const proxy = await startHoldfast(t, config(upstream), { env })
  const before = residentMib(proxy.child.pid)
  const answer = await new Promise((resolve, reject) => {
    const request = http.request(`${proxy.url}/up`, { method: 'PUT', agent: false }, resolve)
    request.on('error', reject)
    pour(request)
  })
  let text = ''
  for await (const piece of answer) text += piece
  assert.equal(text, String(GIB))
  assert.ok(residentMib(proxy.child.pid) - before < ROOM_MIB, 'memory stays')
})
