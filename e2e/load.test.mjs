// `holdfast load` against upstreams whose limits are known: what stands still, what breaks, what
// takes few connections; and what it refuses to say or to do.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { selfSigned } from './certificates.mjs'
import { atEnd, call, command, folder, readText, start, startHoldfast, until } from './rig.mjs'

// An upstream that answers as `answer(request, response)` does: { url, port, seen }.
async function serve(t, answer, { tls, backlog = 4096 } = {}) {
  const seen = []
  const listener = (request, response) => {
    seen.push(request)
    answer(request, response)
  }
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener)
  server.keepAliveTimeout = 60_000
  await new Promise(done => server.listen({ port: 0, host: '127.0.0.1', backlog }, done))
  const { port } = server.address()
  const stop = () => { server.close(); server.closeAllConnections() }
  atEnd(t, stop)
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, port, seen, stop }
}

const ok = (_, response) => response.end('ok')

async function load(t, args) {
  const done = await command(t, ['load', ...args, '--json'])
  assert.ok([0, 3, 4].includes(done.code), done.err)
  return { ...done, run: JSON.parse(done.out) }
}

const MS = 1000

// Serves so many at a time and lets the others wait: `places` * 1000 ms / `each` a second.
function workers(places, each) {
  const queue = []
  let busy = 0
  const next = () => {
    if (busy === places || queue.length === 0) return
    busy += 1
    const response = queue.shift()
    // sleep: the service time of this upstream
    setTimeout(() => { busy -= 1; response.end('ok'); next() }, each)
  }
  return (_, response) => { queue.push(response); next() }
}

// The example of wrk2's documentation: a closed loop would call this a p99 of some milliseconds,
// since it sends nothing while it waits.
test('a stall of 1.4 s at 2,000/s shows at p99 as users see it, not as a closed loop does',
  async t => {
    let stalled = false
    const upstream = await serve(t, (_, response) => {
      if (!stalled && upstream.seen.length > 6000) {
        stalled = true
        // sleep: the stall itself; nothing of this process runs meanwhile
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1400)
      }
      response.end('ok')
    })
    const { run } = await load(t, [upstream.url, '--rate', '2000/s', '--duration', '10s',
      '--connections', '100'])
    const [step] = run.steps
    assert.ok(stalled)
    assert.equal(step.errors, 0)
    assert.ok(Math.abs(step.due - 20_000) <= 1, `${step.due}`)
    assert.equal(step.answered, step.due)
    // 2,800 of 20,000 were due in the stall: the slowest hundredth waited 1.3 s and more.
    assert.ok(step.latency.p99_us > 900 * MS, JSON.stringify(step.latency))
    assert.ok(step.latency.max_us > 1300 * MS && step.latency.max_us < 4000 * MS)
    // What a closed loop of these 100 connections would have seen: 100 slow answers of 20,000.
    assert.ok(step.service.p99_us < step.latency.p99_us / 3, JSON.stringify(step.service))
    assert.ok(step.silence_us > 1200 * MS, `${step.silence_us}`)
  })

test('a stall breaks the objective of its window, and is called a stall', async t => {
  let stalled = false
  const upstream = await serve(t, (_, response) => {
    if (!stalled && upstream.seen.length > 300) {
      stalled = true
      // sleep: the stall itself
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    }
    response.end('ok')
  })
  const { run, code } = await load(t, [upstream.url, '--rate', '100/s', '--duration', '8s',
    '--objective', 'p90<200ms'])
  assert.equal(code, 3)
  assert.equal(run.verdict.limit, 'server_latency')
  assert.equal(run.verdict.rule, 'stall', run.verdict.sentence)
  // Judged on windows: over the whole run p90 would have been kept.
  assert.ok(run.steps[0].latency.p90_us < 200 * MS || run.steps[0].latency.p50_us < 200 * MS)
})

