// `holdfast health`, for probes: what /readyz says, as an exit code.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { command, folder, logOf, pay, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const config = url => `
upstreams: { one: { url: ${url}, idempotency: { mode: repeatable } } }
routes: [ { path: /, upstream: one } ]
`

test('ready, draining, gone', async t => {
  const upstream = await startUpstream(t, { delay: 1500 })
  const proxy = await startHoldfast(t, config(upstream.url), { health: true })
  const ask = () => command(t, ['health', '--health', proxy.health])
  const ready = await ask()
  assert.deepEqual([ready.code, ready.out], [0, 'ready\n'])
  const flying = pay(proxy.url, 'slow')
  await until('it is at the upstream', () => upstream.requests.length === 1)
  const ended = proxy.stop()
  await until('it drains', () => logOf(proxy).includes('draining'))
  const draining = await ask()
  assert.deepEqual([draining.code, draining.out], [1, 'draining\n'])
  assert.equal((await flying).status, 200)
  await ended
  const gone = await ask()
  assert.equal(gone.code, 1)
  assert.match(gone.err, /^health: cannot connect to 127\.0\.0\.1:\d+ .*is holdfast running/)
})

test('the address comes from the configuration', async t => {
  const dir = folder(t)
  const file = join(dir, 'holdfast.yaml')
  writeFileSync(file, `health: 0.0.0.0:1\n${config('http://127.0.0.1:9')}`)
  const asked = await command(t, ['health', '-c', file])
  assert.equal(asked.code, 1)
  assert.match(asked.err, /^health: cannot connect to 127\.0\.0\.1:1 /m)
  writeFileSync(file, config('http://127.0.0.1:9'))
  const none = await command(t, ['health', '-c', file])
  assert.equal(none.code, 1)
  assert.match(none.err, /has no health listener; add `health: 127\.0\.0\.1:8082` to it/)
})
