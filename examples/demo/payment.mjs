// The act `payment`: the same shop, the same customers, the same faults, twice.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { visit } from './customer.mjs'
import { numbers } from './numbers.mjs'
import { folder, start } from './processes.mjs'
import { columns, quiet, show } from './screen.mjs'
import { tally } from './tally.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const HOLDFAST = process.env.HOLDFAST ?? 'build/release/holdfast'

// Odds of a request in parts per thousand; docs/sandbox.md says what each does.
const FAULTS = 'reset_before=40,reset_after=60,late_apply:4000=40,apply_then_503=30,cut=20,'
  + 'hang=10,slow:2000=30,close_on_reuse=20,s429:1=20,s500=20,s503:1=20'
// After so many attempts an order meets no more faults.
const MAX_FAULTED = 4
const LATENCY_MS = 80
const ORDERS_PER_SECOND = 12
// The provider is down from a third of the orders on.
const OUTAGE_MS = 8000
// Longer than the slowest fault: after this long without news the ledger is complete.
const QUIET_MS = 4500
const QUIET_LIMIT_MS = 60_000

export const about = 'a shop, faults and an outage: straight, then through Holdfast'
export const orders = 150

export async function play({ seed, orders, json }) {
  if (!json) {
    console.log(`A shop takes ${orders} orders while its payment provider loses answers, resets`
      + ` connections\nand is down for ${OUTAGE_MS / 1000} seconds. Seed ${seed}. First straight,`
      + ' then with one base URL changed.\n')
  }
  const straight = await run('straight', { seed, orders, json })
  const through = await run('through Holdfast', { seed, orders, json, proxy })
  const good = [through.charged_twice, through.lost, through.told_wrongly].every(n => n === 0)
  if (json) console.log(JSON.stringify({ act: 'payment', seed, straight, through, good }, null, 2))
  else {
    console.log(`\n${columns(straight, through)}\n`)
    console.log("Counted from the provider's ledger and the pages that customers saw. Through\n"
      + 'Holdfast the slowest wait longer: for a true answer, not to be told to pay again.')
  }
  return good
}

async function run(name, { seed, orders, json, proxy }) {
  const label = name.replaceAll(' ', '-')
  const sandbox = await start(`${label}-sandbox`, HOLDFAST, ['sandbox', '--port', '0', '--control',
    '0', '--keys', 'all', '--seed', String(seed), '--faults', FAULTS, '--max-faulted-attempts',
    String(MAX_FAULTED), '--latency-ms', String(LATENCY_MS)], {
    ready: [/sandbox listening on (\S+)/, /sandbox control on (\S+)/] })
  const [provider, control] = sandbox.found
  const between = await proxy?.(provider)
  const base = between?.found[0] ?? provider
  const shop = await start(`${label}-shop`, process.execPath,
    ['--disable-warning=ExperimentalWarning', join(HERE, '../shop/shop.mjs')], {
      env: { PORT: '0', SHOP_DB: join(folder, `${label}.db`), STRIPE_BASE: base, MAIL_BASE: base },
      ready: [/shop listening on (\S+)/],
    })

  const state = { done: 0, total: orders, paid: 0, failed: 0, down: false, note: '' }
  const screen = json ? quiet : show(name, state)
  const visits = await customers(shop.found[0], control, { seed, orders, state })
  state.note = 'waiting for the ledger'
  const ledger = await settled(control)
  state.note = 'done'
  screen.end()
  for (const process of [shop, between, sandbox]) await process?.stop()
  return tally(visits, ledger)
}

// The shipped configuration, with the sandbox's port in it.
async function proxy(provider) {
  const config = join(folder, 'holdfast.yaml')
  writeFileSync(config, readFileSync(join(HERE, 'holdfast.yaml'), 'utf8')
    .replaceAll('http://127.0.0.1:9090', provider))
  return start('holdfast', HOLDFAST, ['serve', '-c', config, '--listen', '127.0.0.1:0',
    '--journal', join(folder, 'holdfast-data')], { ready: [/holdfast listening on (\S+)/] })
}

// They come at a steady rate whether or not the shop keeps up.
async function customers(shop, control, { seed, orders, state }) {
  const random = numbers(seed)
  const visits = []
  const begun = performance.now()
  for (let number = 0; number < orders; number++) {
    await sleep(Math.max(0, begun + number * 1000 / ORDERS_PER_SECOND - performance.now()))
    if (number === Math.floor(orders / 3)) outage(control, state)
    visits.push(visit(shop, number, random, page => {
      if (page.says === 'paid') state.paid++
      else state.failed++
    }).finally(() => state.done++))
  }
  return Promise.all(visits)
}

async function outage(control, state) {
  state.down = true
  await ask(`${control}/_down`, { for_ms: OUTAGE_MS })
  await sleep(OUTAGE_MS)
  state.down = false
}

async function settled(control) {
  const begun = performance.now()
  let seen = ''
  for (let since = begun; performance.now() - since < QUIET_MS;) {
    if (performance.now() - begun > QUIET_LIMIT_MS) throw new Error('the ledger does not settle')
    const now = JSON.stringify((await ask(`${control}/_ledger?counts=only`)).counts)
    if (now !== seen) [seen, since] = [now, performance.now()]
    await sleep(200)
  }
  return ask(`${control}/_ledger`)
}

async function ask(url, body) {
  const answer = await fetch(url, body && { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}