test('the breaking point of a server that does 200 a second', async t => {
  const upstream = await serve(t, workers(1, 5))
  const page = join(folder(t), 'report.html')
  const { run, code } = await load(t, [upstream.url, '--find', '--objective', 'p99<400ms',
    '--start', '60/s', '--step', '3s', '--hold', '4s', '--tolerance', '15%', '--report', page])
  assert.equal(code, 0, run.verdict.sentence)
  assert.equal(run.end, 'found')
  // A timer of 5 ms takes 5 to 6: 160 to 200 a second.
  assert.ok(run.kept > 100 && run.kept < 215, `${run.kept}`)
  assert.ok(run.broken > run.kept && run.broken < 290, `${run.broken}`)
  assert.ok(['queueing', 'server_latency'].includes(run.verdict.limit), run.verdict.sentence)
  assert.equal(run.steps.at(-1).phase, 'hold')
  const html = readText(page)
  assert.match(html, /<h1>Breaking point<\/h1>/)
  assert.equal(html.match(/<svg /g).length, 4)
  // Nothing is loaded from elsewhere, and nothing runs.
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(/)
})

test('phases: a surge, what it breaks, and how long until it is over', async t => {
  // 200 a second at best, and 6 s of 300: 600 too many, which take 4 s and more at 50 a second.
  const upstream = await serve(t, workers(1, 5))
  const page = join(folder(t), 'report.html')
  const schedule = ['--phases', 'usual=50/s:4s,surge=300/s:6s,after=50/s:14s', '--objective',
    'p90<300ms']
  const { run, code } = await load(t, [upstream.url, ...schedule, '--report', page])
  assert.equal(code, 3)
  assert.equal(run.mode, 'phases')
  assert.deepEqual(run.steps.map(step => [step.name, step.rate, step.due, step.outcome]), [
    ['usual', 50, 200, 'kept'], ['surge', 300, 1800, 'broken'], ['after', 50, 700, 'broken']])
  // Without a pause between them: what the surge left waits in the next phase.
  const begins = run.steps.map(step => step.begin_us - run.steps[0].begin_us)
  assert.deepEqual(begins, [0, 4_000_000, 10_000_000])
  const [usual, surge, after] = run.steps
  assert.ok(surge.in_flight_max > 300 && after.in_flight_max > 100, JSON.stringify(run.steps))
  assert.ok(after.latency.max_us > 1000 * MS)
  assert.equal(usual.kept_from_us, undefined)
  assert.equal(surge.kept_from_us, undefined, 'it does not come back within the surge')
  assert.ok(after.kept_from_us > 2_000_000 && after.kept_from_us < 12_000_000,
    `${after.kept_from_us}`)
  assert.equal(run.kept, 50)
  assert.equal(run.broken, 300)
  assert.match(run.verdict.sentence, /^In phase surge: (Queueing|Server latency) gave way/)
  const html = readText(page)
  assert.match(html, /<h1>Load in phases<\/h1>/)
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(/)

  const told = await command(t, ['load', upstream.url, '--phases', '0..40/s:2s,40/s:1s'])
  assert.equal(told.code, 0, told.err)
  assert.match(told.out, /^ {2}1 +0\/s\.\.40\/s +2 s +40 /m)
  assert.match(told.out, /^ {2}2 +40\/s +1 s +40 /m)
})

test('errors are named by their status', async t => {
  let count = 0
  const upstream = await serve(t, (_, response) => {
    response.statusCode = ++count % 10 === 0 ? 503 : 200
    response.end()
  })
  const { run, code } = await load(t, [upstream.url, '--rate', '200/s', '--duration', '4s',
    '--errors', '<1%'])
  assert.equal(code, 3)
  assert.equal(run.verdict.limit, 'errors')
  assert.match(run.verdict.sentence, /x 503/)
  assert.equal(run.steps[0].statuses['503'], run.steps[0].errors)
})

test('connections that are refused, cut and never answered are told apart, and all count',
  async t => {
    let taken = 0
    const server = net.createServer(socket => {
      socket.on('error', () => {})
      const mine = taken++
      if (mine % 3 === 1) return socket.destroy()
      socket.on('data', () => {
        if (mine % 3 === 0) socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n' +
          'Content-Length: 2\r\n\r\nok')
      })
    })
    await new Promise(done => server.listen(0, '127.0.0.1', done))
    const sockets = new Set()
    server.on('connection', socket => sockets.add(socket))
    atEnd(t, () => { for (const socket of sockets) socket.destroy(); server.close() })
    const { run } = await load(t, [`http://127.0.0.1:${server.address().port}`, '--rate', '60/s',
      '--duration', '3s', '--timeout', '1s', '--errors', '<1%', '--objective', 'p50<500ms'])
    const [step] = run.steps
    assert.equal(step.due, 180)
    assert.equal(step.answered + step.errors, 180)
    assert.ok(step.failures.reset > 30, JSON.stringify(step.failures))
    assert.ok(step.failures.timeout > 30, JSON.stringify(step.failures))
    // Those that were never answered are in the latencies, with the time they were waited for.
    assert.ok(step.latency.p90_us >= 1000 * MS, JSON.stringify(step.latency))
    assert.equal(run.verdict.limit === 'none', false)
  })

