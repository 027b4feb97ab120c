// `holdfast policy` says what would be done with a request; then it is sent through the real
// `serve`, to an upstream that ends every attempt in the same way, and the two are compared.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, call, command, folder, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

// A port that nobody listens on.
const closedPort = () => new Promise(done => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => done(port))
  })
})

const upstreamOf = (name, url, idempotency) => `
  ${name}:
    url: ${url}
    idempotency: ${idempotency}
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 1s }
    breaker: { consecutive: 1000, of_at_least: 1000 }`

// A route for each way in which calls are treated, at upstreams of each kind.
const MODES = {
  keyed: '{ mode: key, lifetime: 1h, settles: [402], no_retry_advice: { x-no-retry: "1" } }',
  none: '{ mode: none }',
  repeatable: '{ mode: repeatable }',
  dead: '{ mode: key, lifetime: 1h }',
}

const config = urls => `upstreams:
${Object.entries(MODES).map(([name, idempotency]) =>
    upstreamOf(name, urls[name], idempotency)).join('')}
routes:
${Object.keys(MODES).map(name => `
  - path: /${name}/header/
    upstream: ${name}
    key: { from: [ { header: Idempotency-Key } ] }
    wait: 6s
  - path: /${name}/business/
    upstream: ${name}
    key: { from: [ { body: /order } ] }
    hold: on_failure
    wait: 6s
    retry: { held: [10m] }
  - path: /${name}/plain/
    upstream: ${name}
    wait: 6s`).join('')}
`

// What the upstream does, by the name that `policy` gives it.
const ENDS = {
  200: undefined,
  404: { status: 404 },
  401: { status: 401 },
  409: { status: 409 },
  429: { status: 429 },
  408: { status: 408 },
  500: { status: 500 },
  503: { status: 503 },
  '500 with x-no-retry: 1': { status: 500, fields: { 'x-no-retry': '1' } },
  'connection lost': 'reset_after',
  'no answer in time': 'hang',
  '200, body cut': 'cut',
  '200, cut on its way to the client': 'cut',
}

const asked = (path, order) => ({
  path, order, body: JSON.stringify({ order, amount: 1 }),
  headers: { ...AUTH, authorization: `Bearer ${order}`, 'content-type': 'application/json',
    'idempotency-key': `key-${order}` },
})

