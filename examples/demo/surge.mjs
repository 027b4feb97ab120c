// The act `surge`: a shop at ten times its traffic, straight and through Holdfast.
import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { capacity, MIX } from '../busy-shop/costs.mjs'
import { quantile } from './numbers.mjs'
import { folder, start } from './processes.mjs'
import { grid, live, quiet } from './screen.mjs'
import { PATIENCE_MS, summary, traffic } from './traffic.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const SHOP = join(HERE, '../busy-shop/shop.mjs')
const HOLDFAST = process.env.HOLDFAST ?? 'build/release/holdfast'

const WORKERS = 8
// On a usual day the shop has so much of what it bears, and then ten times that.
const USUAL_SHARE = 0.25
const TIMES = 10
// The checkout's objective.
const P99_MS = 500
const ERRORS = 0.01
const FULL = { usual: 6, surge: 12, after: 24 }
const SHORT = { usual: 3, surge: 6, after: 14 }
const LOOK_MS = 100

export const about = 'ten times the traffic: a shop straight, then through Holdfast'
export const short = true

export async function play({ seed, short, json }) {
  const phases = short ? SHORT : FULL
  const bears = capacity(WORKERS)
  const rate = bears * USUAL_SHARE
  if (!json) {
    console.log(`A shop with ${WORKERS} workers bears ${Math.round(bears)} requests a second. It`
      + ` has ${Math.round(rate)}, then for\n${phases.surge} s ${TIMES} times that, then`
      + ` ${Math.round(rate)} again. Its workers are full then, not this machine.\nThe checkout is`
      + ` to answer within ${P99_MS} ms (p99), with at most ${ERRORS * 100} % errors.`
      + ` Seed ${seed}.\n`
      + 'First straight, then with Holdfast before it.\n')
  }
  const straight = await run('straight', { seed, json, rate, phases })
  const through = await run('through Holdfast', { seed, json, rate, phases, proxy })
  const good = !keeps(straight.surge.checkout)
    && Object.keys(phases).every(phase => keeps(through[phase].checkout))
    && through.switches.some(({ feature, on }) => feature === 'recommendations' && !on)
    && through.off_at_end.length === 0
  if (json) {
    console.log(JSON.stringify({ act: 'surge', seed, capacity: bears, usual: rate, phases,
      straight, through, good }, null, 2))
  } else show(straight, through, good, phases)
  return good
}

async function run(name, { proxy, seed, json, rate, phases }) {
  const label = name.replaceAll(' ', '-')
  const featuresPort = proxy && await freePort()
  const shop = await start(`${label}-shop`, process.execPath, [SHOP], {
    env: { PORT: '0', WORKERS: String(WORKERS), MAIL_BASE: '',
      FEATURES_BASE: proxy ? `http://127.0.0.1:${featuresPort}` : '' },
    ready: [/shop listening on (\S+)/] })
  const between = await proxy?.(shop.found[0], featuresPort)
  const base = (between ?? shop).found[0]

  const begun = performance.now()
  const since = () => performance.now() - begun
  const state = { phase: '', off: [] }
  const screen = json ? quiet : live(() => line(name, since(), state))
  const looking = watch(shop.found[0], since, state)
  const seen = await traffic(base, Object.entries(phases).map(([phase, seconds]) =>
    ({ name: phase, seconds, rates: rates(rate * (phase === 'surge' ? TIMES : 1)) })),
  { seed, onPhase: phase => { state.phase = phase } })
  const switches = await looking.stop()
  screen.end()
  for (const process of [between, shop]) await process?.stop()
  const of = (phase, what) => seen.filter(each => each.phase === phase && each.what === what)
  return {
    ...Object.fromEntries(Object.keys(phases).map(phase => [phase,
      Object.fromEntries(Object.keys(MIX).map(what => [what, summary(of(phase, what))]))])),
    switches,
    off_at_end: state.off,
    recovered_ms: recovered(of('after', 'checkout'), phases),
    // How late we ourselves were with a request: it is in the times.
    generator_p99_ms: quantile(seen.map(({ late }) => late), 0.99),
  }
}

const rates = all => Object.fromEntries(Object.entries(MIX)
  .map(([name, share]) => [name, Math.round(all * share)]))

