#!/usr/bin/env node
// Goes on without Holdfast: sends the calls that an export says are still owed, each once, with its
// own key. Node alone; no line of Holdfast is needed.
//
//   holdfast calls export --journal holdfast-data --state waiting,sending,verifying \
//     --unsealed --key-file holdfast-data/seal.key --with-bodies --with-credentials \
//     --out owed.ndjson
//   node resend.mjs owed.ndjson --dry-run
//   node resend.mjs owed.ndjson --rate 5 [--to bank=https://bank.example] \
//     [--field 'bank:Authorization=Bearer ...']
//
// What is done stands in owed.ndjson.done, so that it may be run again until nothing is left. Exit
// code: 0 nothing is left; 1 something is; 2 a wrong command line, or an export that was cut.
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync }
  from 'node:fs'
import http from 'node:http'
import https from 'node:https'

// Answers that promise that nothing was done, and failures before a byte was sent.
const REFUSED = new Set([421, 425, 429])
const NOTHING_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH',
  'ENETUNREACH'])

// Whether a second time does no harm whatever became of the first.
const harmless = ({ idempotency: { mode, safe_method: safe } }) =>
  safe || mode === 'key' || mode === 'repeatable'

// 'done', 'again', or 'unknown': then it is a person's.
function verdict(call, { status, code }) {
  if (REFUSED.has(status) || NOTHING_SENT.has(code)) return 'again'
  if (status && status < 500 && ![408, 409].includes(status)) return 'done'
  return harmless(call) ? 'again' : 'unknown'
}

function stop(message) {
  console.error(`resend: ${message}`)
  process.exit(2)
}

function options(args) {
  const out = { to: {}, fields: [], rate: 5, dry: false, file: undefined }
  while (args.length > 0) {
    const word = args.shift()
    const pair = () => {
      const [, left, right] = (args.shift() ?? '').match(/^([^=]+)=(.+)$/s) ?? []
      return left ? [left, right] : stop(`${word} wants NAME=VALUE`)
    }
    if (word === '--to') {
      const [name, url] = pair()
      out.to[name] = url
    } else if (word === '--field') {
      const [where, value] = pair()
      const colon = where.lastIndexOf(':')
      if (colon < 1) stop('--field wants UPSTREAM:NAME=VALUE')
      out.fields.push({ upstream: where.slice(0, colon), name: where.slice(colon + 1), value })
    } else if (word === '--rate') {
      out.rate = Number(args.shift())
    } else if (word === '--dry-run') {
      out.dry = true
    } else if (out.file === undefined && !word.startsWith('-')) {
      out.file = word
    } else {
      stop(`what is ${word}? See the head of this file`)
    }
  }
  if (!out.file || !(out.rate > 0)) stop('name an export; see the head of this file')
  return out
}

// Every call of the export, and where its upstreams are.
function read(file) {
  const calls = []
  let upstreams = {}
  let whole = false
  let unreadable = 0
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue
    let one
    try {
      one = JSON.parse(line)
    } catch {
      stop(`${file} was cut: make it anew, or go on with it by --continue`)
    }
    whole = one.kind === 'end'
    if (one.kind === 'begin') upstreams = { ...upstreams, ...one.upstreams }
    if (one.kind === 'call') calls.push(one)
    if (one.kind === 'unreadable') unreadable += 1
  }
  if (unreadable > 0) console.error(`${unreadable} were not readable when it was made`)
  if (!whole) stop(`${file} was cut: it has no last line`)
  return { calls, upstreams }
}

// Why a call is not sent; nothing: it is.
function whyNot(call, now) {
  if (!call.held) return 'its client has its answer, or will ask again itself'
  if (call.resend === 'no') return 'it has ended, or a person has to find out what became of it'
  if (call.resend_until && now > Date.parse(call.resend_until)) {
    return call.resend === 'same_key' ? 'its key is over' : 'its deadline is over'
  }
  if (call.not_before && now < Date.parse(call.not_before)) return 'not yet: its client said when'
  const request = call.clear?.request
  if (!request) return 'the export has it sealed: make it with --unsealed'
  if (request.body_lost) return 'its body is no longer kept'
  if (call.request.body_bytes > 0 && request.body_base64 === undefined) {
    return 'the export has no bodies: make it with --with-bodies'
  }
  return undefined
}

const bytes = (part, name) => part[name] ??
  Buffer.from(part[`${name}_base64`], 'base64').toString('latin1')