async function predict(t, proxy, { path, body, headers }) {
  const file = join(folder(t), 'body.json')
  writeFileSync(file, body)
  const done = await command(t, ['policy', '-c', proxy.config, '--json', 'POST', proxy.url + path,
    '--body', file,
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`])])
  assert.equal(done.code, 0, done.err)
  return JSON.parse(done.out)
}

const broken = error => ({ broken: true, partial: error.partial })

async function shown(t, proxy, id) {
  const done = await command(t, ['calls', 'show', id, '--json', '--admin',
    new URL(proxy.admin).host, '--token-file', join(proxy.data, 'admin.token')])
  assert.equal(done.code, 0, done.err)
  return JSON.parse(done.out)
}

async function compare(t, proxy, upstream, request, end) {
  const where = `${request.path}: ${end}`
  const forecast = await predict(t, proxy, request)
  const outcome = forecast.outcomes.find(one => one.ends.includes(end))
  if (!outcome) return false
  const { told, live_attempts: attempts, held, state } = outcome.every_time
  const before = upstream.requests.length
  const answer = await call(proxy.url + request.path,
    { method: 'POST', headers: request.headers, body: request.body }).catch(broken)
  const copies = upstream.requests.slice(before)
  if (told.cut) {
    assert.ok(answer.broken, `${where}: an answer that broke off`)
    assert.equal(copies.length, attempts, where)
    return true
  }
  // Of ends that are decided alike one was played; the upstream's own status is each end's own.
  const status = told.code ? told.status : Number.parseInt(end, 10)
  assert.equal(answer.status, status, `${where}: ${answer.text}`)
  assert.equal(answer.headers['holdfast-effect'], told.effect, where)
  if (told.code) {
    assert.equal(answer.json.error.code, told.code, where)
    assert.equal(answer.json.safe_to_retry, told.safe_to_retry, where)
  }
  if (forecast.upstream.name !== 'dead') {
    assert.equal(copies.length, attempts, `${where}: as many copies as were foretold`)
    for (const copy of copies) {
      assert.equal(copy.path, forecast.sent_target, where)
      if (forecast.key.upstream) {
        assert.equal(copy.headers['idempotency-key'], forecast.key.upstream.value, where)
      }
    }
  }
  assert.equal(Boolean(answer.headers['holdfast-call']), forecast.journaled, where)
  if (!forecast.journaled) return true
  const record = await shown(t, proxy, answer.headers['holdfast-call'])
  const first = record.timeline.find(event => event.what === 'attempt_ended')
  assert.equal(first.rule, outcome.ruled[0].rule, where)
  assert.equal(Boolean(record.held), held, where)
  // What stands open for its client now ends in a day; the rest has ended as foretold.
  if (!held && record.state !== 'open') assert.equal(record.state, state, where)
  return true
}

test('what is foretold is what happens, in every row', { timeout: 300_000 }, async t => {
  const faults = {}
  const upstreams = {}
  for (const mode of ['keyed', 'none', 'repeatable']) {
    upstreams[mode] = await startUpstream(t, { fault: () => faults[mode] })
  }
  const proxy = await startHoldfast(t, config({ dead: `http://127.0.0.1:${await closedPort()}`,
    ...Object.fromEntries(Object.entries(upstreams).map(([mode, { url }]) => [mode, url])) }),
  { admin: true })
  let compared = 0
  const kinds = ['header', 'business', 'plain']
  await Promise.all(Object.entries(upstreams).map(async ([mode, upstream]) => {
    let n = 0
    for (const kind of kinds) {
      for (const [end, fault] of Object.entries(ENDS)) {
        faults[mode] = fault
        const request = asked(`/${mode}/${kind}/pay`, `${mode}-${++n}`)
        if (await compare(t, proxy, upstream, request, end)) compared += 1
      }
    }
  }))
  for (const kind of kinds) {
    const request = asked(`/dead/${kind}/pay`, `dead-${kind}`)
    assert.ok(await compare(t, proxy, { requests: [] }, request, 'no connection'))
    compared += 1
  }
  assert.ok(compared >= 100, `${compared} were compared`)
})

test('a kill in the middle of an attempt is ruled as foretold', async t => {
  const upstream = await startUpstream(t, { fault: () => 'hang' })
  const data = join(folder(t), 'data')
  const text = config({ keyed: upstream.url, none: upstream.url, repeatable: upstream.url,
    dead: upstream.url }).replaceAll('head: 1s', 'head: 60s')
  const proxy = await startHoldfast(t, text, { admin: true, data })
  const foretold = new Map()
  for (const kind of ['header', 'business']) {
    for (const mode of ['keyed', 'none', 'repeatable']) {
      const request = asked(`/${mode}/${kind}/pay`, `${mode}-${kind}`)
      const forecast = await predict(t, proxy, request)
      const killed = forecast.outcomes.find(one => one.ends.includes('Holdfast killed'))
      foretold.set(request.path, killed.ruled[0].rule)
      call(proxy.url + request.path, { method: 'POST', ...request }).catch(() => {})
    }
  }
  await until('all of them are at the upstream', () => upstream.requests.length === foretold.size)
  await proxy.kill()
  const again = await startHoldfast(t, text, { admin: true, data })
  const where = ['--admin', new URL(again.admin).host,
    '--token-file', join(data, 'admin.token')]
  const list = await command(t, ['calls', 'list', '--json', ...where])
  const { calls } = JSON.parse(list.out)
  assert.equal(calls.length, foretold.size)
  for (const one of calls) {
    const { path, timeline } = await shown(t, again, one.call)
    const recovered = timeline.find(event => event.what === 'recovered')
    assert.equal(recovered.rule, foretold.get(path), path)
  }
})

