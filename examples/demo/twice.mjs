// The act `twice`: a naive client, a provider without idempotency keys, and an answer that is lost.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { folder, start } from './processes.mjs'
import { frame, table } from './screen.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const HOLDFAST = process.env.HOLDFAST ?? 'build/release/holdfast'

// The naive client: so long for an answer, then the same once more.
const TIMEOUT_MS = 2000
const TRIES = 5
const BETWEEN_MS = 300
const AMOUNT = 4200
// One answer in five is lost; some effects come after the connection died.
const FAULTS = 'reset_after=100,hang=60,late_apply:1200=40,reset_before=40'
// Lookups of the provider are not up to date, and fail.
const LOOKUP_LAG_MS = 300
const LOOKUP_FAULTS = 'status:503=100,body:html=50'
const AT_ONCE = 10
// Longer than the slowest fault.
const QUIET_MS = 2500

export const about = 'a customer is charged twice; the same through Holdfast; why, by explain'
export const orders = 40

export async function play({ seed, orders, json }) {
  const say = json ? () => {} : text => console.log(text)
  say('A provider without idempotency keys loses the answer to one charge in five. The client\n'
    + `does what clients do: it waits ${TIMEOUT_MS / 1000} s and sends the charge again.\n`)
  const straight = await run('straight', { seed, orders, say })
  const through = await run('through Holdfast', { seed, orders, say, proxy })
  const good = straight.charged_twice > 0
    && [through.charged_twice, through.lost, through.told_wrongly].every(n => n === 0)
  if (json) {
    console.log(JSON.stringify({ act: 'twice', seed, straight, through, good }, null, 2))
    return good
  }
  say(table(['', 'straight', 'through Holdfast'], [
    ['customers', straight.customers, through.customers],
    ['charged twice', straight.charged_twice, through.charged_twice],
    ['lost', straight.lost, through.lost, 'told paid, and no charge'],
    ['told wrongly', straight.told_wrongly, through.told_wrongly,
      'told "not charged", and it was not so'],
    ['told unknown', straight.told_unknown, through.told_unknown],
    ['slowest', seconds(straight.slowest_ms), seconds(through.slowest_ms)],
    ['charges sent', straight.sent, through.sent],
    ['lookups', straight.lookups, through.lookups,
      'how Holdfast knows: it asks instead of guessing'],
  ]))
  say(good ? '\nCounted from the provider\'s own ledger.'
    : '\nThis is not what was to be shown: see above.')
  return good
}

async function run(name, { seed, orders, say, proxy }) {
  const label = name.replaceAll(' ', '-')
  const sandbox = await start(`${label}-sandbox`, HOLDFAST, ['sandbox', '--port', '0', '--control',
    '0', '--seed', String(seed)], {
    ready: [/sandbox listening on (\S+)/, /sandbox control on (\S+)/] })
  const [provider, control] = sandbox.found
  const between = await proxy?.(provider)
  const base = between?.found[0] ?? provider

  await story(name, base, control, say)
  if (between) await watched(base, control, say)
  await ask(`${control}/_faults`, { faults: FAULTS, max_faulted_attempts: 3,
    lookup_faults: LOOKUP_FAULTS, lookup_lag_ms: LOOKUP_LAG_MS })
  const told = await crowd(base, orders)
  const ledger = await settled(control)
  if (between) await explain(between, say)
  for (const process of [between, sandbox]) await process?.stop()
  return tally(told, ledger)
}

// One customer, told from both sides: what the client saw, and what the provider really did.
async function story(name, base, control, say) {
  await ask(`${control}/_faults`, { next: ['hang'] })
  const begun = Date.now()
  const lines = []
  const at = ms => `${(Math.max(0, ms - begun) / 1000).toFixed(1).padStart(4)} s  `
  const told = await buy(`${base}/charges`, { ref: 'order-ada', customer: 'cus_ada' },
    (what, ms) => lines.push([ms, `${at(ms)}client    ${what}`]))
  const { effects } = await ask(`${control}/_ledger?order=order-ada`)
  for (const effect of effects) {
    lines.push([effect.at_ms, `${at(effect.at_ms)}provider  charges cus_ada ${euro(AMOUNT)}`])
  }
  lines.sort(([a], [b]) => a - b)
  const sum = euro(AMOUNT * effects.length)
  say(frame(`Ada pays ${euro(AMOUNT)}, ${name}`, [...lines.map(([, line]) => line), '',
    `Ada was told "${told.says}" and paid ${sum}${effects.length > 1 ? ': TWICE.' : ', once.'}`]))
}

