// `classify` through the real binary: what is read first arrives whole, what is not read flows, and
// what a hostile upstream writes is believed no further than it goes.
import assert from 'node:assert/strict'
import http from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, atEnd, call, command, folder, postJson, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = url => `
upstreams:
  chat:
    url: ${url}
    preset: slack
    timeouts: { head: 2s, idle: 1s }
routes:
  - { path: /api/, upstream: chat, wait: 5s }
  - { path: /keyed/, upstream: chat, wait: 5s, key: { from: [ { header: Idempotency-Key } ] } }
`

// An upstream that answers every path as \`answers\` says.
async function rig(t, answers) {
  const seen = []
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      seen.push({ path: request.url, headers: request.headers })
      answers(request, response, seen.filter(other => other.path === request.url).length)
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => { server.close(); server.closeAllConnections() })
  const url = `http://127.0.0.1:${server.address().port}`
  return { seen, proxy: await startHoldfast(t, config(url)) }
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }
const answerWith = (status, text, fields = JSON_TYPE) => (request, response) =>
  response.writeHead(status, fields).end(text)

test('answers that are read first arrive as they are', async t => {
  const small = JSON.stringify({ ok: true, text: 'é'.repeat(1000) })
  const large = JSON.stringify({ ok: false, error: 'ratelimited', text: 'x'.repeat(300_000) })
  const { seen, proxy } = await rig(t, (request, response) => {
    const text = request.url.endsWith('large') ? large : small
    response.writeHead(200, JSON_TYPE)
    // In pieces, and chunked.
    for (let at = 0; at < text.length; at += 10_000) response.write(text.slice(at, at + 10_000))
    response.end()
  })
  for (const [path, text] of [['/api/small', small], ['/api/large', large]]) {
    const answer = await postJson(proxy.url + path, {}, { 'accept-encoding': 'gzip, br' })
    assert.equal(answer.status, 200)
    assert.equal(answer.text, text, 'byte for byte')
  }
  assert.deepEqual(seen.map(s => s.headers['accept-encoding']), ['identity', 'identity'])
  const head = await call(`${proxy.url}/api/small`, { method: 'HEAD', headers: AUTH })
  assert.equal(head.status, 200)
  assert.equal(seen.length, 3, 'nothing was sent twice: the large one was too large to be read')
})

test('event streams and files flow', async t => {
  let go
  const { proxy } = await rig(t, (request, response) => {
    response.writeHead(200, { 'content-type': request.url.endsWith('events')
      ? 'text/event-stream' : 'application/octet-stream' })
    response.write('{"ok":false,"error":"ratelimited"}')
    go = () => response.end()
  })
  for (const path of ['/api/events', '/api/file']) {
    await new Promise((resolve, reject) => {
      const request = http.request(proxy.url + path, { method: 'POST', headers: AUTH }, answer => {
        // The first piece is here before the upstream has ended.
        answer.once('data', piece => {
          assert.match(String(piece), /ratelimited/)
          go()
        })
        answer.on('end', resolve)
      })
      request.on('error', reject).end()
    })
  }
})

test('what is ambiguous, cut or of another kind is no refusal', async t => {
  const bodies = {
    twice: '{"ok":false,"error":"channel_not_found","error":"ratelimited"}',
    inside: '{"ok":false,"error":"x","message":"{\\"ok\\":false,\\"error\\":\\"ratelimited\\"}"}',
    deep: `{"ok":false,"a":${'['.repeat(5000)}${']'.repeat(5000)},"error":"ratelimited"}`,
    nojson: '{"ok":false,"error":"ratelimited"} and more',
    zeros: '{"ok":false,"error":"ratelimited\\u0000"}',
  }
  const { seen, proxy } = await rig(t, (request, response) =>
    answerWith(200, bodies[request.url.split('/').pop()])(request, response))
  for (const base of ['/api', '/keyed']) {
    for (const [name, body] of Object.entries(bodies)) {
      const answer = await postJson(`${proxy.url}${base}/${name}`, {},
        { 'idempotency-key': `${base}${name}` })
      assert.equal(answer.status, 200, name)
      assert.equal(answer.text, body, name)
    }
  }
  assert.equal(seen.length, 2 * Object.keys(bodies).length, 'each was sent once')
})

test('an answer cut while it is read is not handed on as if it were whole', async t => {
  const { seen, proxy } = await rig(t, (request, response) => {
    response.writeHead(200, { ...JSON_TYPE, 'content-length': 1000 })
    response.write('{"ok":true,')
    setImmediate(() => request.socket.destroy())
  })
  const answer = await postJson(`${proxy.url}/api/cut`, {})
  assert.equal(answer.status, 502, answer.text)
  assert.equal(answer.headers['holdfast-effect'], 'unknown')
  assert.equal(seen.length, 1)
})

test('a refusal in a 200 is tried again, and policy foretells it', async t => {
  const { seen, proxy } = await rig(t, (request, response, n) => (n === 1
    ? answerWith(200, '{"ok":false,"error":"ratelimited"}', { ...JSON_TYPE, 'retry-after': '1' })
    : answerWith(200, '{"ok":true}'))(request, response))
  const answer = await postJson(`${proxy.url}/keyed/again`, {}, { 'idempotency-key': 'k' })
  assert.equal(answer.text, '{"ok":true}')
  assert.equal(answer.headers['holdfast-attempts'], '2')
  assert.equal(seen.length, 2)

  const body = join(folder(t), 'body')
  writeFileSync(body, '{}')
  const said = await command(t, ['policy', '-c', proxy.config, 'POST', `${proxy.url}/keyed/again`,
    '--header', 'Idempotency-Key: k', '--body', body])
  assert.equal(said.code, 0, said.err)
  const at = said.out.indexOf('200 with /ok: false, /error: ratelimited, ...')
  assert.ok(at >= 0, said.out)
  assert.match(said.out.slice(at, at + 400), /classified-refusal/)
  assert.match(said.out.slice(at, at + 400), /preset slack/)
})

// A rule that is wrong stops with the next configuration, for what it has held up too.
test('a held call follows the rules of today', async t => {
  const upstream = await startUpstream(t, { keys: false,
    fault: () => ({ status: 403, applied: true, fields: { 'x-limit': '0' },
      body: '{"error":"no"}' }) })
  const held = rules => `
upstreams:
  api: { url: "${upstream.url}", credentials: stored, account: a, classify: ${rules} }
routes:
  - path: /
    upstream: api
    hold: always
    key: { from: [ { body: /order } ] }
    retry: { held: [100ms, 100ms, 100ms, 100ms, 200ms] }
`
  const wrong = await startHoldfast(t,
    held('[ { status: 403, headers: { X-Limit: "0" }, means: refused } ]'), { admin: true })
  const accepted = await postJson(`${wrong.url}/pay`, { order: 'one' })
  assert.equal(accepted.status, 202, accepted.text)
  await until('it was tried again', () => upstream.requests.length > 1)
  await wrong.kill()
  const right = await startHoldfast(t,
    held('[ { status: 403, headers: { X-Limit: "0" }, means: error } ]'), { data: wrong.data })
  const ended = await until('it has ended', async () => {
    const state = await call(right.url + accepted.headers.location, { headers: AUTH })
    return state.json.state === 'answered' && state.json
  })
  assert.equal(ended.state, 'answered')
})
