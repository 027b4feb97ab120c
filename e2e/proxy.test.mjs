// A proxy on the way out: every connection is a tunnel, and whatever the proxy does before it
// stands is no doubt. What breaks behind it is.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { authority } from './certificates.mjs'
import { startProxy } from './proxy.mjs'
import { AUTH, atEnd, call, command, folder, logOf, pause, postJson, startHoldfast, until }
  from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = (upstream, proxy, more = '', route = '') => `
upstreams:
  bank:
    url: ${upstream}
    ${proxy ? `proxy: "${proxy}"` : ''}
    credentials: stored
    account: main
    timeouts: { connect: 500ms, head: 2s }
    breaker: { consecutive: 1000, of_at_least: 1000, open: 100ms }
${more}
routes:
  - path: /
    upstream: bank
    retry: { live: { attempts: 1 }, held: [200ms, 200ms, 200ms, 200ms, 1s, 1s, 1s, 1s] }
${route}
`
const KEYLESS = `    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    wait: 300ms
`
const get = proxy => call(proxy.url, { headers: AUTH })
const order = (proxy, id) =>
  postJson(`${proxy.url}/pay`, { order: id }, { 'idempotency-key': id })
const adminOf = proxy =>
  ['--admin', proxy.admin.replace('http://', ''), '--token-file', `${proxy.data}/admin.token`]

async function startTls(t, ca) {
  const own = ca.issue('bank.test')
  const server = https.createServer({ key: readFileSync(own.key), cert: readFileSync(own.cert) },
    (request, answer) => { request.resume().on('end', () => answer.end('over tls')) })
  atEnd(t, () => { server.closeAllConnections(); server.close() })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return server.address().port
}

test('http and https go through it, with credentials that may change', async t => {
  const upstream = await startUpstream(t)
  const word = join(folder(t), 'word')
  writeFileSync(word, 'open: sesame\n')
  const good = () => `Basic ${Buffer.from(`hold fast:${readFileSync(word, 'utf8').trim()}`)
    .toString('base64')}`
  const proxy = await startProxy(t, { answer: ({ authorization }) => (authorization === good()
    ? undefined : { status: 407, fields: { 'Proxy-Authenticate': 'Basic realm="x"' } }) })
  const named = proxy.url.replace('http://', `http://hold%20fast:\${file:${word}}@`)
  const plain = await startHoldfast(t, config(upstream.url, named), { admin: true, health: true })
  for (let i = 0; i < 3; i++) assert.equal((await get(plain)).status, 200)
  assert.deepEqual(proxy.asked.map(a => a.target), [`127.0.0.1:${upstream.port}`],
    'one tunnel, kept')
  assert.equal(upstream.requests.length, 3)
  assert.ok(upstream.requests.every(r => !r.headers['proxy-authorization']))
  assert.equal(upstream.requests[0].headers.host, `127.0.0.1:${upstream.port}`)

  const ca = authority(t)
  const port = await startTls(t, ca)
  const secure = await startHoldfast(t, config(`https://127.0.0.1:${port}`, named,
    `    tls: { ca: "${ca.cert}", server_name: bank.test }`))
  assert.equal((await get(secure)).text, 'over tls')

  writeFileSync(word, 'another word')
  proxy.cut()
  await until('the new word', async () => (await get(plain)).status === 200)
  assert.equal(proxy.asked.at(-1).authorization, good())
  assert.ok(!(logOf(plain) + logOf(secure)).match(/sesame|another word/))
  const { text } = await call(`${plain.health}/metrics`)
  assert.match(text, new RegExp(`^holdfast_upstream_proxy_connections_total{upstream="bank",proxy="`
    + `127.0.0.1:${proxy.port}",result="opened"} \\d+$`, 'm'))
  const { out } = await command(t, ['upstreams', ...adminOf(plain)])
  assert.match(out, new RegExp(`^bank +127.0.0.1:${proxy.port} +\\d+ opened`, 'm'))
})

test('the environment is not looked at', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t)
  const env = Object.fromEntries(['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy',
    'ALL_PROXY', 'all_proxy'].map(name => [name, proxy.url]))
  const holdfast = await startHoldfast(t, config(upstream.url), { env })
  assert.equal((await get(holdfast)).status, 200)
  assert.deepEqual(proxy.asked, [])
  const through = await startHoldfast(t, config(upstream.url, proxy.url),
    { env: { NO_PROXY: '*', no_proxy: '127.0.0.1' } })
  assert.equal((await get(through)).status, 200)
  assert.equal(proxy.asked.length, 1)
})

