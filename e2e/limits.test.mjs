// Shares of clients: whoever asks for more is refused and told why, and nobody else notices.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join } from 'node:path'
import { call, command, exchange, readText, startHoldfast } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const seconds = text => Number(text)

function config(upstream, limits, more = '') {
  return `
${more}
limits:
${limits.map(limit => `  - ${limit}`).join('\n')}
upstreams: { app: { url: "${upstream.url}" } }
routes: [ { path: /, upstream: app } ]
`
}

// `holdfast limits ...` of this Holdfast.
const limits = (t, proxy, ...args) => command(t, ['limits', '--admin', proxy.admin,
  '--token-file', join(proxy.data, 'admin.token'), ...args])
const token = proxy =>
  ({ authorization: `Bearer ${readText(join(proxy.data, 'admin.token')).trim()}` })

const BEHIND = 'client_address: { trusted: [127.0.0.0/8] }'
const from = address => ({ headers: { 'x-forwarded-for': address } })
const post = address => ({ method: 'POST', body: '{}', ...from(address) })

test('each client has its own share of an endpoint, however it is spelled', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream,
    ['{ name: login, match: { path: /login, method: POST }, by: [address], rate: 3/h }'], BEHIND))
  const statuses = []
  for (const path of ['/login', '//login', '/%6Cogin', '/login/', '/x/../login']) {
    statuses.push((await call(proxy.url + path, post('203.0.113.9'))).status)
  }
  assert.deepEqual(statuses, [200, 200, 200, 429, 429])
  assert.equal((await call(`${proxy.url}/login`, post('203.0.113.10'))).status, 200)
  assert.equal((await call(`${proxy.url}/login`, from('203.0.113.9'))).status, 200, 'a GET')
  assert.equal((await call(`${proxy.url}/other`, post('203.0.113.9'))).status, 200)
  assert.equal(upstream.requests.length, 6, 'what is refused does not reach the upstream')
})

test('a refusal says which rule, what was measured, and when to come back', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream,
    ['{ name: login, by: [address], rate: 2/h }']), { admin: true })
  const first = await call(`${proxy.url}/a`)
  assert.equal(first.headers['ratelimit-policy'], '"login";q=2;w=3600')
  assert.match(first.headers.ratelimit, /^"login";r=1;t=1(800|799)$/)
  await call(`${proxy.url}/a`)
  const refused = await call(`${proxy.url}/a`)
  assert.equal(refused.status, 429)
  assert.equal(refused.headers['content-type'], 'application/problem+json')
  assert.ok(seconds(refused.headers['retry-after']) > 1700)
  assert.ok(seconds(refused.headers['retry-after']) <= 1800)
  const problem = JSON.parse(refused.text)
  assert.equal(problem.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded')
  assert.deepEqual(problem['violated-policies'], ['login'])
  assert.deepEqual(problem.limit, { rule: 'login', measured: 3, threshold: 2, unit: 'units' })
  assert.equal(problem.error.type, 'rate_limit_error')
  assert.equal(problem.effect, 'none')

  const shown = await limits(t, proxy)
  assert.equal(shown.code, 0, shown.err)
  assert.match(shown.out, /login +enforce +address +2\/h +2 +2 +1 +0 +1 /)
  assert.match(shown.out, /login +127\.0\.0\.1 +1 /)
  const metrics = await call(`${proxy.admin}/metrics`, { headers: token(proxy) })
  assert.match(metrics.text, /holdfast_limit_requests_total\{limit="login",result="quota"\} 1/)
  const by = '{rule="login",code="quota-exceeded",upstream="",unit="units"}'
  for (const line of [`holdfast_refusals_total${by} 1`, `holdfast_refusal_measured${by} 3`,
    `holdfast_refusal_threshold${by} 2`]) {
    assert.ok(metrics.text.includes(`\n${line}\n`), line)
  }
  assert.match(proxy.out + proxy.err, /refused_by_limit.*limit login: 3 of 2 units, 2\/h/)
})

