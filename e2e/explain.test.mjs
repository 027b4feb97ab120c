// "We were charged twice": each sentence of `holdfast explain` from a real sequence of requests,
// and what `holdfast duplicates` makes of a caller that retries under new keys.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AUTH, call, command, folder, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = (url, { mode = '{ mode: none }', route = '' } = {}) => `
upstreams:
  bank:
    url: "${url}"
    idempotency: ${mode}
    credentials: stored
    timeouts: { connect: 1s, head: 1s }
    breaker: { open: 100ms..200ms }
routes:
  - path: /
    upstream: bank
    key: { from: [ { header: Idempotency-Key } ], stable: true }
    index:
      customer: { form: customer }
      amount: { form: amount }
      card: { form: card, sensitive: true }
    hold: on_failure
    wait: 3s
    retry: { live: { backoff: 10ms..20ms }, held: [1s, 1s, 1s] }
${route}
`

const KEYED = '{ mode: key, lifetime: 24h }'
const CARD = '4242424242424242'

async function rig(t, options = {}) {
  const upstream = await startUpstream(t, { keys: false, ...options.upstream })
  const proxy = await startHoldfast(t, config(upstream.url, options),
    { admin: true, journal: options.journal })
  const admin = ['--admin', new URL(proxy.admin).host,
    '--token-file', join(proxy.data, 'admin.token')]
  const pay = (key, { customer = 'cus_1', amount = 4200, headers = {}, order = 'o' } = {}) =>
    call(`${proxy.url}/v1/charges`, {
      method: 'POST',
      body: `order=${order}&customer=${customer}&amount=${amount}&card=${CARD}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...AUTH,
        ...(key && { 'idempotency-key': key }), ...headers },
    })
  const explain = async (...args) => {
    const done = await command(t, ['explain', ...args, '--json', ...admin])
    assert.ok(done.code < 3, `${done.out}${done.err}`)
    const answer = JSON.parse(done.out)
    answer.exit = done.code
    answer.rules = answer.sentences.map(one => one.rule)
    answer.said = rule => answer.sentences.find(one => one.rule === rule)
      ?? assert.fail(`${rule} is not among ${answer.rules}`)
    return answer
  }
  const tool = (...args) => command(t, [...args, ...admin])
  return { upstream, proxy, admin, pay, explain, tool }
}

test('sent once', async t => {
  const { pay, explain } = await rig(t)
  const paid = await pay('k-1')
  assert.equal(paid.status, 200)
  const answer = await explain(paid.headers['holdfast-call'])
  assert.equal(answer.verdict, 'nothing_doubled')
  assert.equal(answer.exit, 0)
  assert.match(answer.said('sent-once').text, /A went to the upstream once; it was answered 200/)
  assert.match(answer.said('sent-once').unproved, /proxy behind/)
})

test('twice with different keys, same content: doubled', async t => {
  const { pay, explain, upstream, tool } = await rig(t)
  await pay('k-1')
  const second = await pay('k-2')
  assert.equal(upstream.effects.length, 2)
  for (const args of [['--match', 'customer=cus_1', '--match', 'amount=4200', '--since', '2d'],
    ['--match', `card=${CARD}`], ['--key', 'k-1'], [second.headers['holdfast-call']]]) {
    const answer = await explain(...args)
    assert.equal(answer.exit, 1, args.join(' '))
    assert.equal(answer.verdict, 'doubled')
    assert.equal(answer.calls.length, 2)
    assert.match(answer.said('same-content-other-key').text,
      /same content twice with different keys, \d\.\d{3} s apart.*Both took effect/)
  }
  // The hash shows that the cards were one, and no card.
  const answer = await explain('--match', 'customer=cus_1')
  const cards = answer.calls.map(one => one.index.find(field => field.name === 'card').hash)
  assert.equal(cards[0], cards[1])
  assert.ok(!JSON.stringify(answer).includes(CARD))

  const shown = await tool('explain', '--match', 'customer=cus_1')
  assert.equal(shown.code, 1)
  assert.match(shown.out, /^Doubled: A and B show two effects/)
  assert.match(shown.out, /resembles/)
})

