// Every error that Holdfast makes must reach an application as an exception of its SDK. The answers
// are provoked from the real binary, then served byte for byte to stripe, openai and anthropic.
import assert from 'node:assert/strict'
import http from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import { AUTH, atEnd, call, exchange, startHoldfast, until } from './rig.mjs'
import { Anthropic, OpenAI, Stripe } from './sdks.mjs'
import { startUpstream } from './upstream.mjs'

const config = (upstream, gone, garbage) => `
upstreams:
  keyed:
    url: ${upstream}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    account: main
    timeouts: { connect: 1s, head: 1s }
  plain: { url: "${upstream}", timeouts: { head: 1s } }
  rated: { url: "${upstream}", rate: 1/m }
  pausing: { url: "${upstream}" }
  narrow: { url: "${upstream}", concurrency: 1 }
  garbage: { url: "${garbage}" }
  gone: { url: "${gone}" }
  broken: { url: "${gone}", breaker: { consecutive: 1, open: 30s..60s } }
  absent:
    url: ${gone}
    idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h }
    credentials: stored
    account: main
routes:
  - { path: /required, upstream: keyed, wait: 300ms, limits: { body: 1KiB },
      key: { required: true, from: [ { header: Idempotency-Key } ] } }
  - { path: /forgets, upstream: keyed, limits: { stored_answer: 10 },
      key: { from: [ { header: Idempotency-Key } ] } }
  - { path: /doubtful, upstream: plain, key: { from: [ { header: Idempotency-Key } ] } }
  - { path: /hooks, upstream: keyed, webhook: { scheme: hmac, secrets: [ s ], header: X-Mac },
      key: { required: true, from: [ { header: X-Id } ] } }
  - { path: /plain, upstream: plain }
  - { path: /rated, upstream: rated, wait: 0s }
  - { path: /pausing, upstream: pausing, wait: 0s }
  - { path: /garbage, upstream: garbage }
  - { path: /narrow, upstream: narrow, wait: 200ms }
  - { path: /gone, upstream: gone, wait: 1s }
  - { path: /broken, upstream: broken, wait: 0s }
  - { path: /held, upstream: absent, hold: on_failure, wait: 300ms,
      key: { stable: true, from: [ { header: Idempotency-Key } ] } }
  - { path: /short, upstream: absent, hold: on_failure, wait: 8s, deadline: 1s,
      key: { stable: true, from: [ { header: Idempotency-Key } ] } }
`

async function rig(t) {
  const fates = { '/doubtful': 'reset_after', '/plain/lost': 'reset_after', '/plain/hang': 'hang',
    '/pausing': { status: 429, fields: { 'retry-after': '60' } } }
  const upstream = await startUpstream(t, {
    fault: ({ path, order }) => fates[path] ?? (order === 'hang' ? 'hang' : undefined),
  })
  const garbage = net.createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('this is no HTTP\r\n\r\n'))
  })
  await new Promise(resolve => garbage.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => garbage.close())
  const closed = await startUpstream(t)
  await closed.down()
  const proxy = await startHoldfast(t,
    config(upstream.url, closed.url, `http://127.0.0.1:${garbage.address().port}`))
  const forgetful = await startHoldfast(t,
    config(upstream.url, closed.url, `http://127.0.0.1:${garbage.address().port}`),
    { journal: 'retention: { keys: 1s, tombstones: 1h }' })
  const post = (path, key, { body = 'order=1', headers, to = proxy } = {}) => call(to.url + path, {
    method: 'POST', body,
    headers: { ...AUTH, ...(key && { 'idempotency-key': key }), ...headers },
  })
  return { upstream, proxy, forgetful, post }
}

async function raw(proxy, bytes) {
  const { text } = await exchange(proxy.port, bytes)
  const [head, ...body] = text.split('\r\n\r\n')
  const [line, ...fields] = head.split('\r\n')
  return { status: Number(line.split(' ')[1]), text: body.join('\r\n\r\n'),
    headers: Object.fromEntries(fields.map(f => f.split(/: */, 2)).map(([n, v]) =>
      [n.toLowerCase(), v])) }
}