test('who guesses passwords is banned, and can be let in again', async t => {
  const upstream = await startUpstream(t, {
    serve: ({ path }) => ({ status: path === '/wrong' ? 401 : 200, body: '{}' }),
  })
  const proxy = await startHoldfast(t, config(upstream, [
    '{ name: guess, by: [address], ban: { after: 3, within: 1h, for: 1h, on: [401] } }'], BEHIND),
  { admin: true })
  for (let i = 0; i < 3; i++) {
    assert.equal((await call(`${proxy.url}/wrong`, from('2001:db8:1:2::7'))).status, 401)
  }
  // The same network of a client: it has as many addresses as it likes.
  const banned = await call(`${proxy.url}/right`, from('2001:db8:1:2:ffff::1'))
  assert.equal(banned.status, 429)
  assert.equal(JSON.parse(banned.text).type,
    'https://iana.org/assignments/http-problem-types#abnormal-usage-detected')
  assert.equal(banned.headers['x-should-retry'], 'false')
  assert.equal((await call(`${proxy.url}/right`, from('2001:db8:1:3::1'))).status, 200)
  const nobody = await limits(t, proxy, 'lift', 'guess', '192.0.2.1')
  assert.equal(nobody.code, 1)
  assert.match(nobody.err, /Nobody is known by that name/)
  const lifted = await limits(t, proxy,
    'lift', 'guess', '2001:db8:1:2::/64', '--reason', 'it was us')
  assert.equal(lifted.code, 0, lifted.err)
  assert.equal((await call(`${proxy.url}/right`, from('2001:db8:1:2::7'))).status, 200)
})

test('shadow mode refuses nobody and counts', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream,
    ['{ name: trial, by: [{ header: X-Api-Key }], rate: 1/h, mode: observe }']), { admin: true })
  const headers = { 'x-api-key': 'secret-key-of-somebody' }
  for (let i = 0; i < 4; i++) {
    const answer = await call(`${proxy.url}/a`, { headers })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.ratelimit, undefined)
  }
  const shown = await limits(t, proxy, '--json')
  const [limit] = JSON.parse(shown.out).limits
  assert.equal(limit.quota, 3)
  assert.match(limit.offenders[0].client, /^#[0-9a-f]{12}$/)
  assert.doesNotMatch(shown.out + proxy.out + proxy.err, /secret-key-of-somebody/)
})

test('a part of a body that is read whole counts, and a key leaves a doubt', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, `
limits: [ { name: user, by: [ { body: /user } ], rate: 1/h } ]
upstreams: { app: { url: "${upstream.url}", idempotency: { mode: key, lifetime: 1d } } }
routes: [ { path: /, upstream: app, key: { from: [ { body: /order } ] } } ]
`)
  const pay = (user, order) => call(`${proxy.url}/pay`, {
    method: 'POST', body: JSON.stringify({ user, order }),
    headers: { 'content-type': 'application/json' },
  })
  assert.equal((await pay('ann', 'o1')).status, 200)
  assert.equal((await pay('bob', 'o2')).status, 200)
  const again = await pay('ann', 'o1')
  assert.equal(again.status, 429)
  // The first one took effect: nobody may conclude from this refusal that it did not.
  assert.equal(again.headers['holdfast-effect'], 'unknown')
  assert.equal(upstream.effects.length, 2)
})

test('a connection with refusals goes on, large bodies or not', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream, ['{ by: [], rate: 1/h }']))
  assert.equal((await call(`${proxy.url}/a`)).status, 200)
  const post = more => `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n${more}\r\nhi`
  const { text, closed } = await exchange(proxy.port,
    post('') + post('') + post('Connection: close\r\n'))
  assert.ok(closed)
  assert.equal(text.match(/HTTP\/1\.1 429 /g)?.length, 3, text)
  const large = { method: 'POST', body: 'x'.repeat(300_000) }
  for (const options of [large, {}]) {
    const answer = await call(`${proxy.url}/a`, options)
    assert.equal(answer.status, 429)
    assert.equal(JSON.parse(answer.text).limit.rule, 'limit-1')
  }
})