test('a second customer is another story', async t => {
  const { pay, explain } = await rig(t)
  await pay('k-1', { customer: 'cus_1' })
  await pay('k-2', { customer: 'cus_2' })
  const answer = await explain('--match', 'customer=cus_2')
  assert.equal(answer.calls.length, 1)
  assert.equal(answer.exit, 0)
  const both = await explain('--match', 'amount=4200')
  assert.equal(both.calls.length, 2)
  assert.equal(both.exit, 0, 'two customers are no double')
})

test('one key twice: the second is given the stored answer', async t => {
  const { pay, explain, upstream } = await rig(t)
  const first = await pay('k-1')
  assert.equal((await pay('k-1')).headers['idempotent-replayed'], 'true')
  const answer = await explain(first.headers['holdfast-call'])
  assert.equal(answer.exit, 0)
  assert.match(answer.said('one-key-replayed').text, /same key after its end.*nothing went/)
  assert.equal(upstream.requests.length, 1)
})

test('one key twice at once: the second is joined', async t => {
  const { pay, explain, upstream } = await rig(t, { upstream: { delay: 400 } })
  const [first] = await Promise.all([pay('k-1'), pay('k-1')])
  const answer = await explain(first.headers['holdfast-call'])
  assert.equal(answer.exit, 0)
  answer.said('one-key-joined')
  assert.equal(upstream.requests.length, 1)
})

test('one key with another content: refused', async t => {
  const { pay, explain } = await rig(t)
  const first = await pay('k-1')
  assert.equal((await pay('k-1', { amount: 1 })).status, 422)
  const answer = await explain(first.headers['holdfast-call'])
  assert.equal(answer.exit, 0)
  assert.match(answer.said('one-key-other-content').text, /refused; nothing was sent/)
})

test('one key of somebody else: refused', async t => {
  const { pay, explain } = await rig(t)
  const first = await pay('k-1')
  const stranger = await pay('k-1', { headers: { authorization: 'Bearer sk_other' } })
  assert.equal(stranger.status, 409)
  const answer = await explain(first.headers['holdfast-call'])
  answer.said('one-key-stranger')
})

test('Holdfast attempted twice: the upstream refused the first', async t => {
  const fault = ({ n }) => n === 1 ? { status: 429, fields: { 'retry-after': '1' } } : undefined
  const { pay, explain, upstream } = await rig(t, { upstream: { fault } })
  const paid = await pay('k-1')
  assert.equal(paid.status, 200)
  const answer = await explain(paid.headers['holdfast-call'])
  assert.equal(answer.exit, 0)
  assert.match(answer.said('attempted-again').text, /refused with 429.*declares as not applied/)
  assert.equal(upstream.effects.length, 1)
})

test('Holdfast attempted twice: the same key', async t => {
  const fault = ({ n }) => n === 1 ? 'reset_after' : undefined
  const { pay, explain, upstream } = await rig(t, { mode: KEYED, upstream: { keys: true, fault } })
  const paid = await pay('k-1')
  assert.equal(paid.status, 200)
  const answer = await explain('--key', 'k-1')
  assert.equal(answer.exit, 0)
  assert.match(answer.said('attempted-again').text,
    /attempt 1 ended without an answer \(\w+\).*carried the same key.*1d/)
  assert.match(answer.said('attempted-again').unproved, /forgot the key early/)
  assert.equal(upstream.effects.length, 1)
})

test('Holdfast attempted twice: no byte had left', async t => {
  const { pay, explain, upstream } = await rig(t)
  await upstream.down()
  const held = await pay('k-1')
  await upstream.up()
  await until('it is delivered', () => upstream.effects.length === 1)
  const id = held.headers['holdfast-call']
  const answer = await until('it is answered', async () => {
    const found = await explain(id)
    return found.calls[0].state === 'answered' && found
  })
  assert.equal(answer.exit, 0)
  assert.match(answer.said('attempted-again').text, /no byte of attempt 1 had left/)
})

