// examples/pending-order, in both languages: an order stays pending until it is settled, and is
// settled once.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { atEnd, call, folder, readText, startHoldfast, until } from './rig.mjs'
import { macOf } from './receiver.mjs'
import { startUpstream } from './upstream.mjs'

const SECRET = 'whsec_cGVuZGluZy1vcmRlcnM='
const example = new URL('../examples/pending-order/', import.meta.url).pathname
const languages = {
  node: { command: process.execPath, args: ['--no-warnings', join(example, 'node/orders.mjs')] },
  python: { command: 'python3', args: ['-B', join(example, 'python/orders.py')] },
}

async function startApp(t, { command, args }, payments) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env,
    PORT: '0', PAYMENTS: payments, HOOK_SECRET: `whsec_b2xk ${SECRET}`,
    ORDERS_DB: join(folder(t), 'orders.db') } })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', text => { out += text })
  child.stderr.setEncoding('utf8').on('data', text => { err += text })
  const ended = new Promise(resolve => child.once('close', resolve))
  atEnd(t, () => { child.kill('SIGKILL'); return ended })
  return until(`the application listens\n${err}`, () => out.match(/orders on (\S+)/)?.[1])
}

// Stands before the application, so that its address is known before it is there, and callbacks can
// be lost on the way.
async function startFront(t) {
  const self = { lose: false, passed: [] }
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    if (self.lose) return response.writeHead(503).end()
    const body = Buffer.concat(chunks).toString()
    const answer = await call(self.app + request.url, { method: 'POST', body,
      headers: request.headers })
    self.passed.push({ status: answer.status, headers: request.headers, body })
    return response.writeHead(answer.status).end()
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => { server.close(); server.closeAllConnections() })
  self.url = `http://127.0.0.1:${server.address().port}`
  return self
}

// The example's own configuration with this test's ports, and pauses that a test can wait for.
function config(upstream, front) {
  const text = readText(join(example, 'holdfast.yaml'))
    .replace(/^listen: .*\n/m, '')
    .replaceAll(/http:[^"\s]+:3000/g, front).replace(/http:[^"\s]+:9000/, upstream)
    .replace('  secrets:', '  retry: { held: [100ms, 200ms, 500ms] }\n  secrets:')
    .replace('wait: 5s', 'wait: 300ms\n    retry: { held: [200ms, 300ms, 500ms, 1s, 1s, 1s, 1s] }')
    .replace('account: main', 'account: main\n    breaker: { open: 100ms..200ms }')
  assert.ok(text.includes(front) && text.includes(upstream) && text.includes('300ms'))
  return text
}

async function rig(t, language, options) {
  const upstream = await startUpstream(t, options)
  const front = await startFront(t)
  const proxy = await startHoldfast(t, config(upstream.url, front.url),
    { env: { HOOK_SECRET: SECRET } })
  const app = await startApp(t, languages[language], proxy.url)
  front.app = app
  const order = id => call(`${app}/orders`, { method: 'POST',
    body: JSON.stringify({ id, amount: 4200 }) }).then(answer => answer.json.state)
  const state = async id => (await call(`${app}/orders/${id}`)).json.state
  const hook = (body, headers) =>
    call(`${app}/hooks/holdfast`, { method: 'POST', body, headers })
  const sweep = () => call(`${app}/sweep`, { method: 'POST', body: '' })
  return { upstream, front, app, order, state, hook, sweep }
}

for (const language of Object.keys(languages)) {
  test(`${language}: paid, asked for twice, declined`, async t => {
    const { upstream, order } = await rig(t, language, {
      fault: ({ order: id }) => (id === 'poor' ? { status: 402 } : undefined) })
    assert.equal(await order('o-1'), 'paid')
    assert.equal(await order('o-1'), 'paid')
    assert.equal(await order('poor'), 'declined')
    assert.equal(upstream.of('o-1').length, 1)
  })

  test(`${language}: pending through an outage, and settled by the callback`, async t => {
    const { upstream, front, order, state, hook } = await rig(t, language, {
      fault: ({ order: id, seen }) => (id === 'lost' && seen === 1 ? 'reset_after' : undefined) })
    await upstream.down()
    assert.equal(await order('o-1'), 'pending')
    assert.equal(await order('o-1'), 'pending', 'the customer clicks again')
    await upstream.up()
    await until('the callback settles it', async () => await state('o-1') === 'paid')
    assert.equal(upstream.of('o-1').length, 1)
    // The same news again changes nothing.
    const { body, headers } = await until('it came by the front', () => front.passed[0])
    assert.equal((await hook(body, headers)).status, 200)
    assert.equal(await state('o-1'), 'paid')
    assert.match(await order('lost'), /paid|pending/)
    await until('it is settled', async () => await state('lost') === 'paid')
    assert.equal(upstream.of('lost').length, 1)
  })

  test(`${language}: a callback that is lost, and asking again with the key`, async t => {
    const { upstream, front, order, state, sweep } = await rig(t, language)
    front.lose = true
    await upstream.down()
    assert.equal(await order('o-1'), 'pending')
    await upstream.up()
    await until('it was paid', () => upstream.of('o-1').length === 1)
    assert.equal(await state('o-1'), 'pending')
    await until('the sweep settles it', async () => {
      await sweep()
      return await state('o-1') === 'paid'
    })
    assert.equal(upstream.of('o-1').length, 1)
  })

  test(`${language}: forged and old news change nothing`, async t => {
    const { upstream, order, state, hook } = await rig(t, language)
    await upstream.down()
    assert.equal(await order('o-1'), 'pending')
    const body = JSON.stringify({ type: 'call.answered',
      data: { key: 'o-1', answer: { status: 200 } } })
    const sign = (secret, at, text = body) => ({ 'webhook-id': 'm', 'webhook-timestamp': `${at}`,
      'webhook-signature': `v1,${macOf(secret, `m.${at}.${text}`)}` })
    const now = Math.floor(Date.now() / 1000)
    for (const headers of [{}, sign('whsec_b3RoZXI=', now), sign(SECRET, now - 400),
      sign(SECRET, now, `${body} `), { ...sign(SECRET, now), 'webhook-timestamp': 'soon' }]) {
      assert.equal((await hook(body, headers)).status, 401)
    }
    assert.equal(await state('o-1'), 'pending')
    const told = JSON.stringify({ type: 'call.unknown', data: { key: 'o-1' } })
    assert.equal((await hook(told, sign(SECRET, now, told))).status, 200)
    assert.equal(await state('o-1'), 'unknown')
    assert.equal((await hook(body, sign(SECRET, now))).status, 200)
    assert.equal(await state('o-1'), 'paid', 'a person has settled it')
  })
}
