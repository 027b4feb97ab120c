// Every client of docs/presets.md through the real binary, at an upstream that is as its provider
// describes itself, under every fault: it is told the truth, and there is at most one effect.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { aws, jsonError, xmlError } from './aws.mjs'
import { clients, stripeProvider } from './clients.mjs'
import { described } from './descriptions.mjs'
import { command, folder, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

// A key that the SDK's own repeats share, where the application sends none.
const DERIVED = 'key: { derive: [ owner, body ] }'
const TOKEN = '{ mode: key, lifetime: 5m }'

// What is said of an upstream, how its route knows a repeat, who plays it, and what a client may
// expect: `joins` the upstream knows a repeat and every call succeeds; `costs` a repeat is allowed;
// `doubt` what may have been done is not sent again.
const STRIPE = { preset: 'stripe', route: 'key: { from: [ { form: "metadata[order]" } ] }',
  provider: stripeProvider, kind: 'joins' }
const rows = {
  stripe: STRIPE,
  'stripe without retries of its own': STRIPE,
  openai: { preset: 'openai', kind: 'costs' },
  anthropic: { preset: 'anthropic', kind: 'costs' },
  slack: { preset: 'slack', route: DERIVED },
  sqs: { preset: 'aws-json', route: DERIVED, provider: aws },
  'sqs, fifo': { preset: 'aws-json', idempotency: TOKEN, provider: aws, kind: 'joins',
    route: 'key: { required: true, from: [ { body: /MessageDeduplicationId } ] }' },
  sns: { preset: 'aws-query', route: DERIVED, provider: aws },
  'sns, fifo': { preset: 'aws-query', idempotency: TOKEN, provider: aws, kind: 'joins',
    route: 'key: { required: true, from: [ { form: MessageDeduplicationId } ] }' },
  octokit: { preset: 'github', route: DERIVED, minute: true },
  sendgrid: { preset: 'sendgrid', route: DERIVED },
  twilio: { route: DERIVED },
  axios: { route: DERIVED },
  fetch: { route: DERIVED },
  got: { route: DERIVED },
}

const config = (url, { preset, idempotency, route }) => `
upstreams:
  provider:
    url: ${url}
${preset ? `    preset: ${preset}` : ''}
${idempotency ? `    idempotency: ${idempotency}` : ''}
    timeouts: { connect: 2s, head: 700ms }
    breaker: { consecutive: 1000, of_at_least: 1000 }
routes:
  - path: /
    upstream: provider
    wait: 6s
    deadline: 4m
    retry: { budget: 100% }
${route ? `    ${route}` : ''}
`

// at: before or after the effect; refusal: the provider promises that nothing was done.
const faults = {
  none: { at: undefined, fault: () => undefined },
  lost: { at: 'after', fault: 'reset_after' },
  unavailable: { at: 'before', fault: { status: 503 } },
  gateway: { at: 'after', fault: { status: 502, applied: true, body: '{"error":{}}' } },
  limited: { at: 'refusal', fault: { status: 429, fields: { 'retry-after': '1' } } },
  limitedonly: { at: 'refusal', fault: { status: 429 } },
  silent: { at: 'after', fault: 'hang' },
  reset: { at: 'before', fault: 'reset_before' },
}

// What must become of a call: whether its client has an answer, and the effects.
function expected({ kind = 'doubt', minute }, name) {
  const { at } = faults[name]
  if (at === undefined || (at === 'refusal' && !(minute && name === 'limitedonly'))) {
    return { answered: true, effects: 1, unknown: false }
  }
  if (at === 'refusal') return { answered: false, effects: 0, unknown: false }
  if (kind === 'joins') return { answered: true, effects: 1, unknown: false }
  if (kind === 'costs') return { answered: true, effects: at === 'after' ? 2 : 1, unknown: false }
  return { answered: false, effects: at === 'after' ? 1 : 0, unknown: true }
}

const orderIn = (request, body) => /order0\w+/.exec(body)?.[0]

async function rig(t, row) {
  const plans = new Map()
  const upstream = await startUpstream(t, {
    serve: await (row.provider ?? described)(t),
    orderOf: orderIn,
    // Every fault meets the first request of its order; the others find a good day.
    fault: ({ order, seen }) => (seen === 1 ? plans.get(order) : undefined),
  })
  const data = join(folder(t), 'data')
  const start = () => startHoldfast(t, config(upstream.url, row), { data, admin: true })
  return { upstream, plans, start, host: new URL(upstream.url).host }
}

const outcome = promise => promise.then(value => ({ answered: true, value }),
  error => ({ answered: false, error }))

// What the client could read of the effect, wherever its SDK keeps an answer's fields.
function toldEffect(error) {
  const headers = error.headers ?? error.$response?.headers ?? error.response?.headers
  return headers?.['holdfast-effect'] ?? headers?.get?.('holdfast-effect')
}

// AWS's SDK counts its own attempts: what Holdfast took care of needs no second one.
function askedOnce(value, where) {
  if (value?.$metadata) assert.equal(value.$metadata.attempts, 1, where)
}

async function unknownCalls(t, proxy) {
  const done = await command(t, ['calls', 'list', '--state', 'unknown', '--json', '--admin',
    new URL(proxy.admin).host, '--token-file', join(proxy.data, 'admin.token')])
  assert.equal(done.code, 0, done.err)
  return JSON.parse(done.out).calls.length
}

async function underEachFault(t, name, row, { upstream, plans, host }, proxy) {
  const send = clients[name]
  const names = Object.keys(faults)
  const orderOf = fault => `order0${name.replace(/\W/g, '')}${fault}`
  const got = await Promise.all(names.map(fault => {
    const order = orderOf(fault)
    plans.set(order, typeof faults[fault].fault === 'function' ? undefined : faults[fault].fault)
    return outcome(send(proxy.url, order, { host }))
  }))
  let unknown = 0
  names.forEach((fault, i) => {
    const want = expected(row, fault)
    const where = `${name}, ${fault}: ${got[i].error?.stack ?? JSON.stringify(got[i].value)}`
    assert.equal(got[i].answered, want.answered, where)
    const effects = upstream.of(orderOf(fault)).length
    if (row.kind === 'costs') assert.ok(effects >= 1 && effects <= want.effects, where)
    else assert.equal(effects, want.effects, `${where}: effects`)
    askedOnce(got[i].value, where)
    unknown += want.unknown ? 1 : 0
    // Twilio's exceptions have a status and no fields.
    if (want.answered || name === 'twilio') return
    assert.equal(toldEffect(got[i].error), want.unknown ? 'unknown' : 'none', where)
  })
  if (row.kind !== 'costs') assert.equal(await unknownCalls(t, proxy), unknown, `${name}: unknown`)
}

// The effect is there, Holdfast dies before it has heard of it, and the application asks again.
async function whenKilled(t, name, row, { upstream, plans, start, host }, proxy) {
  const send = clients[name]
  const order = `order0${name.replace(/\W/g, '')}killed`
  plans.set(order, 'hang')
  const first = outcome(send(proxy.url, order, { host }))
  await until('the effect is there', () => upstream.of(order).length === 1)
  await proxy.kill()
  assert.equal((await first).answered, false, `${name} was answered by nobody`)
  const again = await outcome(send((await start()).url, order, { host }))
  const { kind = 'doubt' } = row
  const where = `${name}: ${again.error?.stack}`
  assert.equal(again.answered, kind !== 'doubt', where)
  if (kind !== 'costs') assert.equal(upstream.of(order).length, 1, where)
}

test('each client under each fault', { concurrency: 3 }, async t => {
  await Promise.all(Object.entries(rows).map(([name, row]) => t.test(name, async t => {
    const context = await rig(t, row)
    const proxy = await context.start()
    await underEachFault(t, name, row, context, proxy)
    await whenKilled(t, name, row, context, proxy)
  })))
})

// What a provider says in fields and bodies, of the first request.
const inSeconds = seconds => String(Math.ceil(Date.now() / 1000) + seconds)
const slack = error => ({ status: 200, body: { ok: false, error } })
// Without a key the SDK's own repeat would be another call: nobody could tell.
const UNKNOWN = { joined: true, effects: 1, error: /./ }
const said = {
  'slack: ratelimited with a 200': ['slack', () => slack('ratelimited'), { answered: true }],
  'slack: fatal_error, and it was done': ['slack',
    () => ({ ...slack('fatal_error'), applied: true }), { effects: 1, error: /fatal_error/ }],
  'slack: channel_not_found': ['slack', () => slack('channel_not_found'),
    { effects: 0, error: /channel_not_found/ }],
  'github: a secondary limit': ['octokit', () => ({ status: 403, fields: { 'retry-after': '1' },
    body: { message: 'You have exceeded a secondary rate limit.' } }), { answered: true }],
  'github: nothing remains': ['octokit', () => ({ status: 403, body: { message: 'spent' },
    fields: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(1) } }),
  { answered: true }],
  'github: a 403 that means it': ['octokit', () => ({ status: 403, body: { message: 'no' },
    fields: { 'x-ratelimit-remaining': '9' } }), { effects: 0, error: /no/ }],
  'sendgrid: 429 until X-RateLimit-Reset': ['sendgrid', () => ({ status: 429,
    fields: { 'x-ratelimit-reset': inSeconds(1) } }), { answered: true }],
  'sqs: RequestThrottled': ['sqs', () => jsonError(400, 'RequestThrottled'), { answered: true }],
  'sqs: ServiceUnavailable': ['sqs', () => ({ ...jsonError(503, 'ServiceUnavailable'),
    applied: true }), UNKNOWN],
  'sns: Throttling': ['sns', () => xmlError(400, 'Throttling'), { answered: true }],
  'sns: ServiceUnavailable': ['sns', () => ({ ...xmlError(503, 'ServiceUnavailable'),
    applied: true }), UNKNOWN],
}

test('what providers say in fields and bodies', { concurrency: 3 }, async t => {
  await Promise.all(Object.entries(said).map(([name, [client, says, want]]) =>
    t.test(name, async t => {
      // Without a journal and with one: the answer is read in another way.
      for (const route of want.joined ? [rows[client].route] : [undefined, rows[client].route]) {
        const row = { ...rows[client], route }
        const { upstream, plans, start, host } = await rig(t, row)
        const proxy = await start()
        plans.set('order0one', says())
        const { answered, error, value } =
          await outcome(clients[client](proxy.url, 'order0one', { host }))
        assert.equal(answered, want.answered ?? false, `${route}: ${error?.stack}`)
        askedOnce(value, name)
        assert.equal(upstream.of('order0one').length, want.effects ?? 1, `${route}`)
        if (want.error) assert.match(String(error), want.error)
      }
    })))
})
