// Calls as lines of JSON: what they tell and what not, cut and gone on with, and leaving Holdfast.
import assert from 'node:assert/strict'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AUTH, call, command, fillJournal, folder, freePort, logOf, memoryOf, readText, runProgram,
  start, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const RESEND = join(dirname(fileURLToPath(import.meta.url)), '../examples/leave/resend.mjs')

const config = url => `
upstreams:
  bank:
    url: "${url}/api"
    credentials: stored
    idempotency: { mode: key, lifetime: 1d }
    breaker: { open: 100ms..200ms }
routes:
  - path: /
    upstream: bank
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    wait: 200ms
    index: { customer: { form: customer } }
    retry: { live: { attempts: 1 }, held: [30s, 30s, 30s] }
`

async function rig(t, data) {
  const upstream = await startUpstream(t)
  const port = await freePort()
  const serve = () => startHoldfast(t, config(upstream.url), { data, admin: port })
  const proxy = await serve()
  const admin = ['--admin', `127.0.0.1:${port}`, '--token-file', join(proxy.data, 'admin.token')]
  const key = ['--key-file', join(proxy.data, 'seal.key')]
  return {
    upstream, proxy, serve, admin, key,
    running: (...args) => command(t, ['calls', 'export', ...args, ...admin]),
    atRest: (...args) => command(t, ['calls', 'export', '--journal', proxy.data, ...args]),
    pay: (key, fields = {}) => call(`${proxy.url}/pay?canary-query`, {
      method: 'POST', body: `customer=canary-customer&canary-body=${key}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...AUTH,
        'x-token': 'canary-token', 'idempotency-key': `canary-key-${key}`, ...fields } }),
  }
}

const linesOf = text => text.trimEnd().split('\n').map(line => JSON.parse(line))
const callsOf = text => linesOf(text).filter(line => line.kind === 'call')

test('nothing of a client by default; all of it with the key and the flags', async t => {
  const it = await rig(t)
  assert.equal((await it.pay('answered')).status, 200)
  await it.upstream.down()
  assert.equal((await it.pay('held')).json.error.code, 'held')
  const plain = await it.running()
  assert.equal(plain.code, 0, plain.err)
  assert.ok(!plain.out.includes('canary') && !plain.out.includes('sk_test'), plain.out)
  const [begin, answered, held, end] = linesOf(plain.out)
  assert.equal(begin.holdfast_export, 1)
  assert.deepEqual(begin.upstreams, { bank: [it.upstream.url] })
  assert.deepEqual([answered.state, answered.resend], ['answered', 'no'])
  assert.deepEqual([held.state, held.resend, held.held], ['waiting', 'yes', true])
  assert.deepEqual(end, { kind: 'end', calls: 2, unreadable: 0, states: { answered: 1, waiting: 1 },
    last: held.call })

  for (const wrong of [['--unsealed'], ['--with-bodies'], ['--unsealed', '--with-bodies']]) {
    assert.equal((await it.running(...wrong)).code, 2, wrong.join(' '))
  }
  const clear = await it.running('--unsealed', ...it.key)
  assert.match(clear.err, /warning: this export holds requests in clear/)
  const [, , open] = linesOf(clear.out)
  assert.equal(open.clear.request.target, '/api/pay?canary-query')
  assert.deepEqual(open.clear.request.left_out.map(name => name.toLowerCase()),
    ['authorization', 'x-token'])
  assert.equal(open.clear.key.value, 'canary-key-held')
  assert.ok(!clear.out.includes('canary-body') && !clear.out.includes('sk_test'), clear.out)
  const all = await it.running('--unsealed', ...it.key, '--with-bodies', '--with-credentials')
  const [, first, second] = linesOf(all.out)
  assert.equal(Buffer.from(second.clear.request.body_base64, 'base64').toString(),
    'customer=canary-customer&canary-body=held')
  assert.match(all.out, /Bearer sk_test_one/)
  assert.match(Buffer.from(first.clear.answer.body_base64, 'base64').toString(), /pi_1/)
  assert.ok(!logOf(it.proxy).includes('canary'), 'nothing of it is in the log')

  const elsewhere = join(folder(t), 'data')
  await fillJournal(t, elsewhere, 1)
  const bad = await it.running('--unsealed', '--key-file', join(elsewhere, 'seal.key'))
  assert.equal(bad.code, 1, 'the key of another journal')
  assert.match(bad.err, /the key file does not open this journal/)
  assert.ok(!bad.out.includes('canary') && !bad.out.includes('"end"'), bad.out)
})

test('at rest the same as running, and nothing in the directory changes', async t => {
  const it = await rig(t)
  await it.pay('one')
  await it.upstream.down()
  for (const key of ['two', 'three']) await it.pay(key)
  const refused = await it.atRest()
  assert.equal(refused.code, 1)
  assert.match(refused.err, /has the journal in .* open: stop it, or export over its admin API/)
  assert.equal(refused.out, '')
  const running = await it.running('--unsealed', ...it.key, '--with-bodies')
  await it.proxy.kill()  // its logs hold what no table has yet
  const listed = () => readdirSync(join(it.proxy.data, 'db')).sort()
    .map(name => [name, statSync(join(it.proxy.data, 'db', name)).size])
  const before = listed()
  const atRest = await it.atRest('--unsealed', ...it.key, '--with-bodies')
  assert.equal(atRest.code, 0, atRest.err)
  assert.deepEqual(callsOf(atRest.out), callsOf(running.out))
  assert.deepEqual(listed(), before)
  const some = await it.atRest('--state', 'waiting', '--match', 'customer=canary-customer')
  assert.equal(callsOf(some.out).length, 2, some.err)
  assert.ok(!some.out.includes('canary'), some.out)
  const byKey = await it.atRest('-c', it.proxy.config, '--key', 'canary-key-two')
  assert.equal(callsOf(byKey.out).length, 1, byKey.err)
  assert.match((await it.atRest('--key', 'x')).err, /needs the configuration/)
  assert.match((await command(t, ['calls', 'export', '--journal', folder(t)])).err,
    /seal.key is not there/)
})

test('cut by a kill and by a restart, and gone on with, in bounded memory', async t => {
  const data = join(folder(t), 'data')
  await fillJournal(t, data, 20_000, '--body', '1000')
  const it = await rig(t, data)
  const out = join(folder(t), 'calls.ndjson')
  const args = ['calls', 'export', '--out', out, '--unsealed', ...it.key, '--with-bodies']
  const before = memoryOf(it.proxy.child.pid, 'VmRSS')

  const first = start(t, [...args, ...it.admin])
  await until('it has begun', () => statSync(out, { throwIfNoEntry: false })?.size > 1_000_000)
  await first.kill()
  const cut = readText(out)
  assert.ok(!cut.includes('"kind":"end"'), 'a cut file has no last line')
  const there = await command(t, [...args, ...it.admin])
  assert.equal(there.code, 1, 'it writes over nothing')

  const second = start(t, [...args, '--continue', ...it.admin])
  await until('it goes on', () => statSync(out).size > cut.length + 1_000_000)
  const tool = memoryOf(second.child.pid, 'VmHWM')
  await it.proxy.kill()
  await until('it waits', () => second.err.includes('asking again') || second.how)
  const back = await it.serve()
  const ended = await second.ended
  assert.equal(ended.code, 0, second.err + logOf(back))
  const calls = callsOf(readText(out))
  assert.equal(calls.length, 20_000)
  assert.equal(new Set(calls.map(one => one.call)).size, 20_000, 'each once')
  assert.ok(calls.every((one, i) => i === 0 || calls[i - 1].call < one.call), 'in order')
  assert.equal(linesOf(readText(out)).at(-1).kind, 'end')
  assert.equal(statSync(out).mode & 0o777, 0o600)
  assert.ok(tool > 0 && tool < 96, `the command took ${tool} MiB`)
  const grown = memoryOf(back.child.pid, 'VmHWM') - before
  assert.ok(grown < 128, `the server grew by ${grown} MiB`)

  // What comes later is added.
  await it.upstream.down()
  await call(`${back.url}/pay`, { method: 'POST', body: 'x',
    headers: { ...AUTH, 'idempotency-key': 'later' } })
  assert.equal((await command(t, [...args, '--continue', ...it.admin])).code, 0)
  assert.equal(callsOf(readText(out)).length, 20_001)
})

test('leaving: exported, stopped, and what is owed is sent by another tool, once each', async t => {
  const it = await rig(t)
  it.upstream.fault = ({ key }) => (key === 'canary-key-lost' ? 'reset_after' : undefined)
  assert.equal((await it.pay('before')).status, 200)
  // This one took effect, and nobody knows.
  assert.equal((await it.pay('lost')).json.error.code, 'held')
  await it.upstream.down()
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  for (const key of keys) {
    const line = key < 'd' ? { 'holdfast-order': 'line-1' } : {}
    assert.equal((await it.pay(key, line)).json.error.code, 'held')
  }
  await it.proxy.stop()
  const owed = join(folder(t), 'owed.ndjson')
  const exported = await it.atRest('--state', 'waiting,sending,verifying', '--unsealed', ...it.key,
    '--with-bodies', '--with-credentials', '-c', it.proxy.config, '--out', owed)
  assert.equal(exported.code, 0, exported.err)
  const lost = callsOf(readText(owed)).find(one => one.clear.key.value === 'canary-key-lost')
  assert.equal(lost.resend, 'same_key')

  const resend = (...args) => runProgram(t, process.execPath, [RESEND, owed, '--rate', '1000',
    ...args])
  const dry = await resend('--dry-run')
  assert.equal(dry.code, 1, dry.err)
  assert.equal(dry.out.trim().split('\n').length, 7, dry.out)
  const down = await resend()
  assert.equal(down.code, 1, 'the bank is down still')
  it.upstream.fault = undefined
  await it.upstream.up()
  const sent = await resend()
  assert.equal(sent.code, 0, sent.out + sent.err)
  assert.match(sent.err, /7 sent, 0 left/)
  const effects = it.upstream.effects.map(effect => effect.key)
  assert.deepEqual([...effects].sort(),
    ['before', 'lost', ...keys].map(key => `canary-key-${key}`).sort(), 'one effect each')
  const line = effects.filter(key => /-[abc]$/.test(key))
  assert.deepEqual(line, ['canary-key-a', 'canary-key-b', 'canary-key-c'], 'in their order')
  const body = it.upstream.effects.find(effect => effect.key === 'canary-key-d').body
  assert.equal(body, 'customer=canary-customer&canary-body=d')
  const again = await resend()
  assert.equal(again.code, 0)
  assert.match(again.err, /0 sent, 0 left/)
  assert.equal(it.upstream.effects.length, 8)

  writeFileSync(owed, readText(owed).split('\n').slice(0, -2).join('\n'))
  assert.equal((await resend()).code, 2, 'a cut export is told from a whole one')
})

test('what may have taken effect at an upstream without keys is not sent again', async t => {
  const upstream = await startUpstream(t, { keys: false,
    fault: ({ path }) => ({ '/lost': 'reset_after', '/broken': { status: 500 },
      '/busy': { status: 429 } })[path] })
  const owed = join(folder(t), 'owed.ndjson')
  const one = (n, path, more = {}) => JSON.stringify({ kind: 'call', call: `06g${n}`, held: true,
    resend: 'yes', upstream: 'sms', idempotency: { mode: 'none', safe_method: false },
    request: { method: 'POST', path, body_bytes: 1 },
    clear: { request: { target: path, fields: [{ name: 'X-Latin', value_base64: '6Q==' }],
      body_base64: 'eA==' } }, ...more })
  const write = to => writeFileSync(owed, [
    JSON.stringify({ kind: 'begin', holdfast_export: 1, upstreams: { sms: [to] } }),
    one(1, '/lost'), one(2, '/broken'), one(3, '/busy'), one(4, '/good'),
    one(5, '/good', { resend: 'no' }), one(6, '/good', { held: false }),
    one(7, '/good', { resend_until: '2020-01-01T00:00:00.000Z' }),
    one(8, '/good', { request: { method: 'POST', path: '/good', body_bytes: 9 },
      clear: { request: { target: '/good', fields: [] } } }),
    JSON.stringify({ kind: 'end', calls: 8 }), ''].join('\n'))
  const resend = () => runProgram(t, process.execPath, [RESEND, owed, '--rate', '1000'])
  write(`http://127.0.0.1:${await freePort()}`)
  const nobody = await resend()
  assert.equal(nobody.code, 1)
  assert.match(nobody.err, /0 sent, 6 left/, 'nothing was sent, so nothing is in doubt')
  write(upstream.url)
  const first = await resend()
  assert.match(first.out, /\/lost: .*nobody knows/)
  assert.match(first.out, /\/broken: 500, and nobody knows/)
  assert.match(first.err, /3 sent, 3 left; of 2 nobody knows/)
  assert.match(first.err, /1 not sent: its deadline is over/)
  assert.match(first.err, /1 not sent: the export has no bodies/)
  await resend()
  const paths = upstream.requests.map(request => request.path).sort()
  assert.deepEqual(paths, ['/broken', '/busy', '/busy', '/good', '/lost'])
})
