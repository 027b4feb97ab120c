// SIGTERM: no new calls, what is in flight is finished or held, exit code 0.
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { atEnd, call, logOf, pay, startHoldfast, stripeConfig, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

test('what is in flight gets its answer, and the process ends with 0', async t => {
  const upstream = await startUpstream(t, { delay: 700 })
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  const flying = Array.from({ length: 10 }, (_, i) => pay(proxy.url, `f${i}`))
  await until('all are at the upstream', () => upstream.requests.length === 10)
  const ended = proxy.stop()
  const answers = await Promise.all(flying)
  assert.deepEqual([...new Set(answers.map(a => a.status))], [200])
  assert.deepEqual([...new Set(answers.map(a => a.headers.connection))], ['close'])
  assert.equal((await ended).code, 0)
  assert.equal(upstream.effects.length, 10)
})

test('nothing to do: it ends at once, idle clients or not', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  const agent = new http.Agent({ keepAlive: true })
  atEnd(t, () => agent.destroy())
  assert.equal((await pay(proxy.url, 'one', { agent })).status, 200)
  const begun = performance.now()
  assert.equal((await proxy.stop()).code, 0)
  assert.ok(performance.now() - begun < 5000)
})

test('new connections are not taken while it drains', async t => {
  const upstream = await startUpstream(t, { delay: 1500 })
  const proxy = await startHoldfast(t, stripeConfig(upstream.url))
  const flying = pay(proxy.url, 'slow')
  await until('it is at the upstream', () => upstream.requests.length === 1)
  const ended = proxy.stop()
  await until('it drains', () => logOf(proxy).includes('draining'))
  try {
    const answer = await pay(proxy.url, 'new')
    assert.equal(answer.status, 503, answer.text)
    assert.equal(answer.json.error.code, 'draining')
    assert.equal(answer.json.effect, 'none')
  } catch (error) {
    assert.match(error.code, /^ECONN(REFUSED|RESET)$/)
  }
  assert.equal((await flying).status, 200)
  assert.equal((await ended).code, 0)
  assert.equal(upstream.of('new').length, 0)
})

test('a held call does not keep it, and waits for the next start', async t => {
  const upstream = await startUpstream(t)
  await upstream.down()
  const config = stripeConfig(upstream.url, { wait: '30s' })
  const first = await startHoldfast(t, config, { health: true })
  const waiting = pay(first.url, 'held').catch(error => error)
  await until('it is tried', async () =>
    /holdfast_upstream_attempts_total\S* [1-9]/.test((await call(`${first.health}/metrics`)).text))
  assert.equal((await first.stop()).code, 0)
  const answer = await waiting
  if (answer.status !== undefined) assert.equal(answer.json.error.code, 'held', answer.text)
  await upstream.up()
  await startHoldfast(t, config, { data: first.data })
  await until('it is delivered', () => upstream.of('held').length === 1)
})
