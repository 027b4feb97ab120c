// ./x demo [NAME] [--list] [--seed N] [--orders N] [--short] [--json]: plays of real processes,
// counted.
import { parseArgs } from 'node:util'
import * as notify from './notify.mjs'
import * as payment from './payment.mjs'
import * as surge from './surge.mjs'
import * as twice from './twice.mjs'

const ACTS = { payment, twice, notify, surge }

function usage(text) {
  console.error(`demo: ${text}\nusage: ./x demo [${Object.keys(ACTS).join(' | ')}] [--list]`
    + ' [--seed N] [--orders N] [--short] [--json]')
  process.exit(2)
}

function readArgs() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean' },
        seed: { type: 'string', default: '7' },
        orders: { type: 'string' },
        short: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    return usage(error.message)
  }
}

function number(name, text, least, most) {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) {
    usage(`--${name} wants a number from ${least} to ${most}`)
  }
  return value
}

const { values, positionals } = readArgs()
const [name = 'payment', ...rest] = positionals
if (rest.length > 0) usage('one act at a time')
if (values.list) {
  for (const [act, { about }] of Object.entries(ACTS)) console.log(`${act.padEnd(10)} ${about}`)
} else if (!Object.hasOwn(ACTS, name)) {
  usage(`no act ${name}`)
} else if (values.orders && !ACTS[name].orders) {
  usage(`${name} has no number of orders`)
} else if (values.short && !ACTS[name].short) {
  usage(`${name} has no short form; give it fewer --orders`)
} else {
  const good = await ACTS[name].play({
    seed: number('seed', values.seed, 1, 2 ** 32 - 1),
    orders: number('orders', values.orders ?? String(ACTS[name].orders ?? 1), 1, 5000),
    short: values.short,
    json: values.json,
  }).catch(error => {
    console.error(`demo: ${error.message}`)
    return false
  })
  process.exit(good ? 0 : 1)
}
