// The act `notify`: a page that waits for a slow mail provider, and one that does not.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { numbers, quantile } from './numbers.mjs'
import { folder, start } from './processes.mjs'
import { live, quiet, table } from './screen.mjs'
import { crowd } from './users.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const SHOP = join(HERE, '../busy-shop')
const HOLDFAST = process.env.HOLDFAST ?? 'build/release/holdfast'

const WORKERS = 20
const MAILS_AT_ONCE = 5
const FULL = { users: 10_000, thinkMs: 50_000, orderShare: 0.025, mailMs: 2000, orderMs: 15_000 }
const SHORT = { users: 1000, thinkMs: 10_000, orderShare: 0.08, mailMs: 1000, orderMs: 10_000 }
// After the last order there is so much time for the mails. Inline it shows how long the shop takes
// to come back; through Holdfast it is a bound, since all of them are to be sent.
const REST_MS = { inline: 20_000, through: 40_000 }
// Descriptors: each user's connection has two ends, in two processes, and both need some more.
const SPARE_FILES = 200

export const about = 'pages that wait for a slow mail provider, and pages that do not'
export const short = true

export async function play({ seed, short, json }) {
  const scale = short ? SHORT : FULL
  const files = process.report.getReport().userLimits.open_files.soft
  const users = files === 'unlimited' ? scale.users : Math.min(scale.users, files - SPARE_FILES)
  const say = json ? () => {} : text => console.log(text)
  say(`${group(users)} users, each with a connection, look at a page every`
    + ` ${scale.thinkMs / 1000} s. One page in ${Math.round(1 / scale.orderShare)}\nis an order,`
    + ` with a mail. The shop has ${WORKERS} workers; the mail provider takes\n${MAILS_AT_ONCE}`
    + ` mails at a time, ${scale.mailMs / 1000} s each. First the page sends the mail, then it`
    + ' posts it to\nHoldfast (hold: always): the same code, with another base URL.\n')
  if (users < scale.users) {
    say(`Not ${group(scale.users)} users: this machine lets a process open ${files} files`
      + ' (ulimit -n).\n')
  }
  const inline = await run('inline', { ...scale, users, seed, json, restMs: REST_MS.inline })
  const through = await run('through Holdfast', { ...scale, users, seed, json,
    restMs: REST_MS.through, proxy })
  const good = through.mails_missing === 0 && through.mails_twice === 0
    && through.mails === through.orders && through.failed_pages === 0
    && through.page_p99_ms * 4 < inline.page_p99_ms
  if (json) console.log(JSON.stringify({ act: 'notify', seed, inline, through, good }, null, 2))
  else show(inline, through, good)
  return good
}

async function run(name, { proxy, users, json, seed, restMs, ...scale }) {
  const label = name.replaceAll(' ', '-')
  const provider = await start(`${label}-mail`, process.execPath, [join(SHOP, 'mail_provider.mjs')],
    { env: { PORT: '0', AT_ONCE: String(MAILS_AT_ONCE), MAIL_MS: String(scale.mailMs) },
      ready: [/mail provider listening on (\S+)/] })
  const between = await proxy?.(provider.found[0])
  const shop = await start(`${label}-shop`, process.execPath, [join(SHOP, 'shop.mjs')],
    { env: { PORT: '0', WORKERS: String(WORKERS), MAIL_BASE: (between ?? provider).found[0] },
      ready: [/shop listening on (\S+)/] })
  const state = { mails: [], note: 'connecting' }
  const begun = performance.now()
  const screen = json ? quiet : live(() => line(name, begun, state))
  const all = await crowd(shop.found[0], { ...scale, users, random: numbers(seed) })
  Object.assign(state, { crowd: all, note: 'orders come' })
  const looking = watch(provider.found[0], state)
  const ordering = performance.now()
  await sleep(scale.orderMs)
  all.ordering = false
  const ordered = performance.now()
  state.note = 'no more orders'
  while (performance.now() - ordered < restMs && !settled(state)) await sleep(100)
  const rested = performance.now()
  await all.stop()
  await looking.stop()
  state.note = 'done'
  screen.end()
  for (const process of [shop, between, provider]) await process?.stop()
  return { ...tally(all, state, { ordering, ordered, rested }), users: all.connected }
}

