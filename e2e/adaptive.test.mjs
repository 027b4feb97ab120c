// A limit that is learnt, an upstream that is asked for more than it bears, and who makes way.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { AUTH, atEnd, call, command, logOf, startHoldfast, until } from './rig.mjs'

// So many slots, and `work` ms for each call in one of them; the others queue before them.
async function startSlots(t, slots, work) {
  const self = { busy: 0, most: 0, queue: [], served: [], work }
  const next = () => {
    if (self.busy >= slots || self.queue.length === 0) return
    const { request, response } = self.queue.shift()
    self.busy += 1
    setTimeout(() => {
      self.busy -= 1
      self.served.push(request.url)
      response.end('done')
      next()
    }, self.work)
  }
  const server = createServer((request, response) => {
    request.resume()
    self.queue.push({ request, response })
    self.most = Math.max(self.most, self.busy + self.queue.length)
    next()
  })
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  atEnd(t, () => { server.closeAllConnections(); server.close() })
  self.url = `http://127.0.0.1:${server.address().port}`
  return self
}

const adminOf = proxy =>
  ['--admin', proxy.admin.replace('http://', ''), '--token-file', `${proxy.data}/admin.token`]
async function loadOf(t, proxy) {
  const { code, out, err } = await command(t, ['upstreams', '--json', ...adminOf(proxy)])
  assert.equal(code, 0, err)
  return JSON.parse(out).upstreams[0].load
}
const get = (proxy, path, headers = {}) =>
  call(proxy.url + path, { headers: { ...AUTH, ...headers } })

// So many clients, each of which asks again as soon as it is answered, until told to stop.
function crowd(proxy, clients, path, headers) {
  const self = { going: true, answers: [] }
  self.done = Promise.all(Array.from({ length: clients }, async () => {
    while (self.going) {
      const answer = await get(proxy, path, headers)
      self.answers.push(answer)
      // sleep: whoever is refused does not hammer; the number of calls is not what is judged
      if (answer.status !== 200) await new Promise(resolve => setTimeout(resolve, 20))
    }
  }))
  return self
}

test('the limit is learnt near what the upstream bears, without a call refused for it', async t => {
  const upstream = await startSlots(t, 8, 20)
  const proxy = await startHoldfast(t, `
upstreams:
  shop:
    url: "${upstream.url}"
    concurrency: { adaptive: true, min: 1, max: 500, start: 40 }
    overload: off
routes:
  - path: /
    upstream: shop
    wait: 20s
`, { admin: true, health: true })
  const many = crowd(proxy, 60, '/')
  // It starts five times too high, in a queue of its own making, and finds its way down.
  await until('a limit near 8', async () => {
    const { limit, learnt } = await loadOf(t, proxy)
    return limit <= 20 && limit >= 5 && learnt.lesson !== 'start'
  }, 60_000)
  many.going = false
  await many.done
  assert.ok(many.answers.every(answer => answer.status === 200))
  const { text } = await call(`${proxy.health}/metrics`)
  assert.match(text, /^holdfast_upstream_limit{upstream="shop"} \d+$/m)
  assert.match(text, /^holdfast_upstream_latency_baseline_seconds{upstream="shop"} 0\.\d+$/m)
  const table = await command(t, ['upstreams', ...adminOf(proxy)])
  assert.match(table.out, /UPSTREAM +LIMIT +LEARNT BY +BASELINE/)
  assert.match(table.out, /shop +\d+ +\w+ +\d+\.\dms +\d+\.\dms/)
})

test('a spike sends away what is optional and nothing else, says why, and ends', async t => {
  const upstream = await startSlots(t, 4, 25)
  const proxy = await startHoldfast(t, `
upstreams:
  shop:
    url: "${upstream.url}"
    concurrency: 5
    overload: { target: 100ms, interval: 100ms, calm: 300ms }
routes:
  - path: /buy/
    upstream: shop
    class: critical
  - path: /
    upstream: shop
    class:
      at_most: normal
      by_priority: true
      match: [ { header: X-Kind, values: [teaser], class: optional } ]
`, { admin: true, health: true })
  // Two who buy, one who looks around, and thirty teasers: 4 of them fit at a time.
  const buyers = crowd(proxy, 2, '/buy/')
  const lookers = crowd(proxy, 1, '/look')
  const teasers = crowd(proxy, 20, '/teaser', { 'X-Kind': 'teaser' })
  const sure = crowd(proxy, 10, '/hint', { Priority: 'u=7' })
  const refusedOf = one => one.answers.filter(answer => answer.status !== 200)
  await until('refusals', () => refusedOf(teasers).length >= 20 && refusedOf(sure).length >= 5)
  const during = await loadOf(t, proxy)
  for (const one of [buyers, lookers, teasers, sure]) one.going = false
  await Promise.all([buyers, lookers, teasers, sure].map(one => one.done))

  assert.ok(buyers.answers.length > 0 && lookers.answers.length > 0)
  assert.deepEqual(refusedOf(buyers), [])
  assert.deepEqual(refusedOf(lookers), [])
  for (const answer of [...refusedOf(teasers), ...refusedOf(sure)]) {
    assert.equal(answer.status, 503)
    assert.equal(answer.headers['holdfast-effect'], 'none')
    assert.ok(Number(answer.headers['retry-after']) >= 1)
    const problem = JSON.parse(answer.text)
    assert.equal(problem.error.code, 'overloaded')
    assert.ok(['class-shed', 'displaced'].includes(problem.limit.rule), answer.text)
    assert.ok(problem.limit.measured >= 0 && problem.limit.threshold > 0, answer.text)
    assert.equal(problem.limit.unit, 'ms')
    assert.equal(problem.safe_to_retry, true)
  }
  assert.ok(during.shed_level >= 1, JSON.stringify(during))
  const { text } = await call(`${proxy.health}/metrics`)
  const shed = name => [...text.matchAll(/^holdfast_shed_total{.*class="(\w+)",.*} (\d+)$/mg)]
    .filter(match => match[1] === name).reduce((sum, match) => sum + Number(match[2]), 0)
  assert.equal(shed('optional'), refusedOf(teasers).length + refusedOf(sure).length)
  assert.equal(shed('normal') + shed('critical') + shed('low'), 0)
  assert.match(logOf(proxy), /class-shed|displaced/)
  const table = await command(t, ['upstreams', ...adminOf(proxy)])
  assert.match(table.out, /optional \d+/)

  // And everybody is served again.
  await until('calm', async () => {
    await get(proxy, '/look')
    return (await get(proxy, '/teaser', { 'X-Kind': 'teaser' })).status === 200
  })
})

test('who asks for little is served, however much another asks for', async t => {
  const upstream = await startSlots(t, 2, 20)
  const proxy = await startHoldfast(t, `
upstreams:
  shop:
    url: "${upstream.url}"
    concurrency: 3
    overload: { target: 50ms }
routes:
  - path: /
    upstream: shop
`)
  const loud = crowd(proxy, 60, '/loud', { authorization: 'Bearer loud' })
  await until('the loud one to be refused', () =>
    loud.answers.filter(answer => answer.status === 503).length > 20)
  // One at a time: never more than its share.
  for (let i = 0; i < 40; i++) {
    const answer = await get(proxy, '/quiet', { authorization: 'Bearer quiet' })
    assert.equal(answer.status, 200, answer.text)
  }
  loud.going = false
  await loud.done
  assert.ok(loud.answers.some(answer => answer.status === 200))
})
