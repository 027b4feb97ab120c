// The signal for autoscalers: what the manifests under ops/ ask for is there, and true.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { call, command, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const ops = join(dirname(dirname(fileURLToPath(import.meta.url))), 'ops')
const manifest = name => readFileSync(join(ops, name), 'utf8')

const config = upstream => `
upstreams: { app: { url: "${upstream.url}", concurrency: 4, overload: { target: 20ms } } }
routes: [ { path: /, upstream: app, class: low, wait: 20s } ]
`

test('demand rises above one when calls are sent away, and falls', { timeout: 90_000 }, async t => {
  const upstream = await startUpstream(t, { delay: 50 })
  const proxy = await startHoldfast(t, config(upstream), { health: true, admin: true })
  const signal = async () =>
    JSON.parse((await call(`${proxy.health}/autoscale?upstream=app`)).text)
  assert.ok((await signal()).demand < 0.5)
  let on = true
  const clients = Array.from({ length: 40 }, async () => {
    while (on) await call(`${proxy.url}/a`)
  })
  const full = await until('more is asked than it bears', async () => {
    const now = await signal()
    return now.demand > 1.2 && now.shed_per_second > 0 && now
  }, 40_000)
  assert.ok(full.utilisation <= 1)
  assert.equal(full.limit, 4)
  const metrics = await call(`${proxy.health}/metrics`)
  assert.match(metrics.text, /holdfast_upstream_demand_ratio\{upstream="app"\} [1-9]/)

  const top = await command(t, ['top', '--once', '--admin', proxy.admin,
    '--token-file', join(proxy.data, 'admin.token')])
  assert.equal(top.code, 0, top.err)
  assert.match(top.out, /^app +closed +\d+ +4 /m)
  assert.match(top.out, /overloaded +[\d.,]+ +\d/)
  assert.match(top.out, /^127\.0\.0\.1 +[1-9][\d.]* +[1-9][\d.]*/m)
  on = false
  await Promise.all(clients)
  await until('it is asked for little again', async () => (await signal()).demand < 0.3, 40_000)
})

test('the manifests ask for what there is', async t => {
  const upstream = await startUpstream(t)
  const proxy = await startHoldfast(t, `
limits: [ { rate: 100/s } ]
upstreams: { app: { url: "${upstream.url}" }, mailer: { url: "${upstream.url}" } }
routes: [ { path: /, upstream: app }, { path: /mail, upstream: mailer } ]
`, { health: true })
  for (const name of ['keda/scaledobject.yaml', 'keda/backlog.yaml']) {
    const text = manifest(name)
    const url = new URL(text.match(/url: "([^"]+)"/)[1])
    const where = text.match(/valueLocation: (\S+)/)[1]
    const answer = await call(proxy.health + url.pathname + url.search)
    assert.equal(answer.status, 200, name)
    assert.equal(typeof JSON.parse(answer.text)[where], 'number', name)
  }
  const metrics = (await call(`${proxy.health}/metrics`)).text
  for (const [name] of manifest('prometheus/rules.yaml').matchAll(/holdfast_[a-z_]+/g)) {
    assert.match(metrics, new RegExp(`^# TYPE ${name} `, 'm'), name)
  }
  assert.equal((await call(`${proxy.health}/autoscale?upstream=none`)).status, 404)
  assert.equal((await call(`${proxy.health}/autoscale?x=y`)).status, 400)
  const all = JSON.parse((await call(`${proxy.health}/autoscale`)).text)
  assert.deepEqual(Object.keys(all.upstreams), ['app', 'mailer'])
})
