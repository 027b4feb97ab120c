// Running out is told before it ends: to a webhook, in the log, by `holdfast alerts` and metrics.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { atEnd, call, command, folder, logOf, pay, pause, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

// Keeps what is posted to it: { url, got: [{ path, headers, json }], down }.
async function startReceiver(t) {
  const self = { got: [], down: false }
  const server = createServer((request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      if (!self.down) {
        self.got.push({ path: request.url, headers: request.headers,
          json: JSON.parse(Buffer.concat(chunks)) })
      }
      response.writeHead(self.down ? 503 : 204).end()
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => { server.closeAllConnections(); server.close() })
  self.url = `http://127.0.0.1:${server.address().port}`
  self.of = cause => self.got.map(({ json }) => json).filter(json => json.cause === cause)
  return self
}

const config = (url, alerts, { deadline = '1h', mode = 'key', index = '' } = {}) => `
alerts:
  over_after: 1s
  standing_still: 2s
${alerts}
upstreams:
  orders:
    url: ${url}
    idempotency: { mode: ${mode}${mode === 'key' ? ', lifetime: 2h' : ''} }
    credentials: stored
    account: main
    timeouts: { connect: 1s, head: 2s }
    breaker: { open: 100ms..300ms }
routes:
  - path: /orders
    upstream: orders
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
${index}
    wait: 300ms
    deadline: ${deadline}
    retry: { live: { attempts: 1 }, held: [${Array(48).fill('300ms').join(', ')}] }
`
const webhook = (url, more = '') => `  webhook: { url: "${url}/hook"${more} }`
const order = (proxy, name, headers = {}) => pay(proxy.url, name,
  { path: '/orders', headers: { 'idempotency-key': name, ...headers } })
const bearer = proxy =>
  ({ authorization: `Bearer ${readFileSync(`${proxy.data}/admin.token`, 'utf8').trim()}` })
const operator = (t, proxy, ...args) => command(t, [...args,
  '--admin', new URL(proxy.admin).host, '--token-file', `${proxy.data}/admin.token`])

test('an upstream is down: half, three quarters and the end, each told once', async t => {
  const receiver = await startReceiver(t)
  const upstream = await startUpstream(t)
  await upstream.down()
  const proxy = await startHoldfast(t, config(upstream.url,
    `${webhook(receiver.url)}\n  stake: amount`,
    { deadline: '12s', index: '    index: { amount: { form: amount } }' }),
  { admin: true, health: true })
  for (const name of ['one', 'two', 'three']) assert.equal((await order(proxy, name)).status, 503)

  const [half] = await until('half', () => receiver.of('schedule-half').length > 0
    && receiver.of('schedule-half'))
  assert.equal(half.notice, 'begun')
  assert.equal(half.upstream, 'orders')
  assert.ok(half.seconds_left > 2 && half.seconds_left <= 6, JSON.stringify(half))
  assert.ok(half.calls >= 1 && half.calls <= 3)
  assert.equal(half.stake.field, 'amount')
  assert.equal(half.stake.sum, String(500 * half.calls))
  assert.match(half.text, /used up half of the time or more; the first runs out in \ds/)

  const shown = await until('all three', async () => {
    const shown = await operator(t, proxy, 'alerts')
    return /3 held calls to orders used up half/.test(shown.out) && shown
  })
  assert.equal(shown.code, 0)
  assert.match(shown.out, /^breaker-open {2}orders {2}since /m)
  assert.match(shown.out, /holdfast calls list --state waiting --upstream orders/)
  const list = JSON.parse((await operator(t, proxy, 'alerts', '--json')).out).alerts
  assert.ok(list.some(({ cause, runs_out_at: at }) => cause === 'schedule-half' && at))
  const metrics = (await call(`${proxy.health}/metrics`)).text
  assert.match(metrics, /holdfast_alerts_active\{cause="schedule-half",upstream="orders"\} 1/)

  const [most] = await until('three quarters', () =>
    receiver.of('schedule-three-quarters').length > 0 && receiver.of('schedule-three-quarters'))
  assert.ok(most.seconds_left <= 3, JSON.stringify(most))
  assert.equal(most.severity, 'critical')
  const [lost] = await until('exhausted', () => receiver.of('schedule-exhausted').length > 0
    && receiver.of('schedule-exhausted'))
  assert.equal(lost.notice, 'begun')

  // Nothing runs out any more: the first two causes are over, once.
  await until('over', () => receiver.of('schedule-three-quarters').length === 2
    && receiver.of('schedule-half').length === 2)
  await pause(2500) // sleep: that no further notice comes is the test
  assert.deepEqual(receiver.of('schedule-half').map(({ notice }) => notice), ['begun', 'over'])
  assert.deepEqual(receiver.of('schedule-three-quarters').map(({ notice }) => notice),
    ['begun', 'over'])
  assert.deepEqual(receiver.of('schedule-exhausted').map(({ notice }) => notice), ['begun'])
  const began = receiver.got.map(({ json }) => json).filter(({ notice }) => notice === 'begun')
    .map(({ cause }) => cause).filter(cause => cause.startsWith('schedule'))
  assert.deepEqual(began, ['schedule-half', 'schedule-three-quarters', 'schedule-exhausted'])
  assert.match(logOf(proxy), /"what":"alert".*"rule":"schedule-half"/)
})

test('delivered in time: it is over, and a restart tells nobody twice', async t => {
  const receiver = await startReceiver(t)
  const upstream = await startUpstream(t)
  await upstream.down()
  const text = config(upstream.url, webhook(receiver.url), { deadline: '16s' })
  const first = await startHoldfast(t, text, { admin: true })
  assert.equal((await order(first, 'later')).status, 503)
  await until('half', () => receiver.of('schedule-half').length === 1)
  await first.kill()
  const second = await startHoldfast(t, text, { admin: true, data: first.data })
  await until('active again', async () =>
    (await call(`${second.admin}/v1/alerts`, { headers: bearer(second) })).json.alerts
      .some(({ cause }) => cause === 'schedule-half'))
  await upstream.up()
  await until('over', () => receiver.of('schedule-half').length === 2)
  assert.deepEqual(receiver.of('schedule-half').map(({ notice }) => notice), ['begun', 'over'])
  assert.equal(upstream.effects.length, 1)
  assert.deepEqual(receiver.of('schedule-exhausted'), [])
  await until('nothing is wrong', async () =>
    (await operator(t, second, 'alerts')).out === 'nothing is wrong\n')
})

test('a parked call is told to Slack with its secret field, and again when the receiver is back',
  async t => {
      const receiver = await startReceiver(t)
    receiver.down = true
    const upstream = await startUpstream(t, { fault: () => 'reset_after' })
    const proxy = await startHoldfast(t, config(upstream.url,
      webhook(receiver.url, ', format: slack, headers: { X-Hook: "${env:HOOK_SECRET}" }'),
      { mode: 'none' }), { admin: true, health: true, env: { HOOK_SECRET: 'hook-canary' } })
    const answer = await order(proxy, 'doubt')
    assert.equal(answer.headers['holdfast-effect'], 'unknown')
    await until('a complaint', () => /alert_undelivered/.test(logOf(proxy)))
    receiver.down = false
    const [told] = await until('the notice', () => receiver.got.length > 0 && receiver.got)
    assert.equal(told.path, '/hook')
    assert.equal(told.headers['x-hook'], 'hook-canary')
    assert.deepEqual(Object.keys(told.json), ['text'])
    assert.match(told.json.text,
      /^Holdfast: parked-calls \(orders\): 1 call to orders of unknown outcome/)
    assert.ok(!logOf(proxy).includes('hook-canary'))
    assert.match((await call(`${proxy.health}/metrics`)).text,
      /holdfast_alert_notices_total\{target="webhook",result="sent"\} 1/)
    const id = answer.headers['holdfast-call']
    const done = await operator(t, proxy, 'calls', 'resolve', id, 'applied', '--reason', 'seen')
    assert.equal(done.code, 0, done.err)
    await until('over', () => receiver.got.some(({ json }) => /over: parked-calls/.test(json.text)))
  })

test('calls are due and stand still: the pause is named', async t => {
  const receiver = await startReceiver(t)
  const upstream = await startUpstream(t)
  await upstream.down()
  const proxy = await startHoldfast(t, config(upstream.url, webhook(receiver.url)), { admin: true })
  assert.equal((await order(proxy, 'stuck')).status, 503)
  const asked = await call(`${proxy.admin}/v1/upstreams/orders/pause`, { method: 'POST',
    headers: bearer(proxy), body: '{"for": "1h"}' })
  assert.equal(asked.status, 200, asked.text)
  const [told] = await until('standing still', () => receiver.of('standing-still').length > 0
    && receiver.of('standing-still'))
  assert.match(told.text, /it is paused until 20/)
  assert.ok(told.do.some(line => line.includes('holdfast resume orders')))
})

test('what an unknown call keeps waiting is listed, and goes on when it is settled', async t => {
  const upstream = await startUpstream(t,
    { fault: ({ order: name }) => (name === 'first' ? 'reset_after' : undefined) })
  const proxy = await startHoldfast(t, config(upstream.url, '  every: 1h', { mode: 'none' }),
    { admin: true })
  const line = { 'holdfast-order': 'customer-7' }
  const first = await order(proxy, 'first', line)
  assert.equal(first.headers['holdfast-effect'], 'unknown')
  assert.equal((await operator(t, proxy, 'calls', 'blocked')).out, 'nothing is blocked\n')
  for (const name of ['second', 'third']) assert.equal((await order(proxy, name, line)).status, 503)
  const shown = await operator(t, proxy, 'calls', 'blocked')
  const id = first.headers['holdfast-call']
  assert.match(shown.out, new RegExp(`^${id} +unknown +\\S+ +orders +customer-7 +2 `, 'm'))
  assert.match(shown.out, new RegExp(`holdfast calls resolve ${id} applied`))
  assert.equal(upstream.effects.length, 1)
  const done = await operator(t, proxy, 'calls', 'resolve', id, 'applied', '--reason', 'seen')
  assert.equal(done.code, 0, done.err)
  await until('the others went', () => upstream.effects.length === 3)
  assert.deepEqual(upstream.effects.map(effect => effect.order), ['first', 'second', 'third'])
  assert.equal((await operator(t, proxy, 'calls', 'blocked')).out, 'nothing is blocked\n')
})

test('an incident is drafted from the records', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, config(upstream.url, '  every: 1h'), { admin: true })
  assert.equal((await order(proxy, 'good')).status, 200)
  await upstream.down()
  const ids = []
  for (const name of ['x', 'y']) ids.push((await order(proxy, name)).headers['holdfast-call'])
  await upstream.up()
  await until('both delivered', () => upstream.effects.length === 3)
  await upstream.down()
  const waits = (await order(proxy, 'z')).headers['holdfast-call']
  const file = join(folder(t), 'incident.md')
  const done = await operator(t, proxy, 'incident', '--since', '5m', '-o', file)
  assert.equal(done.code, 0, done.err)
  const text = readFileSync(file, 'utf8')
  assert.match(text, /affected: 3 calls; 4 began in the window/)
  assert.match(text, /orders, route \/orders \| 3 \| 2 answered, 1 (waiting|sending)/)
  assert.match(text, new RegExp(`an attempt of call ${ids[0]} to orders .*connect_refused`))
  assert.match(text, /calls put on hold, to be delivered later: 3\n/)
  assert.match(text, new RegExp(`holdfast calls show ${waits}`))
  const json = JSON.parse((await operator(t, proxy, 'incident', '--json',
    '--since', new Date(Date.now() - 300_000).toISOString())).out)
  assert.equal(json.affected, 3)
  const wrong = await operator(t, proxy, 'incident', '--since', 'yesterday')
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /neither a duration such as 2h nor a time/)
})