test('not known, and which fact is missing; an operator says it and sends it again', async t => {
  const fault = ({ n }) => n === 1 ? 'reset_after' : undefined
  const { pay, explain, tool, upstream } = await rig(t, { upstream: { fault } })
  const lost = await pay('k-1')
  const id = lost.headers['holdfast-call']
  const unknown = await explain(id)
  assert.equal(unknown.verdict, 'not_known')
  assert.equal(unknown.exit, 2)
  assert.match(unknown.said('not-known').text,
    /missing fact is what 127\.0\.0\.1:\d+ has on record/)
  await tool('calls', 'resolve', id, 'not_applied', '--reason', 'not in the dashboard')
  await tool('calls', 'retry', id, '--reason', 'ticket 7')
  await until('it is sent again', () => upstream.requests.length === 2)
  const settled = await until('it is answered', async () => {
    const found = await explain(id)
    return found.calls[0].state === 'answered' && found
  })
  assert.match(settled.said('operator-replayed').text, /"ticket 7"/)
  assert.match(settled.said('operator-resolved').text, /not in the dashboard/)
  assert.match(settled.said('attempted-again').text, /an operator asked for it/)
})

test('different keys while the first is not known', async t => {
  const fault = ({ n }) => n === 1 ? 'reset_after' : undefined
  const { pay, explain } = await rig(t, { upstream: { fault } })
  await pay('k-1')
  await pay('k-2')
  const answer = await explain('--match', 'customer=cus_1')
  assert.equal(answer.verdict, 'same_content')
  assert.equal(answer.exit, 1)
  assert.match(answer.said('same-content-other-key').text, /whether A took effect is not known/)
})

test('no such call, no such field, no such command line', async t => {
  const { explain, tool } = await rig(t)
  const none = await explain('--match', 'customer=nobody')
  assert.equal(none.exit, 2)
  none.said('no-call')
  assert.equal((await explain('--key', 'never-used')).exit, 2)
  const field = await tool('explain', '--match', 'colour=red')
  assert.equal(field.code, 3)
  assert.match(field.err, /searchable field 'colour'; there are: amount, card, customer/)
  assert.equal((await tool('explain')).code, 3)
  assert.equal((await tool('explain', '--frobnicate')).code, 3)
  assert.equal((await command(t, ['explain', 'x', '--admin', '127.0.0.1:1'])).code, 3)
})

test('the evidence page has everything in it and runs nothing', async t => {
  const { pay, tool } = await rig(t)
  await pay('k-1', { customer: '<script>alert(1)</script>' })
  await pay('k-2', { customer: '<script>alert(1)</script>' })
  const file = join(folder(t), 'dispute.html')
  const done = await tool('explain', '--match', 'amount=4200', '--evidence', file)
  assert.equal(done.code, 1, done.err)
  const page = readFileSync(file, 'utf8')
  assert.ok(!page.includes('<script>alert'), 'a client writes into the page')
  assert.ok(!/(src|href)=|url\(/.test(page), 'nothing is loaded from elsewhere')
  const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)[1]
  const kept = JSON.parse(data)
  assert.equal(kept.verdict, 'doubled')
  assert.equal(kept.calls[0].index.find(field => field.name === 'customer').value,
    '<script>alert(1)</script>')
  assert.ok(!page.includes(CARD))
})

test('a header warns of the second, where the route says so', async t => {
  const { pay, proxy } = await rig(t, { route: '    on_suspect: warn\n' })
  const first = await pay('k-1')
  assert.equal(first.headers['holdfast-resembles'], undefined)
  const second = await pay('k-2')
  assert.equal(second.headers['holdfast-resembles'], first.headers['holdfast-call'])
  const token = readFileSync(join(proxy.data, 'admin.token'), 'utf8').trim()
  const metrics = await call(`${proxy.admin}/metrics`,
    { headers: { authorization: `Bearer ${token}` } })
  assert.match(metrics.text, /holdfast_suspect_calls_total\{route="\/"\} 1/)
})

test('duplicates: who repeats, and what load that makes', async t => {
  const { pay, tool } = await rig(t)
  assert.equal((await tool('duplicates')).code, 0)
  for (let i = 0; i < 6; i++) {
    await pay(`a-${i}`, { order: `o-${Math.floor(i / 3)}`, headers: { 'user-agent': 'eager/1.0' } })
  }
  for (let i = 0; i < 3; i++) {
    await pay(`b-${i}`, { order: `p-${i}`, headers: { authorization: 'Bearer sk_calm' } })
  }
  const shown = await tool('duplicates')
  assert.equal(shown.code, 1)
  assert.match(shown.out, /eager\/1\.0 +6 +4 +x3\.00/)
  const answer = JSON.parse((await tool('duplicates', '--json', '--since', '1h')).out)
  assert.equal(answer.calls, 9)
  assert.equal(answer.repeats, 4)
  assert.equal(answer.callers.length, 1)
  assert.equal(answer.callers[0].load_percent, 300)
  assert.equal(answer.pairs.length, 4)
})

