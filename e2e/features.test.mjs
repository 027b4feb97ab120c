// Features switch off under measured load, for SDKs that know nothing of us, and on again.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd, call, command, folder, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const require = createRequire(new URL('./node/package.json', import.meta.url))

const config = (upstream, more = '') => `
features:
  listen: 127.0.0.1:0
  target: 50ms
  flags: [ recommendations, { name: search, on: full, off: basic } ]
${more}
upstreams: { app: { url: "${upstream.url}", concurrency: 2 } }
routes: [ { path: /, upstream: app, wait: 30s } ]
`

async function start(t, upstream, more, options = {}) {
  const proxy = await startHoldfast(t, config(upstream, more), { admin: true, ...options })
  proxy.features = await until('the listener of features', () =>
    proxy.out.match(/features on (\S+)/)?.[1])
  return proxy
}

const ask = (proxy, path, { fields = {}, body = '{"context":{}}' } = {}) =>
  call(`${proxy.features}/ofrep/v1/evaluate/flags${path}`, {
    method: 'POST', body, headers: { 'content-type': 'application/json', ...fields },
  })
const holdfast = (t, proxy, ...args) => command(t, ['features', '--admin', proxy.admin,
  '--token-file', join(proxy.data, 'admin.token'), ...args])

// Keeps more calls under way than the upstream takes, until it is told to stop.
function overload(url) {
  const state = { on: true, statuses: [] }
  const one = async () => {
    while (state.on) state.statuses.push((await call(`${url}/page`)).status)
  }
  const all = Array.from({ length: 24 }, one)
  state.stop = async () => { state.on = false; await Promise.all(all) }
  return state
}

// A page's SDK in a process of its own: { seen }, the values in their order.
function startPage(t, base) {
  const here = dirname(fileURLToPath(import.meta.url))
  const child = spawn(process.execPath, ['--experimental-eventsource', '--no-warnings',
    join(here, 'features_client.mjs'), base], { stdio: ['pipe', 'pipe', 'inherit'] })
  const state = { seen: [] }
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) state.seen.push(JSON.parse(line))
  })
  atEnd(t, () => new Promise(done => {
    if (child.exitCode !== null) return done()
    child.once('exit', done)
    return child.kill()
  }))
  return state
}

test('an SDK sees features flip under load and back', { timeout: 120_000 }, async t => {
  const upstream = await startUpstream(t, { delay: 100 })
  const proxy = await start(t, upstream)
  const { OpenFeature } = require('@openfeature/server-sdk')
  const { OFREPProvider } = require('@openfeature/ofrep-provider')
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: proxy.features }))
  const server = OpenFeature.getClient()
  const page = startPage(t, proxy.features)
  await until('the page has its first values', () => page.seen.length > 0)
  assert.deepEqual(page.seen[0], { recommendations: true, search: 'full' })
  assert.equal(await server.getBooleanValue('recommendations', false), true)

  const load = overload(proxy.url)
  await until('all features are off', async () =>
    await server.getStringValue('search', 'none') === 'basic')
  assert.equal(await server.getBooleanValue('recommendations', true), false)
  const details = await server.getStringDetails('search', 'none')
  assert.equal(details.reason, 'BROWNOUT')
  await until('the page has been told', () => page.seen.at(-1).search === 'basic')
  const shown = await holdfast(t, proxy)
  assert.match(shown.out, /recommendations +off +false +by load/)
  assert.match(shown.out, /2 of 2 off by load; app: queue-delay at \d+ % of what counts/)
  assert.match(proxy.out + proxy.err,
    /feature_off.*recommendations: upstream app, rule queue-delay/)
  await load.stop()
  assert.ok(load.statuses.length > 0)

  await until('all features are back', async () =>
    await server.getBooleanValue('recommendations', false) === true, 60_000)
  await until('the page has them too', () => page.seen.at(-1).recommendations === true)
  // The one that matters less goes first and comes back last.
  assert.ok(page.seen.every(one => one.search === 'full' || one.recommendations === false))
})