// code: what makes Holdfast answer with it.
const provoke = {
  'key-missing': ({ post }) => post('/required'),
  'key-invalid': ({ post }) => post('/required', 'k'.repeat(256)),
  'bad-request': ({ proxy }) =>
    raw(proxy, 'POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n'),
  'not-supported': ({ post }) =>
    post('/plain', undefined, { headers: { 'holdfast-order': 'one' } }),
  'signature-refused': ({ post }) =>
    post('/hooks', undefined, { headers: { 'x-id': '1', 'x-mac': '00'.repeat(32) } }),
  'no-route': ({ post }) => post('/nowhere'),
  'no-such-call': ({ proxy }) =>
    call(`${proxy.url}/.holdfast/calls/${'0'.repeat(36)}`, { headers: AUTH }),
  async 'in-progress'({ post, upstream }) {
    const first = post('/required', 'busy', { body: 'order=hang' })
    await until('the first is under way', () => upstream.requests.some(r => r.key === 'busy'))
    const answer = await post('/required', 'busy', { body: 'order=hang' })
    await first
    return answer
  },
  async 'outcome-unknown'({ post }) {
    await post('/doubtful', 'd1')
    return post('/doubtful', 'd1')
  },
  async 'answer-not-kept'({ post }) {
    assert.equal((await post('/forgets', 'f1')).status, 200)
    return post('/forgets', 'f1')
  },
  async cancelled({ post, proxy }) {
    const accepted = await post('/held', 'c1', { headers: { prefer: 'respond-async' } })
    assert.equal(accepted.status, 202, accepted.text)
    await until('it is cancelled', async () => (await call(proxy.url + accepted.headers.location,
      { method: 'DELETE', headers: AUTH })).status !== 202)
    return post('/held', 'c1')
  },
  async 'already-ended'({ post, proxy }) {
    const { headers } = await post('/required', 'e1')
    return call(`${proxy.url}/.holdfast/calls/${headers['holdfast-call']}`,
      { method: 'DELETE', headers: AUTH })
  },
  async 'key-owned-by-another'({ post }) {
    await post('/required', 'o1')
    return post('/required', 'o1', { headers: { authorization: 'Bearer sk_test_two' } })
  },
  'key-expired': ({ post, forgetful: to }) => until('the key expires', async () => {
    const answer = await post('/required', 'x1', { to })
    return answer.status !== 200 && answer
  }),
  'body-too-large': ({ post }) => post('/required', 'b1', { body: 'x'.repeat(2000) }),
  'expectation-failed': ({ proxy }) => raw(proxy,
    'POST /plain HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n'),
  async 'key-reused'({ post }) {
    await post('/required', 'r1')
    return post('/required', 'r1', { body: 'order=2' })
  },
  async limited({ post }) {
    await post('/rated')
    return post('/rated')
  },
  async paused({ post }) {
    await post('/pausing')
    return post('/pausing')
  },
  async overloaded({ post, upstream }) {
    const first = post('/narrow', undefined, { body: 'order=hang' })
    await until('the only place is taken', () =>
      upstream.requests.some(r => r.path === '/narrow'))
    const answer = await post('/narrow')
    await first
    return answer
  },
  'head-too-large': ({ proxy }) =>
    raw(proxy, `GET /plain HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`),
  unreachable: ({ post }) => post('/gone'),
  'connection-lost': ({ post }) => post('/plain/lost'),
  'invalid-answer': ({ post }) => post('/garbage'),
  held: ({ post }) => post('/held', 'h1'),
  async 'breaker-open'({ post }) {
    await post('/broken')
    return post('/broken')
  },
  timeout: ({ post }) => post('/plain/hang'),
  deadline: ({ post }) => post('/short', 's1'),
  async dead({ post, proxy }) {
    const answer = await post('/short', 's2')
    return call(`${proxy.url}/.holdfast/calls/${answer.headers['holdfast-call']}/response`,
      { headers: AUTH })
  },
  loop: ({ post }) => post('/plain', undefined,
    { headers: { via: Array(20).fill('1.1 holdfast').join(', ') } }),
}

const sdks = {
  stripe: ({ hostname, port }, retries) => new Stripe('sk_test_one', { host: hostname, port,
    protocol: 'http', telemetry: false, maxNetworkRetries: retries })
    .paymentIntents.create({ amount: 1, currency: 'eur' }),
  openai: ({ origin }, retries) =>
    new OpenAI({ apiKey: 'sk', baseURL: `${origin}/v1`, maxRetries: retries })
      .chat.completions.create({ model: 'm', messages: [] }),
  anthropic: ({ origin }, retries) =>
    new Anthropic({ apiKey: 'sk', baseURL: origin, maxRetries: retries })
      .messages.create({ model: 'm', max_tokens: 1, messages: [] }),
}

// A server that gives every request the same answer.
async function replay(t, answer) {
  const hop = /^(connection|keep-alive|transfer-encoding|content-length|date)$/
  const server = http.createServer((request, response) => {
    server.requests++
    request.resume().on('end', () => {
      response.writeHead(answer.status, Object.fromEntries(
        Object.entries(answer.headers).filter(([name]) => !hop.test(name))))
      response.end(answer.text)
    })
  })
  server.requests = 0
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => { server.close(); server.closeAllConnections() })
  server.url = new URL(`http://127.0.0.1:${server.address().port}`)
  return server
}

function wellFormed(code, { status, headers, text }) {
  assert.match(headers['content-type'] ?? '', /^application\/problem\+json/, text)
  const problem = JSON.parse(text)
  assert.equal(problem.type, `urn:holdfast:problem:${code}`)
  assert.ok(status >= 400 && problem.status === status, `status ${status}, ${text}`)
  assert.match(problem.effect, /^(none|unknown|pending|applied)$/)
  assert.equal(typeof problem.safe_to_retry, 'boolean')
  assert.ok(problem.error.type && problem.error.message, text)
  assert.equal(problem.error.code, code)
  assert.match(headers['proxy-status'] ?? '', /holdfast/i)
  if (headers['retry-after']) assert.match(headers['retry-after'], /^\d+$/)
  if (!problem.safe_to_retry && problem.effect !== 'none') {
    assert.equal(headers['x-should-retry'], 'false', 'must not be repeated, and says so')
    assert.equal(headers['stripe-should-retry'], 'false')
  }
}

test('every error of Holdfast is an exception in each SDK', { concurrency: true }, async t => {
  const context = await rig(t)
  await Promise.all(Object.entries(provoke).map(([code, make]) => t.test(code, async t => {
    const answer = await make(context)
    wellFormed(code, answer)
    const server = await replay(t, answer)
    for (const [name, use] of Object.entries(sdks)) {
      await assert.rejects(use(server.url, 0), error => {
        assert.equal(error.statusCode ?? error.status, answer.status, `${name}: ${error.stack}`)
        return true
      }, `${name} took ${code} for success`)
    }
    if (answer.headers['x-should-retry'] !== 'false') return
    for (const [name, use] of Object.entries(sdks)) {
      server.requests = 0
      await assert.rejects(use(server.url, 2))
      assert.equal(server.requests, 1, `${name} repeats what must not be repeated`)
    }
  })))
})