const LOOKED_UP = '{ mode: verify, lookup: { get: "/v1/charges?ref={form:order}", ' +
  'found: /data/0, where: { /status: succeeded }, settle: 1s } }'

const lookedUp = (found, first) => ({ mode: LOOKED_UP, upstream: {
  fault: ({ path, n }) => path.includes('?ref=')
    ? { status: 200, body: { data: found } }
    : n === 1 ? first : undefined,
} })

test('Holdfast attempted twice: the upstream was asked, and had nothing of the first', async t => {
  const { pay, explain, upstream } = await rig(t, lookedUp([], 'reset_before'))
  const first = await pay('k-1')
  const id = first.headers['holdfast-call']
  await until('it took effect', () => upstream.effects.length === 1)
  const answer = await until('it is answered', async () => {
    const found = await explain(id)
    return found.calls[0].state === 'answered' && found
  })
  assert.equal(answer.exit, 0)
  assert.match(answer.said('attempted-again').text, /asked, and twice had nothing of it/)
})

test('a lookup shows two effects', async t => {
  const two = [{ status: 'succeeded' }, { status: 'succeeded' }]
  const { pay, explain } = await rig(t, lookedUp(two, 'reset_after'))
  const first = await pay('k-1')
  const answer = await explain(first.headers['holdfast-call'])
  assert.equal(answer.verdict, 'doubled')
  assert.equal(answer.exit, 1)
  assert.match(answer.said('lookup-shows-two').text, /showed 2 entries where one is meant/)
})

// The upstream's own memory of keys is shorter than the client's, and so is Holdfast's here.
test('two differing answers under one key', async t => {
  const { pay, explain, upstream } = await rig(t,
    { journal: 'retention: { keys: 1s, tombstones: 1s, bodies: 1s }' })
  await pay('k-1')
  // Replayed at first, then `key-expired`, and once its tombstone is gone a call of its own.
  await until('the key is forgotten',
    async () => (await pay('k-1')).status === 200 && upstream.effects.length === 2)
  const answer = await explain('--match', 'customer=cus_1')
  assert.equal(answer.verdict, 'doubled')
  assert.equal(answer.exit, 1)
  assert.match(answer.said('two-answers-one-key').text,
    /two successes that differ: A at .* and B at/)
})

test('an operator cancelled what never left', async t => {
  const { pay, explain, tool } = await rig(t, { upstream: { fault: () => 'hang' } })
  await tool('pause', 'bank', '--for', '1h')
  const held = await pay('k-1')
  assert.equal(held.json.type, 'urn:holdfast:problem:held')
  const waiting = await explain(held.json.call)
  assert.ok(waiting.rules.includes('not-ended'), waiting.rules)
  await tool('calls', 'cancel', held.json.call, '--reason', 'the customer changed their mind')
  const answer = await explain(held.json.call)
  assert.ok(answer.rules.includes('never-sent'), answer.rules)
  assert.match(answer.said('operator-cancelled').text, /changed their mind/)
})

test('a derived key joins while the first is under way, and is no key after its end', async t => {
  const upstream = await startUpstream(t, { keys: false, delay: 300 })
  const plain = await startHoldfast(t, `
upstreams: { bank: { url: "${upstream.url}" } }
routes: [ { path: /, upstream: bank, key: { derive: [owner, body], window: 60s } } ]
`)
  const send = () => call(`${plain.url}/v1/charges`,
    { method: 'POST', body: 'order=1', headers: AUTH })
  const [one, two] = await Promise.all([send(), send()])
  assert.equal(one.headers['holdfast-call'], two.headers['holdfast-call'])
  assert.equal(upstream.requests.length, 1)
  assert.equal(upstream.requests[0].key, undefined)
  const later = await send()
  assert.notEqual(later.headers['holdfast-call'], one.headers['holdfast-call'])
  assert.equal(later.headers['idempotent-replayed'], undefined)
  assert.equal(upstream.requests.length, 2)
})