function baseOf(call, { to, upstreams }) {
  const known = to[call.upstream] ?? upstreams[call.upstream]?.[0]
  const [, plain, host] = call.upstream.match(/^callback(-plain)?:(.+)$/) ?? []
  return known ?? (host && `http${plain ? '' : 's'}://${host}`)
}

function send(call, base, extra) {
  const { request } = call.clear
  const body = Buffer.from(request.body_base64 ?? '', 'base64')
  const url = new URL(base)
  const headers = []
  if (!request.fields.some(field => /^host$/i.test(field.name))) headers.push('Host', url.host)
  for (const field of request.fields) headers.push(field.name, bytes(field, 'value'))
  for (const field of extra) headers.push(field.name, field.value)
  if (body.length > 0 || /^(POST|PUT|PATCH)$/.test(call.request.method)) {
    headers.push('Content-Length', `${body.length}`)
  }
  return new Promise((resolve, reject) => {
    const sent = (url.protocol === 'https:' ? https : http).request({
      protocol: url.protocol, hostname: url.hostname, port: url.port, agent: false,
      method: call.request.method, path: bytes(request, 'target'), headers, timeout: 60_000,
    }, answer => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode))
      answer.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.on('error', reject)
    sent.end(body)
  })
}

// A line for each call that is over and done with, on the disk before the next one is sent.
function doneBook(file) {
  const name = `${file}.done`
  const done = new Set()
  if (existsSync(name)) {
    for (const line of readFileSync(name, 'utf8').split('\n')) {
      if (line.endsWith('}')) done.add(JSON.parse(line).call)
    }
    appendFileSync(name, '\n')  // behind a line that was cut
  }
  return {
    has: call => done.has(call.call),
    add(call, status) {
      const book = openSync(name, 'a', 0o600)
      writeSync(book, `${JSON.stringify({ call: call.call, status, at: new Date() })}\n`)
      fsyncSync(book)
      closeSync(book)
    },
  }
}

const asked = options(process.argv.slice(2))
const { calls, upstreams } = read(asked.file)
const done = doneBook(asked.file)
const blocked = new Set()  // lines of calls in which one is left: those behind it wait
const skipped = new Map()
let sent = 0
let left = 0
let unknown = 0
calls.sort((a, b) => (a.order && b.order && a.order.hash === b.order.hash
  ? a.order.place - b.order.place : a.call < b.call ? -1 : 1))
for (const call of calls) {
  if (done.has(call)) continue
  const base = baseOf(call, { to: asked.to, upstreams })
  const why = whyNot(call, Date.now())
    ?? (base ? undefined : `nobody says where ${call.upstream} is: say --to ${call.upstream}=URL`)
    ?? (blocked.has(call.order?.hash) ? 'one before it in its line is left' : undefined)
  const what = `${call.call} ${call.upstream} ${call.request.method} ${call.request.path}`
  if (why) {
    skipped.set(why, (skipped.get(why) ?? 0) + 1)
    if (call.held && call.resend !== 'no') left += 1
    if (call.order && call.held) blocked.add(call.order.hash)
    continue
  }
  if (asked.dry) {
    console.log(`${what}: would be sent to ${base}`)
    left += 1
    continue
  }
  const extra = asked.fields.filter(one => one.upstream === call.upstream)
  const answer = await send(call, base, extra)
    .then(status => ({ status }), error => ({ code: error.code, error: error.message }))
  const ruled = verdict(call, answer)
  const said = answer.status ?? answer.error ?? answer.code
  console.log(`${what}: ${said}${ruled === 'unknown' ? ', and nobody knows its effect' : ''}`)
  if (ruled === 'again') {
    left += 1
    if (call.order) blocked.add(call.order.hash)
  } else {
    done.add(call, ruled === 'unknown' ? `unknown: ${said}` : said)
    sent += 1
    unknown += ruled === 'unknown' ? 1 : 0
    if (ruled === 'unknown' && call.order) blocked.add(call.order.hash)
  }
  await new Promise(resolve => setTimeout(resolve, 1000 / asked.rate))
}
for (const [why, count] of skipped) console.error(`${count} not sent: ${why}`)
console.error(`${sent} sent, ${left} left`
  + (unknown > 0 ? `; of ${unknown} nobody knows what became: see ${asked.file}.done` : ''))
process.exitCode = left > 0 ? 1 : 0