// The same client where Holdfast has no key that names the order, and nobody to ask: it only passes
// on what the client sends, with a new key each time. It cannot prevent this, but can tell of it.
async function watched(base, control, say) {
  await ask(`${control}/_faults`, { next: ['hang'] })
  await buy(`${base}/watched/charges`, { ref: 'order-bob', customer: 'cus_bob' })
  const { effects } = await ask(`${control}/_ledger?order=order-bob`)
  say('Bob pays through a route that knows neither his order nor a lookup: charged'
    + ` ${effects.length} times.\n`)
}

// The naive client. Returns { says: paid | failed | unknown, ms, id }.
async function buy(url, { ref, customer }, note = () => {}) {
  const begun = performance.now()
  let says = 'failed'
  for (let tried = 1; tried <= TRIES; tried++) {
    if (tried > 1) await sleep(BETWEEN_MS)
    note(`POST /charges ref=${ref}${tried > 1 ? ', once more' : ''}`, Date.now())
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { authorization: 'Bearer shop', 'idempotency-key': randomUUID() },
        body: new URLSearchParams({ ref, customer, amount: String(AMOUNT) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      const body = await answer.json()
      if (answer.ok && body.id) {
        note(`${answer.status} ${body.id}`, Date.now())
        return { ref, says: 'paid', id: body.id, ms: performance.now() - begun }
      }
      says = answer.headers.get('holdfast-effect') === 'unknown' ? 'unknown' : 'failed'
      note(`${answer.status} ${body.error?.code ?? ''}`, Date.now())
    } catch (error) {
      note(error.name === 'TimeoutError' ? `no answer in ${TIMEOUT_MS / 1000} s`
        : 'the connection is gone', Date.now())
    }
  }
  return { ref, says, ms: performance.now() - begun }
}

async function crowd(base, orders) {
  const told = []
  let next = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < orders) {
      const number = next++
      told.push(await buy(`${base}/charges`,
        { ref: `order-${number}`, customer: `cus_${number}` }))
    }
  }))
  return told
}

function tally(told, { effects, requests }) {
  const charged = new Map()
  for (const { order } of effects) charged.set(order, (charged.get(order) ?? 0) + 1)
  const count = condition => told.filter(condition).length
  const crowd = new Set(told.map(({ ref }) => ref))
  const of = ({ ref }) => charged.get(ref) ?? 0
  return {
    customers: told.length,
    charged_twice: count(each => of(each) > 1),
    lost: count(each => each.says === 'paid' && of(each) === 0),
    told_wrongly: count(each => each.says === 'failed' && of(each) > 0),
    told_unknown: count(each => each.says === 'unknown'),
    slowest_ms: Math.round(Math.max(...told.map(({ ms }) => ms))),
    sent: requests.filter(r => r.method === 'POST' && crowd.has(r.order)).length,
    lookups: requests.filter(r => r.method === 'GET').length,
  }
}

async function proxy(provider) {
  const config = join(folder, 'twice.yaml')
  writeFileSync(config, readFileSync(join(HERE, 'twice.yaml'), 'utf8')
    .replaceAll('http://127.0.0.1:9090', provider))
  const process = await start('holdfast', HOLDFAST, ['serve', '-c', config, '--listen',
    '127.0.0.1:0', '--journal', join(folder, 'twice-data')], {
    ready: [/holdfast listening on (\S+)/, /^admin on (\S+)/m] })
  return process
}

async function explain({ found: [, admin] }, say) {
  for (const customer of ['cus_bob', 'cus_ada']) {
    const text = await command(['explain', '--match', `customer=${customer}`, '--admin',
      new URL(admin).host, '--token-file', join(folder, 'twice-data/admin.token')])
    // What it says is enough here; below it the command prints the timeline that it says it from.
    const said = text.split('\nTimeline')[0].trimEnd()
    if (said) say(frame(`holdfast explain --match customer=${customer}`, said.split('\n')))
  }
}

function command(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(HOLDFAST, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', chunk => { text += chunk })
    child.once('error', reject)
    child.once('close', () => resolve(text))
  })
}

async function settled(control) {
  let seen = ''
  for (let since = performance.now(); performance.now() - since < QUIET_MS;) {
    const now = JSON.stringify((await ask(`${control}/_ledger?counts=only`)).counts)
    if (now !== seen) [seen, since] = [now, performance.now()]
    await sleep(100)
  }
  return ask(`${control}/_ledger`)
}

async function ask(url, body) {
  const answer = await fetch(url, body && { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

const euro = cents => `${(cents / 100).toFixed(2)} EUR`
const seconds = ms => `${(ms / 1000).toFixed(1)} s`