// The shipped configuration, with the shop's port and that of the features in it.
async function proxy(shop, featuresPort) {
  const config = join(folder, 'surge.yaml')
  writeFileSync(config, readFileSync(join(HERE, 'surge.yaml'), 'utf8')
    .replaceAll('http://127.0.0.1:9090', shop)
    .replaceAll('127.0.0.1:8083', `127.0.0.1:${featuresPort}`))
  return start('holdfast', HOLDFAST, ['serve', '-c', config, '--listen', '127.0.0.1:0',
    '--journal', join(folder, 'surge-data')], { ready: [/holdfast listening on (\S+)/] })
}

// Shop and Holdfast each have to know the other's port before it starts.
const freePort = () => new Promise(done => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => done(port))
  })
})

// Asks the shop which features it has on. stop() returns the changes: [{ feature, on, at_ms }].
function watch(shop, since, state) {
  const switches = []
  let going = true
  const looking = (async () => {
    let known = {}
    while (going) {
      const seen = await (await fetch(`${shop}/features`)).json()
      for (const [feature, on] of Object.entries(seen)) {
        if ((known[feature] ?? true) !== on) {
          switches.push({ feature, on, at_ms: Math.round(since()) })
        }
      }
      known = seen
      state.off = Object.keys(seen).filter(feature => !seen[feature])
      await sleep(LOOK_MS)
    }
  })()
  return { async stop() { going = false; await looking; return switches } }
}

const keeps = ({ asked, served, p99_ms }) => p99_ms <= P99_MS && asked - served <= asked * ERRORS

// How long after the surge the last customer came whose checkout was late or failed; null if that
// was in the last second.
function recovered(checkouts, { usual, surge, after }) {
  const bad = checkouts.filter(({ status, ms }) => status !== 200 || ms > P99_MS)
  const last = Math.round(Math.max(0, ...bad.map(({ due }) => due - (usual + surge) * 1000)))
  return last > (after - 1) * 1000 ? null : last
}

const line = (name, ms, { off, phase }) =>
  `  ${name.padEnd(17)} ${String(Math.round(ms / 1000)).padStart(3)} s  ${phase.padEnd(6)}`
    + `  features off: ${off.join(', ') || 'none'}`

function show(straight, through, good, phases) {
  const names = Object.keys(phases)
  const cells = value => [straight, through].flatMap(run => names.map(name => value(run[name])))
  const count = (phase, of) => Object.keys(MIX).reduce((sum, name) => sum + of(phase[name]), 0)
  console.log(`\n${grid([
    ['', 'straight', '', '', 'through Holdfast'],
    ['', ...names, ...names],
    ['requests', ...cells(phase => count(phase, ({ asked }) => asked))],
    ['checkout p99', ...cells(({ checkout }) => time(checkout.p99_ms))],
    ['checkouts made', ...cells(({ checkout }) => share(checkout))],
    ['pages shown', ...cells(({ page }) => share(page))],
    ['page p50', ...cells(({ page }) => time(page.p50_ms))],
    ['suggestions', ...cells(({ suggestions }) => share(suggestions))],
    ['one crawler', ...cells(({ crawler }) => share(crawler))],
    ['no answer', ...cells(phase => count(phase, ({ statuses }) => statuses[0] ?? 0))],
  ])}\n`)
  const told = Math.max(...Object.keys(MIX).map(name => through.surge[name].refused_p99_ms))
  console.log(`  no answer: none within ${PATIENCE_MS / 1000} s. Through Holdfast, who was not`
    + ` served was told so within\n  ${time(told)} (p99): 503 and when to come back, or 429 to the`
    + ' crawler, which asks for\n  more than its share.\n')
  for (const [name, { recovered_ms: ms }] of [['straight', straight], ['through', through]]) {
    const what = ms === null ? `checkouts still late or failed ${phases.after} s`
      : ms === 0 ? 'no checkout late or failed' : `the last checkout late or failed ${time(ms)}`
    console.log(`  ${name.padEnd(15)} ${what} after the surge`)
  }
  const from = phases.usual * 1000
  const to = from + phases.surge * 1000
  for (const { feature, on, at_ms } of through.switches) {
    const when = at_ms < from ? `${time(from - at_ms)} before the surge`
      : at_ms < to ? `${time(at_ms - from)} into the surge` : `${time(at_ms - to)} after the surge`
    console.log(`  ${feature.padEnd(15)} ${on ? 'on again' : 'off'} ${when}`)
  }
  console.log(good ? '\nAs the clients measured it, from when each request was due, and as the shop'
    + ' saw its features.' : '\nThis is not what was to be shown: see above.')
}

const time = ms => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`)
const share = ({ asked, served }) =>
  `${(100 * served / asked).toFixed(served === asked ? 0 : 1)} %`