test('where the generator is the limit, there is no verdict', async t => {
  const upstream = await serve(t, (_, response) => {
    // sleep: the service time of this upstream
    setTimeout(() => response.end('ok'), 40)
  })
  // Two connections of 40 ms do 50 a second; the server would do more.
  const { run, code } = await load(t, [upstream.url, '--rate', '200/s', '--duration', '3s',
    '--connections', '2', '--objective', 'p99<150ms'])
  assert.equal(code, 4)
  assert.equal(run.verdict.limit, 'generator')
  assert.match(run.verdict.sentence, /^No verdict on the server: .* more --connections/)
  assert.equal(run.steps[0].outcome, 'generator')
})

test('requests from a file, in turn, with their fields and bodies', async t => {
  const bodies = []
  const upstream = await serve(t, (request, response) => {
    let body = ''
    request.on('data', piece => { body += piece })
    request.on('end', () => {
      bodies.push(`${request.method} ${request.url} ${request.headers.accept ?? '-'} ${
        request.headers.authorization ?? '-'} ${body}`)
      response.end('ok')
    })
  })
  const file = join(folder(t), 'requests.ndjson')
  writeFileSync(file, [
    '{"path": "/a?x=1"}', '',
    '{"method": "POST", "path": "/b", "headers": {"Accept": "text/plain"}, "body": "häh"}',
    '{"method": "PUT", "path": "/c", "headers": [["Accept", "*/*"]], "body": "{}"}'].join('\n'))
  // A field takes one value: what follows it may be the URL.
  const { run } = await load(t, ['--requests', file, '--rate', '30/s', '--duration', '1s',
    '--header', 'Authorization: Bearer t', upstream.url])
  assert.equal(run.steps[0].answered, 30)
  assert.deepEqual([...new Set(bodies)].sort(), ['GET /a?x=1 - Bearer t ',
    'POST /b text/plain Bearer t häh', 'PUT /c */* Bearer t {}'])
  assert.doesNotMatch(JSON.stringify(run), /Bearer/)
  for (const [line, said] of [
    ['{"path": "a"}', /request 1: a path begins with \//],
    ['{"path": "/", "headers": {"Content-Length": "3"}}', /request 1: the field Content-Length/],
    ['{"path": "/", "verb": "GET"}', /line 1: unknown member `verb`/],
    ['{}', /line 1: `path` is missing/],
    ['x', /line 1: not one JSON object/],
    ['{"path": "/", "headers": {"A": "b\\r\\nC: d"}}', /line break or control character/],
  ]) {
    writeFileSync(file, line)
    const refused = await command(t, ['load', upstream.url, '--requests', file, '--rate', '5'])
    assert.equal(refused.code, 2, line)
    assert.match(refused.err, said)
  }
})

test('through TLS, trusted by its own authority only', async t => {
  const made = selfSigned(t, 'load.test')
  const upstream = await serve(t, ok, {
    tls: { key: readText(made.key), cert: readText(made.cert) },
  })
  const { run } = await load(t, [upstream.url, '--rate', '200/s', '--duration', '2s',
    '--ca', made.cert])
  assert.equal(run.steps[0].answered, 400)
  assert.equal(run.steps[0].errors, 0)
  const refused = await command(t, ['load', upstream.url, '--rate', '5/s', '--duration', '1s'])
  assert.equal(refused.code, 1)
  assert.match(refused.err, /the first request failed: TLS handshakes failed/)
})

test('nobody is loaded who did not agree', async t => {
  const refused = await command(t, ['load', 'http://192.0.2.1/', '--rate', '5/s'])
  assert.equal(refused.code, 2)
  assert.match(refused.err,
    /192\.0\.2\.1 is not this machine.*--yes-i-own-this-target 192\.0\.2\.1/)
  const other = await command(t, ['load', 'http://192.0.2.1/', '--rate', '5/s',
    '--yes-i-own-this-target', '192.0.2.2'])
  assert.equal(other.code, 2)
  assert.match(other.err, /--yes-i-own-this-target names 192\.0\.2\.2, and the URL names 192/)
})

test('what cannot be done is said before anything is sent', async t => {
  const upstream = await serve(t, ok)
  for (const [args, said] of [
    [[upstream.url], /--rate 500\/s for one rate, --phases .* or --find/],
    [[upstream.url, '--phases', '6s:5/s'], /--phases: `6s:5\/s`: write RATE:TIME, the rate first/],
    [[upstream.url, '--phases', '5/s:6s', '--duration', '9s'], /--duration and --ramp-from belong/],
    [[upstream.url, '--phases', '50/s:6s', '--rate', '9/s'], /one of them/],
    [[upstream.url, '--find'], /--find needs an objective/],
    [[upstream.url, '--rate', '5/s', '--find', '--errors', '0'], /one of them/],
    [[upstream.url, '--rate', 'fast'], /--rate: write requests in a time, such as 500\/s/],
    [[upstream.url, '--rate', '5/s', '--objective', '99<1s'], /written as p99<200ms/],
    [[upstream.url, '--rate', '5/s', '--objective', 'p99<20s'], /--timeout: longer than the limit/],
    [['ftp://127.0.0.1/', '--rate', '5/s'], /http:\/\/ or https:\/\//],
  ]) {
    const refused = await command(t, ['load', ...args])
    assert.equal(refused.code, 2, args.join(' '))
    assert.match(refused.err, said)
  }
  assert.equal(upstream.seen.length, 0)
  // A name of several addresses: the first that answers is taken.
  const named = await command(t, ['load', `http://localhost:${upstream.port}`, '--rate', '5/s',
    '--duration', '1s', '--report', '/nowhere/report.html'])
  assert.equal(named.code, 1)
  assert.match(named.out, /5 requests were due at 5\/s/)
  assert.match(named.err, /\/nowhere\/report\.html cannot be written/)
  const gone = await command(t, ['load', 'http://127.0.0.1:1/', '--rate', '5/s'])
  assert.equal(gone.code, 1)
  assert.match(gone.err, /the first request failed: connections refused/)
})

test('Ctrl-C ends it with what there is', async t => {
  const upstream = await serve(t, ok)
  const running = start(t, ['load', upstream.url, '--rate', '100/s', '--duration', '60s', '--json'])
  await until('it loads', () => upstream.seen.length > 50)
  running.child.kill('SIGINT')
  const { code } = await running.ended
  assert.equal(code, 0, running.err)
  const run = JSON.parse(running.out)
  assert.equal(run.stopped, true)
  assert.equal(run.steps[0].outcome, 'stopped')
  assert.ok(run.steps[0].answered >= 50 && run.steps[0].answered === run.steps[0].due)
})

test('two runs compared: worse, better, and what cannot be compared', async t => {
  const dir = folder(t)
  const runOf = async (name, delay, rate = '100/s') => {
    // sleep: the service time of this upstream
    const upstream = await serve(t, (_, response) => setTimeout(() => response.end('ok'), delay))
    // Kept on the busiest machine: a generator that is late then says nothing against it.
    const { out } = await load(t, [upstream.url, '--rate', rate, '--duration', '10s',
      '--objective', 'p99<5s'])
    writeFileSync(join(dir, name), out)
    return join(dir, name)
  }
  const [fast, slow, other] = await Promise.all([
    runOf('a.json', 5), runOf('b.json', 60), runOf('c.json', 5, '50/s')])
  const compare = (...files) => command(t, ['load', 'compare', ...files])
  const worse = await compare(fast, slow)
  assert.equal(worse.code, 3)
  assert.match(worse.out, /^Worse: p50, p99\.\n/)
  const better = await compare(slow, fast, '--json')
  assert.equal(better.code, 0)
  assert.equal(JSON.parse(better.out).difference, 'better')
  const unlike = await compare(fast, other)
  assert.equal(unlike.code, 4)
  assert.match(unlike.out, /^Cannot tell: their rates differ \(100\/s; 50\/s\)\./)
  writeFileSync(join(dir, 'd.json'), '{"format": 1}')
  const wrong = await compare(fast, join(dir, 'd.json'))
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /d\.json: this is no result of `holdfast load --json`/)
})

test('with Holdfast in front: which upstream, which limit, what it costs', async t => {
  const back = await serve(t, (_, response) => {
    // sleep: the service time of this upstream
    setTimeout(() => response.end('ok'), 50)
  })
  const proxy = await startHoldfast(t, `
upstreams:
  shop: { url: ${back.url}, idempotency: { mode: repeatable }, concurrency: 4 }
  other: { url: ${back.url}, idempotency: { mode: repeatable } }
routes: [ { path: /, upstream: shop, wait: 8s }, { path: /other/, upstream: other } ]
`, { admin: true })
  const prices = join(folder(t), 'prices.json')
  writeFileSync(prices, '{"currency": "EUR", "hourly": 0.36, "upstreams": {"shop": 0.00001}}')
  const args = ['--admin', proxy.admin, '--token-file', join(proxy.data, 'admin.token')]
  // Three at a time of 50 ms are 60 a second; the fourth place is for held calls.
  const { run, code } = await load(t, [proxy.url, '--rate', '150/s', '--duration', '5s',
    '--objective', 'p99<300ms', '-c', proxy.config, ...args])
  assert.equal(code, 3)
  assert.equal(run.verdict.limit, 'queueing', run.verdict.sentence)
  assert.deepEqual([run.front.upstream, run.front.limit], ['shop', 'concurrency'],
    run.front.sentence)
  assert.match(run.front.sentence, /^Upstream shop: its concurrency of 4 was used up/)

  const kept = await command(t, ['load', proxy.url, '--rate', '40/s', '--duration', '3s',
    '--objective', 'p99<300ms', ...args, '--traffic', '20/s', '--growth', '20%', '--prices',
    prices])
  assert.equal(kept.code, 0, kept.err)
  assert.match(kept.out,
    /Headroom: 40\/s kept is 2 times the traffic of 20\/s \(--traffic\)\. .*3\.8/)
  // 0.36 an hour at 40/s is 2.5 for a million; an attempt for each call is 10.
  assert.match(kept.out, /A million calls at 40\/s cost 12\.\d+ EUR: machines 2\.5, shop /)

  const plan = join(folder(t), 'plan.yaml')
  const planned = await command(t, ['load', proxy.url, '--rate', '40/s', '--duration', '3s',
    '--objective', 'p99<300ms', '--apply', plan, '--upstream', 'shop', '--traffic', '100/s'])
  assert.equal(planned.code, 0, planned.err)
  const text = readText(plan)
  // Two in flight at 40/s of 50 ms; 28/s are 70 % of what was kept.
  const inFlight = Number(text.match(/^ {4}concurrency: 4 {3}# ([\d.]+) in flight/m)?.[1])
  assert.ok(inFlight > 1.9 && inFlight < 2.4, text)
  assert.match(text, /^ {4}rate: 40\/s /m)
  assert.match(text, /^ {4}overload: \{ target: 100ms \} /m)
  assert.match(text, /^#.*class: critical/m)
  assert.match(text,
    /^# +target: 28 requests a second.*\n.*demand.*\n# +instances: 4 for 100\/s .* 36 for/m)
  // It is what a configuration takes, once the upstream has its address.
  const merged = join(folder(t), 'merged.yaml')
  writeFileSync(merged, `listen: 127.0.0.1:0
${text.replace('  shop:\n', `  shop:\n    url: ${back.url}\n`)}
routes: [ { path: /, upstream: shop } ]
`)
  const checked = await command(t, ['check', '-c', merged])
  assert.equal(checked.code, 0, checked.out + checked.err)

  const nobody = await command(t, ['load', proxy.url, '--rate', '40/s', '--admin', back.url,
    '--token-file', join(proxy.data, 'admin.token')])
  assert.equal(nobody.code, 1)
  writeFileSync(prices, '{"hourly": "dear"}')
  const wrong = await command(t, ['load', proxy.url, '--rate', '40/s', '--prices', prices])
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /prices\.json: `hourly` is no price/)
})

const adminOf = proxy => ['--admin', proxy.admin, '--token-file', join(proxy.data, 'admin.token')]

test('with Holdfast in front: the limit that refused, and whether it is the load\'s own doing',
  async t => {
    const back = await serve(t, ok)
    const proxy = await startHoldfast(t, `
limits:
  - { name: login, match: { path: /login }, by: [address], rate: 60/s }
  - { name: all, by: [], rate: 50/s, mode: observe }
upstreams: { shop: { url: ${back.url} } }
routes: [ { path: /, upstream: shop } ]
`, { admin: true })
    const { run, code } = await load(t, [`${proxy.url}/login`, '--rate', '100/s', '--duration',
      '5s', '--errors', '<1%', ...adminOf(proxy)])
    assert.equal(code, 3)
    assert.deepEqual([run.verdict.limit, run.verdict.rule], ['errors', 'statuses'])
    assert.deepEqual([run.front.limit, run.front.name, run.front.upstream],
      ['client_limit', 'login', ''], run.front.sentence)
    // A burst of 60 and then 60 a second of 100: about a third of the looks' requests.
    const [, share] = run.front.sentence.match(
      /^The limit login refused [\d,]+ of [\d,]+ requests \(([\d.]+)%\) before they were calls/)
    assert.ok(share > 15 && share < 45, run.front.sentence)
    assert.match(run.front.sentence, /Its 60\/s is counted for each address, and all of this load/)
    assert.match(run.front.also[0], /^The limit all only observes; it would have refused/)
  })

test('with Holdfast in front: a limit that was learnt, and what overload sent away', async t => {
  // Four at a time of 25 ms: 160 a second at best.
  const back = await serve(t, workers(4, 25))
  const config = more => `
upstreams:
  shop:
    url: ${back.url}
    concurrency: { adaptive: true, min: 1, max: 200, start: 4 }
    ${more}
routes: [ { path: /, upstream: shop, wait: 8s, class: optional } ]
`
  const waits = await startHoldfast(t, config('overload: off'), { admin: true })
  const plan = join(folder(t), 'plan.yaml')
  const learnt = await load(t, [waits.url, '--rate', '220/s', '--duration', '6s', '--objective',
    'p99<300ms', ...adminOf(waits)])
  assert.equal(learnt.code, 3)
  assert.deepEqual([learnt.run.front.upstream, learnt.run.front.limit], ['shop', 'learnt'],
    learnt.run.front.sentence)
  assert.match(learnt.run.front.sentence,
    /^Upstream shop: its learnt limit.* was full .* waited for their turn for up to .* s\./)
  assert.ok(learnt.run.front.learnt.shop >= 1)
  await waits.stop()

  const sheds = await startHoldfast(t, config('overload: { target: 50ms }'), { admin: true })
  const shed = await load(t, [sheds.url, '--rate', '300/s', '--duration', '6s', '--errors', '<1%',
    ...adminOf(sheds)])
  assert.equal(shed.code, 3)
  assert.deepEqual([shed.run.front.upstream, shed.run.front.limit], ['shop', 'overload'],
    shed.run.front.sentence)
  assert.match(shed.run.front.sentence,
    /overload sent away [\d,]+ calls .*optional \((class-shed|displaced)\).*that matters more was/)

  // What it learnt is what a plan begins with.
  const kept = await command(t, ['load', sheds.url, '--rate', '40/s', '--duration', '3s',
    '--objective', 'p99<2s', '--apply', plan, ...adminOf(sheds)])
  assert.equal(kept.code, 0, kept.err)
  assert.match(readText(plan),
    /^ {4}concurrency: \{ adaptive: true, min: 4, max: 1000, start: \d+ \}/m)
})

test('a recorded sample of real traffic is what a load sends', async t => {
  const upstream = await serve(t, ok)
  const file = join(folder(t), 'sample.ndjson')
  const proxy = start(t, ['serve', '--route', `/=${upstream.url}`, '--listen', '127.0.0.1:0',
    '--journal', join(folder(t), 'data'), '--record', file, '--record-header', 'Accept'])
  const [, url] = await until('it listens', () => proxy.out.match(/listening on (\S+)/))
  for (const [path, method, body] of [['/a?card=4242', 'GET'], ['/b', 'PUT', '{"secret": 1}']]) {
    const answer = await call(url + path, { method, body,
      headers: { authorization: 'Bearer sk_live', accept: 'text/plain', 'x-other': '1',
        ...(body && { 'content-type': 'application/json' }) } })
    assert.equal(answer.status, 200)
  }
  await proxy.stop()
  assert.deepEqual(readText(file).trim().split('\n').map(line => JSON.parse(line)), [
    { method: 'GET', path: '/a', headers: [['accept', 'text/plain']] },
    { method: 'PUT', path: '/b', headers: [['accept', 'text/plain'],
      ['content-type', 'application/json']], body: null }])
  upstream.seen.length = 0
  const { run } = await load(t, [upstream.url, '--requests', file, '--rate', '20/s',
    '--duration', '1s'])
  assert.equal(run.steps[0].answered, 20)
  assert.deepEqual([...new Set(upstream.seen.map(one => `${one.method} ${one.url}`))].sort(),
    ['GET /a', 'PUT /b'])
  // Said before, and in the result: half of it is not what it was.
  assert.match(run.notes[0], /^1 of the 2 requests in the file \(1 PUT\) are sent without a body/)
  const bare = await command(t, ['load', upstream.url, '--requests', file, '--rate', '20/s',
    '--duration', '1s'])
  assert.match(bare.err, /holdfast: 1 of the 2 requests in the file/)
  assert.match(bare.out, /Note: 1 of the 2 requests in the file/)
  upstream.seen.length = 0
  const filled = await load(t, [upstream.url, '--requests', file, '--rate', '20/s', '--duration',
    '1s', '--body-for', 'PUT /b={"made": "up"}'])
  assert.equal(filled.run.notes, undefined)
  assert.deepEqual([...new Set(upstream.seen.map(one =>
    `${one.method} ${one.headers['content-length']} ${one.headers['content-type']}`))].sort(),
  ['GET undefined undefined', 'PUT 14 application/json'])
  const refused = await command(t, ['serve', '--route', `/=${upstream.url}`, '--record', file,
    '--record-header', 'Cookie'])
  assert.equal(refused.code, 1)
  assert.match(refused.err, /--record-header Cookie: its name says that it may hold a secret/)
})

test('answers of every framing are read, and what is no HTTP is said to be none', async t => {
  const answers = [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.0 200 OK\r\n\r\nuntil it closes',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than was promised',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal',
  ]
  const sockets = new Set()
  let asked = 0
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => {
      // The first request is the try before the load.
      const answer = asked === 0 ? answers[0] : answers[(asked - 1) % answers.length]
      asked += 1
      // In two pieces, so that no head or body need come at once.
      socket.write(answer.slice(0, 9))
      setImmediate(() => {
        socket.write(answer.slice(9))
        if (answer.startsWith('HTTP/1.0') || answer.endsWith('hal')) socket.end()
      })
    })
  })
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  atEnd(t, () => { for (const socket of sockets) socket.destroy(); server.close() })
  const { run } = await load(t, [`http://127.0.0.1:${server.address().port}`, '--rate', '70/s',
    '--duration', '2s'])
  const [step] = run.steps
  assert.equal(step.due, 140)
  assert.deepEqual(step.statuses, { 200: 60, 201: 20, 204: 20 })
  assert.equal(step.failures.bad_answer, 20, JSON.stringify(step.failures))
  assert.equal(step.failures.reset, 20, JSON.stringify(step.failures))
})

test('a server that dies in the middle is told as connections refused', async t => {
  const upstream = await serve(t, ok)
  const running = start(t, ['load', upstream.url, '--rate', '100/s', '--duration', '4s',
    '--errors', '<1%', '--json'])
  await until('it loads', () => upstream.seen.length > 100)
  upstream.stop()
  const { code } = await running.ended
  assert.equal(code, 3, running.err)
  const run = JSON.parse(running.out)
  assert.ok(run.steps[0].failures.connect_refused > 100, JSON.stringify(run.steps[0].failures))
  assert.deepEqual([run.verdict.limit, run.verdict.rule], ['connections', 'connections-fail'])
})