test('a made key is made anew, and a refusal is the one that serve gives', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, `
upstreams:
${upstreamOf('keyed', upstream.url, '{ mode: key, lifetime: 1h }')}
routes:
  - { path: /made/, upstream: keyed }
  - { path: /must/, upstream: keyed, key: { required: true, from: [ { header: X-Order } ] } }
  - { path: /small/, upstream: keyed, limits: { body: 10B } }
`)
  const plain = path => ({ path, body: '{"amount": 12345}',
    headers: { 'content-type': 'application/json' } })
  const made = await predict(t, proxy, plain('/made/x?y=1'))
  assert.equal(made.key.kind, 'made')
  assert.equal(made.sent_target, '/made/x?y=1')
  const answer = await call(`${proxy.url}/made/x?y=1`, { method: 'POST', ...plain('') })
  assert.equal(answer.status, 200)
  assert.match(upstream.requests[0].headers['idempotency-key'], /^hf-/)
  assert.match(made.key.upstream.value, /^hf-/)

  for (const path of ['/must/x', '/small/x', '/nowhere']) {
    const request = plain(path)
    const file = join(folder(t), 'body')
    writeFileSync(file, request.body)
    const done = await command(t, ['policy', '-c', proxy.config, '--json', 'POST', path,
      '--header', 'Content-Type: application/json', '--body', file])
    assert.equal(done.code, 1, done.err)
    const { refused } = JSON.parse(done.out)
    const real = await call(proxy.url + path, { method: 'POST', ...request })
    assert.equal(real.status, refused.status, path)
    assert.equal(real.json.error.code, refused.code, path)
  }
  assert.equal(upstream.requests.length, 1)
})

test('nothing is sent, and nothing is made on disk', async t => {
  const upstream = await startUpstream(t)
  const place = folder(t)
  const file = join(place, 'holdfast.yaml')
  writeFileSync(file, `journal: { path: "${join(place, 'data')}" }
upstreams: { up: { url: "${upstream.url}", idempotency: { mode: key, lifetime: 1h } } }
routes: [ { path: /, upstream: up } ]
`)
  const done = await command(t, ['policy', '-c', file, 'POST', '/pay'])
  assert.equal(done.code, 0, done.err)
  assert.match(done.out, /^POST \/pay\nNothing is sent/)
  assert.match(done.out, /Sent, and no final status: connection lost/)
  assert.equal(upstream.connections, 0)
  const review = await command(t, ['review', '-c', file, '--fail-on', 'never'])
  assert.equal(review.code, 0, review.err)
  assert.equal(upstream.connections, 0)
  const { readdirSync } = await import('node:fs')
  assert.deepEqual(readdirSync(place), ['holdfast.yaml'])
})

test('a wrong command line is told, and is exit 2', async t => {
  const file = join(folder(t), 'holdfast.yaml')
  writeFileSync(file, `upstreams: { up: { url: "http://127.0.0.1:1" } }
routes: [ { path: /, upstream: up } ]
`)
  for (const [args, why] of [
    [['policy', '-c', file, 'POST'], /url is required/],
    [['policy', '-c', file, 'POST', '/', '--header', 'no-colon'], /write 'Name: value'/],
    [['policy', '-c', file, 'POST', '/', '--body', join(file, 'none')], /cannot be read/],
    [['policy', '-c', `${file}.none`, 'POST', '/'], /cannot be read/],
    [['policy', '-c', file, 'PO ST', '/'], /holdfast: /],
  ]) {
    const done = await command(t, args)
    assert.equal(done.code, 2, `${args}: ${done.out}`)
    assert.match(done.err, why)
  }
})
