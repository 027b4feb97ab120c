// Stripe's own SDK through Holdfast: it gets a payment or throws, and there is one effect.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stripe } from './sdks.mjs'
import { settled, startHoldfast, startSandbox, stripeConfig } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const client = (proxy, settings = {}) => {
  const { hostname, port } = new URL(proxy.url)
  return new Stripe('sk_test_one', { host: hostname, port, protocol: 'http', telemetry: false,
    timeout: 20_000, ...settings })
}
const params = order => ({ amount: 500, currency: 'eur', payment_method: 'pm_card_visa',
  confirm: true, metadata: { order } })

// Either a payment as the SDK knows it, or an error of the SDK: nothing in between.
async function create(stripe, order, options) {
  try {
    const payment = await stripe.paymentIntents.create(params(order), options)
    assert.equal(payment.object, 'payment_intent', JSON.stringify(payment))
    assert.equal(payment.metadata.order, order)
    return payment
  } catch (error) {
    assert.ok(error instanceof Stripe.errors.StripeError, `not the SDK's: ${error.stack}`)
    return error
  }
}

const faults = {
  reset_before: () => 'reset_before',
  reset_after: () => 'reset_after',
  'hang after the effect': () => 'hang',
  'an answer cut in its body': () => 'cut',
  'applied after the connection died': () => ({ late: 1500 }),
  500: () => ({ status: 500 }),
  503: () => ({ status: 503 }),
  'a 503 of a gateway, applied': () => ({ status: 503, applied: true, body: 'upstream timed out' }),
  '429 with Retry-After': () => ({ status: 429, fields: { 'retry-after': '1' } }),
}

test('a payment whose first attempt meets a fault is made once', { concurrency: true }, async t => {
  const upstream = await startUpstream(t, {
    fault: ({ order, seen }) => (seen === 1 ? faults[order]() : undefined),
  })
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  const stripe = client(proxy, { maxNetworkRetries: 0 })
  await Promise.all(Object.keys(faults).map(order => t.test(order, async () => {
    const payment = await create(stripe, order)
    assert.equal(payment.object, 'payment_intent', `threw ${payment.message}`)
    assert.equal(upstream.of(order).length, 1)
    const keys = new Set(upstream.requests.filter(r => r.order === order).map(r => r.key))
    assert.equal(keys.size, 1, 'every attempt carries one key')
    assert.match([...keys][0], /^hf1-[0-9a-f]{40}$/)
  })))
})

test('three create() calls for one order, each with a fresh key, are one charge', async t => {
  const upstream = await startUpstream(t, { fault: ({ seen }) =>
    (seen <= 2 ? 'reset_after' : undefined) })
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  const stripe = client(proxy)
  const ids = []
  for (let loop = 0; loop < 3; loop++) ids.push((await create(stripe, 'loop')).id)
  assert.equal(upstream.of('loop').length, 1)
  assert.ok(ids[0], 'the first create() got its payment')
  assert.deepEqual(new Set(ids).size, 1, `three answers: ${ids}`)
})

test('three create() calls at once for one order are one charge', async t => {
  const upstream = await startUpstream(t, { delay: 200 })
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  const stripe = client(proxy)
  const payments = await Promise.all([1, 2, 3].map(() => create(stripe, 'together')))
  assert.equal(upstream.of('together').length, 1)
  assert.equal(new Set(payments.map(p => p.id)).size, 1)
})

test('a declined card throws StripeCardError, each time', async t => {
  const sandbox = await startSandbox(t)
  const proxy = await startHoldfast(t, stripeConfig(sandbox.url))
  const stripe = client(proxy)
  for (let loop = 0; loop < 2; loop++) {
    await assert.rejects(stripe.paymentIntents.create({ ...params('declined'),
      payment_method: 'pm_card_chargeDeclined' }), Stripe.errors.StripeCardError)
  }
  assert.equal((await sandbox.ask('/_ledger?order=declined')).effects.length, 0)
})

test('a payment, or an error and never two effects, under faults of every kind', async t => {
  const sandbox = await startSandbox(t, ['--seed', '11', '--latency-ms', '20', '--faults',
    'reset_before=80,reset_after=80,late_apply:700=60,cut=60,apply_then_503=50,s429:1=20,s500=50,'
    + 's503:1=30,invalid=20,invalid:length=20,close_on_reuse=30,s500_stored=10'])
  const proxy = await startHoldfast(t, stripeConfig(sandbox.url))
  const stripe = client(proxy)
  const orders = Array.from({ length: 120 }, (_, i) => `seeded-${i}`)
  const results = await Promise.all(orders.map(order => create(stripe, order)))
  const paid = orders.filter((_, i) => results[i].object === 'payment_intent')
  assert.ok(paid.length >= 100, `only ${paid.length} of ${orders.length} were paid`)

  const { effects } = await settled(sandbox, '?path=/v1/payment_intents')
  const times = new Map()
  for (const { order } of effects) times.set(order, (times.get(order) ?? 0) + 1)
  assert.deepEqual([...times].filter(([, n]) => n > 1), [], 'orders charged twice')
  assert.deepEqual(paid.filter(order => !times.has(order)), [], 'paid and not charged')
})