const refusals = [
  ['it refuses', { status: 403, fields: { 'X-Squid-Error': 'ERR_ACCESS_DENIED 0' } },
    'proxy_refused', /refused to connect/,
    /answered 403 to CONNECT \S+ \(ERR_ACCESS_DENIED 0\); many proxies open tunnels to port 443/],
  ['it cannot reach the upstream', { status: 502 }, 'proxy_refused', /refused to connect/,
    /answered 502 to CONNECT/],
  ['it wants credentials', { status: 407, fields: { 'Proxy-Authenticate': 'Negotiate' } },
    'proxy_credentials', /does not take our credentials \(407\)/,
    /wants a user name and password: \S+; it takes negotiate, and Holdfast knows Basic alone/],
  ['it hangs', 'hang', 'proxy_failed', /gave no usable answer/, /no answer to CONNECT in time/],
  ['it resets', 'reset', 'proxy_failed', /gave no usable answer/, /without an answer/],
  ['it goes', 'empty', 'proxy_failed', /gave no usable answer/, /without an answer/],
  ['it speaks something else', { bytes: 'SSH-2.0-OpenSSH_9.2\r\n' }, 'proxy_failed',
    /gave no usable answer/, /gave no valid answer/],
  ['it never stops', { bytes: `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}` }, 'proxy_failed',
    /gave no usable answer/, /gave no valid answer/],
  ['it answers for the upstream',
    { bytes: 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npaid' },
    'proxy_failed', /gave no usable answer/, /sent more than its answer/],
]

test('what it refuses is told as its refusal, and nothing was sent', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t)
  const holdfast = await startHoldfast(t, config(upstream.url, proxy.url, '', KEYLESS),
    { admin: true })
  const expect = async (what, cause, detail, line) => {
    const answer = await get(holdfast)
    assert.equal(answer.status, 502, `${what}: ${answer.text}`)
    assert.equal(answer.headers['holdfast-effect'], 'none', what)
    assert.equal(answer.json.error.code, 'unreachable', what)
    assert.equal(answer.json.safe_to_retry, true, what)
    assert.match(answer.json.detail, detail, what)
    assert.ok(!answer.text.includes('private words'))
    await until(`a line: ${what}`, () => line.test(logOf(holdfast)))
    const { out } = await command(t, ['upstreams', ...adminOf(holdfast)])
    assert.match(out, new RegExp(`\\d+ ${cause}`), what)
  }
  for (const [what, instead, cause, detail, line] of refusals) {
    proxy.answer = () => instead
    await expect(what, cause, detail, line)
  }
  await proxy.down()
  await expect('it is down', 'proxy_unreachable', /could not be reached/,
    /proxy 127\.0\.0\.1:\d+ \(127\.0\.0\.1:\d+\): connect_refused/)
  assert.deepEqual(upstream.requests, [])
})

// At an upstream without keys one copy too many is a second payment.
test('a held call waits for the proxy, and is sent once, even where nothing may be repeated',
  async t => {
    const upstream = await startUpstream(t, { keys: false })
    const proxy = await startProxy(t, { answer: ({ n }) =>
      [{ status: 403 }, 'reset', { status: 407 }, 'hang', 'empty'][n - 1] })
    const holdfast = await startHoldfast(t, config(upstream.url, proxy.url, '', KEYLESS),
      { admin: true })
    const held = await order(holdfast, 'one')
    assert.equal(held.status, 503, held.text)
    assert.equal(held.json.effect, 'pending')
    const answer = await until('its answer', async () => {
      const again = await order(holdfast, 'one')
      return again.status === 200 && again
    })
    assert.equal(upstream.of('one').length, 1)
    assert.equal(upstream.requests.length, 1)
    assert.ok(proxy.asked.length >= 6, `${proxy.asked.length}`)
    const { out } = await command(t,
      ['calls', 'show', answer.headers['holdfast-call'], ...adminOf(holdfast)])
    assert.match(out, /nothing.sent.*proxy_refused.*rule: no-byte-sent/i)
    assert.match(out, /proxy_credentials/)
    assert.match(out, /proxy_failed/)
  })

test('what breaks behind the tunnel is in doubt, and not sent again', async t => {
  const upstream = await startUpstream(t, { keys: false, fault: () => 'hang' })
  const proxy = await startProxy(t)
  const holdfast = await startHoldfast(t, config(upstream.url, proxy.url, '', KEYLESS),
    { admin: true })
  const asked = order(holdfast, 'doubt')
  await until('the request', () => upstream.requests.length === 1)
  proxy.cut()
  const answer = await asked
  assert.equal(answer.json.effect, 'unknown', answer.text)
  assert.equal(answer.json.safe_to_retry, false)
  await pause(1500)  // several steps of its schedule
  assert.equal((await order(holdfast, 'doubt')).status, 409)
  assert.equal(upstream.requests.length, 1)
  assert.equal(proxy.asked.length, 1)
})

test('a tunnel that leads to somebody else is found out by TLS', async t => {
  const ca = authority(t)
  const bank = await startTls(t, ca)
  const thief = await startTls(t, authority(t, 'Stranger'))
  const proxy = await startProxy(t, { answer: () => ({ to: thief }) })
  const holdfast = await startHoldfast(t, config(`https://127.0.0.1:${bank}`, proxy.url,
    `    tls: { ca: "${ca.cert}", server_name: bank.test }`))
  const answer = await get(holdfast)
  assert.equal(answer.status, 502)
  assert.equal(answer.headers['holdfast-effect'], 'none')
  await until('a line', () =>
    /through proxy \S+\): certificate refused: .*; expected is bank\.test,/.test(logOf(holdfast)))
  proxy.answer = undefined
  assert.equal((await get(holdfast)).text, 'over tls')
})

test('check says what is wrong with it, and never the password', async t => {
  const file = join(folder(t), 'holdfast.yaml')
  writeFileSync(file, config('https://bank.example', 'http://u:sesame@proxy.example'))
  const { code, out, err } = await command(t, ['check', '-c', file])
  assert.equal(code, 1)
  assert.match(err,
    /holdfast\.yaml:5:12: error: upstreams\.bank\.proxy: the proxy's port is missing/)
  writeFileSync(file, config('https://bank.example', 'http://u:sesame@proxy.example:3128'))
  const fine = await command(t, ['check', '-c', file, '--print'])
  assert.equal(fine.code, 0, fine.err)
  assert.match(fine.err, /\[secret-literal\]/)
  assert.match(fine.out, /proxy: "http:\/\/u:\(hidden\)@proxy\.example:3128"/)
  assert.ok(!(out + err + fine.out + fine.err).includes('sesame'))
  const upstream = await startUpstream(t)
  const missing = await startHoldfast(t, config(upstream.url,
    'http://u:${env:NO_SUCH_WORD}@127.0.0.1:9'))
  await until('a line at the start', () =>
    /secret_unavailable.*upstreams\.bank\.proxy: .*NO_SUCH_WORD/.test(logOf(missing)))
})