test('a word by hand counts, says why, ends by itself, and outlives a restart', async t => {
  const upstream = await startUpstream(t)
  const data = join(folder(t), 'data')
  const first = await start(t, upstream, '', { data })
  const set = await holdfast(t, first, 'set', 'search', 'off', '--for', '1h', '--reason', 'sale')
  assert.equal(set.code, 0, set.err)
  const one = JSON.parse((await ask(first, '/search')).text)
  assert.deepEqual(one, { key: 'search', value: 'basic', variant: 'off', reason: 'STATIC',
    metadata: { by: 'operator', reason: 'sale' } })
  await first.kill()
  const second = await start(t, upstream, '', { data })
  assert.equal(JSON.parse((await ask(second, '/search')).text).value, 'basic')
  const shown = await holdfast(t, second)
  assert.match(shown.out, /search +off +"basic" +by hand, ends in (59m|1h).*: sale/)
  assert.equal((await holdfast(t, second, 'release', 'search')).code, 0)
  assert.equal(JSON.parse((await ask(second, '/search')).text).value, 'full')
  assert.equal((await holdfast(t, second, 'release', 'search')).code, 1)
  assert.equal((await holdfast(t, second, 'set', 'serch', 'on', '--for', '1h', '--reason', 'x'))
    .code, 1)
  const short = await holdfast(t, second, 'set', 'search', 'off', '--for', '1s', '--reason', 'x')
  assert.equal(short.code, 0)
  await until('it is over', async () =>
    JSON.parse((await ask(second, '/search')).text).value === 'full')
  assert.match(second.out + second.err,
    /feature_word_over.*search follows the load again; it was off by hand: x/)
})

test('the protocol: tags, errors, tokens, origins', async t => {
  const upstream = await startUpstream(t)
  const proxy = await start(t, upstream, `  token: flag-token
  origins: [ "https://shop.example" ]`)
  const token = { authorization: 'Bearer flag-token' }
  assert.equal((await ask(proxy, '')).status, 401)
  assert.equal((await ask(proxy, '', { fields: { 'x-api-key': 'wrong' } })).status, 401)
  const all = await ask(proxy, '', { fields: { 'x-api-key': 'flag-token' } })
  assert.equal(all.status, 200)
  const { flags, eventStreams } = JSON.parse(all.text)
  assert.deepEqual(flags.map(flag => flag.key), ['recommendations', 'search'])
  assert.deepEqual(eventStreams, [{ type: 'sse', endpoint: { requestUri: '/ofrep/v1/stream' },
    inactivityDelaySec: 120 }])
  const same = await ask(proxy, '', { fields: { ...token, 'if-none-match': all.headers.etag } })
  assert.equal(same.status, 304)
  assert.equal(same.text, '')
  const missing = await ask(proxy, '/nothing', { fields: token })
  assert.equal(missing.status, 404)
  assert.equal(JSON.parse(missing.text).errorCode, 'FLAG_NOT_FOUND')
  for (const [body, code] of [['{', 'PARSE_ERROR'], ['{"context":5}', 'INVALID_CONTEXT']]) {
    const bad = await ask(proxy, '/search', { fields: token, body })
    assert.equal(bad.status, 400)
    assert.equal(JSON.parse(bad.text).errorCode, code)
  }
  const origin = await call(`${proxy.features}/ofrep/v1/evaluate/flags`, { method: 'OPTIONS',
    headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' } })
  assert.equal(origin.status, 204)
  assert.equal(origin.headers['access-control-allow-origin'], 'https://shop.example')
  const stranger = await call(`${proxy.features}/ofrep/v1/evaluate/flags`, { method: 'OPTIONS',
    headers: { origin: 'https://other.example' } })
  assert.equal(stranger.headers['access-control-allow-origin'], undefined)
})

test('many listeners come, go and hang; the stream tells the others', async t => {
  const upstream = await startUpstream(t)
  const proxy = await start(t, upstream)
  const streams = await Promise.all(Array.from({ length: 50 }, async () => {
    const abort = new AbortController()
    const answer = await fetch(`${proxy.features}/ofrep/v1/stream`, { signal: abort.signal })
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const state = { text: '', abort }
    ;(async () => {
      for await (const bytes of answer.body) state.text += Buffer.from(bytes).toString()
    })().catch(() => {})
    return state
  }))
  atEnd(t, () => streams.forEach(stream => stream.abort.abort()))
  for (const stream of streams.slice(0, 25)) stream.abort.abort()
  await holdfast(t, proxy, 'set', 'search', 'off', '--for', '1h', '--reason', 'x')
  const told = stream => (stream.text.match(/refetchEvaluation/g) ?? []).length
  await until('the others are told', () => streams.slice(25).every(one => told(one) === 2))
  assert.ok(streams.slice(0, 25).every(one => told(one) <= 1))
})