// The shipped configuration, with the provider's port in it.
async function proxy(provider) {
  const config = join(folder, 'notify.yaml')
  writeFileSync(config, readFileSync(join(HERE, 'notify.yaml'), 'utf8')
    .replaceAll('http://127.0.0.1:9090', provider))
  return start('holdfast', HOLDFAST, ['serve', '-c', config, '--listen', '127.0.0.1:0',
    '--journal', join(folder, 'notify-data')], { ready: [/holdfast listening on (\S+)/] })
}

// Reads the provider's ledger now and then, until stop(), which reads it once more.
function watch(provider, state) {
  const read = async () => { state.mails = (await (await fetch(provider)).json()).mails }
  let going = true
  const looking = (async () => {
    while (going) {
      await read()
      await sleep(250)
    }
  })()
  return { stop() { going = false; return looking.then(read) } }
}

const thanked = pages => new Set(pages.filter(page => page.order && page.good)
  .map(page => Number(page.text.match(/number (\d+)/)[1])))

// Every order that was confirmed has its mail, and nobody waits for a page of one.
const settled = ({ crowd, mails }) => {
  const sent = new Set(mails.map(mail => mail.order))
  return crowd.waiting < WORKERS && [...thanked(crowd.pages)].every(order => sent.has(order))
}

function tally(all, { mails }, { ordering, ordered, rested }) {
  const looks = all.pages.filter(page => !page.order)
  const times = pages => pages.map(page => page.ms)
  const during = looks.filter(page => page.at < ordered)
  const after = looks.filter(page => page.at >= ordered)
  const orders = all.pages.filter(page => page.order)
  const confirmed = thanked(all.pages)
  const sent = new Map()
  for (const { order } of mails) sent.set(order, (sent.get(order) ?? 0) + 1)
  return {
    pages: all.pages.length,
    page_p50_ms: quantile(times(during), 0.5),
    page_p99_ms: quantile(times(during), 0.99),
    order_p99_ms: quantile(times(orders), 0.99),
    rest_p99_ms: quantile(times(after), 0.99),
    failed_pages: all.pages.filter(page => !page.good).length,
    orders: confirmed.size,
    mails: sent.size,
    mails_missing: [...confirmed].filter(order => !sent.has(order)).length,
    mails_twice: [...sent.values()].filter(times => times > 1).length,
    order_ms: Math.round(ordered - ordering),
    rest_ms: Math.round(rested - ordered),
    // Mails that were still to be delivered when the last order had come.
    backlog: confirmed.size - mails.filter(mail =>
      mail.at_ms <= performance.timeOrigin + ordered && confirmed.has(mail.order)).length,
  }
}

function line(name, begun, { crowd, mails, note }) {
  const seconds = Math.round((performance.now() - begun) / 1000)
  const orders = thanked(crowd?.pages ?? []).size
  return `  ${name.padEnd(17)} ${String(seconds).padStart(3)} s  pages`
    + ` ${String(crowd?.pages.length ?? 0).padStart(5)}  waiting for one`
    + ` ${String(crowd?.waiting ?? 0).padStart(4)}  orders ${String(orders).padStart(3)}`
    + `  mails ${String(mails.length).padStart(3)}  ${note}`
}

function show(inline, through, good) {
  const row = (what, key, meaning, show = value => value) =>
    [what, show(inline[key]), show(through[key]), meaning]
  console.log(`\n${table(['', 'inline', 'through Holdfast'], [
    row('users', 'users', 'connected at a time', group),
    row('pages', 'pages', '', group),
    row('page p50', 'page_p50_ms', 'of a look at a page, while orders came', time),
    row('page p99', 'page_p99_ms', '', time),
    row('order p99', 'order_p99_ms', 'of the page after "Order"', time),
    row('failed pages', 'failed_pages', 'errors, or none within ten seconds'),
    row('orders', 'orders', 'confirmed to their customers'),
    row('mails', 'mails', "delivered, by the provider's ledger; who saw an error got one too"),
    row('mails missing', 'mails_missing'),
    row('mails twice', 'mails_twice'),
    ['backlog', '', through.backlog, 'mails to be sent when the last order had come'],
    ['worked off in', '', time(through.rest_ms), 'while users went on looking at pages'],
    row('page p99 then', 'rest_p99_ms', '', time),
  ])}\n`)
  console.log(good ? 'The mails take as long as the provider does. Nobody waits for them.'
    : 'This is not what was to be shown: see above.')
}

const group = number => number.toLocaleString('en-US')
const time = ms => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`)