const ALERTMANAGER = '/usr/bin/prometheus-alertmanager'
const skip = existsSync(ALERTMANAGER)
  ? false : `${ALERTMANAGER} is not installed: ./x test brings it on Debian`

// It does not say which port it took, so one is chosen for it, and another if that is lost.
async function startAlertmanager(t) {
  const home = folder(t)
  const file = join(home, 'alertmanager.yml')
  writeFileSync(file, 'route: { receiver: none }\nreceivers: [ { name: none } ]\n')
  const probe = net.createServer()
  const port = await new Promise(resolve =>
    probe.listen(0, '127.0.0.1', () => resolve(probe.address().port)))
  await new Promise(resolve => probe.close(resolve))
  const child = spawn(ALERTMANAGER, [`--config.file=${file}`, `--storage.path=${home}/data`,
    `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address='], { stdio: 'ignore' })
  const ended = new Promise(resolve => child.once('close', resolve))
  atEnd(t, () => { child.kill('SIGKILL'); return ended })
  const url = `http://127.0.0.1:${port}`
  await until('Alertmanager is ready', () =>
    call(`${url}/-/ready`).then(({ status }) => status === 200, () => false), 30_000)
  return { url, alerts: async () => (await call(`${url}/api/v2/alerts`)).json }
}

test('a real Alertmanager shows the alert, and resolves it when it is over', { skip }, async t => {
  const manager = await startAlertmanager(t)
  const upstream = await startUpstream(t)
  await upstream.down()
  const proxy = await startHoldfast(t,
    config(upstream.url, `  alertmanager: { url: "${manager.url}" }`), { admin: true })
  for (const name of ['a', 'b', 'c', 'd', 'e']) await order(proxy, name)
  const named = (all, name) => all.find(({ labels }) => labels.alertname === name)
  const alert = await until('the alert', async () =>
    named(await manager.alerts(), 'HoldfastBreakerOpen'))
  assert.equal(alert.labels.upstream, 'orders')
  assert.equal(alert.labels.cause, 'breaker-open')
  assert.equal(alert.status.state, 'active')
  assert.match(alert.annotations.summary, /the breaker of orders is open/)
  assert.ok(Date.parse(alert.endsAt) > Date.now() + 60_000)
  await upstream.up()
  // What has ended is not listed any more.
  await until('resolved', async () => !named(await manager.alerts(), 'HoldfastBreakerOpen'))
  await until('over in the log', () => /"what":"alert_over".*breaker-open/.test(logOf(proxy)))
})
