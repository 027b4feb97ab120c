// Traffic that comes whether or not it is answered, as of `holdfast load --phases`. That measures
// all requests as one; a play has to tell the checkout from the crawler, and who was served from
// who was told to come back.
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { numbers, quantile } from './numbers.mjs'

export const PATIENCE_MS = 5000
const CUSTOMERS = 500

// What is asked for, and by how many addresses: a crawler has one.
const ASKED = {
  checkout: { method: 'POST', path: '/checkout', from: CUSTOMERS },
  page: { method: 'GET', path: '/', from: CUSTOMERS },
  suggestions: { method: 'GET', path: '/suggestions?q=tea', from: CUSTOMERS },
  crawler: { method: 'GET', path: '/', from: 1 },
}

// phases: [{ name, seconds, rates: { what: a second } }], one after another. Each request is due at
// a moment that is known before any is sent, with random gaps, and its time runs from then. Returns
// once the last is answered or given up: [{ what, phase, due, late, ms, status }], `due` since the
// start; status 0: no answer in time, or none at all. `onPhase(name)` is told when one begins.
export async function traffic(base, phases, { seed, onPhase }) {
  const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 256 })
  const plan = schedule(phases, numbers(seed))
  const begun = performance.now()
  const all = []
  let phase
  for (const { what, name, due } of plan) {
    const early = begun + due - performance.now()
    if (early > 0) await sleep(early)
    if (name !== phase) onPhase(phase = name)
    all.push(ask(base, agent, what, begun, due).then(seen => ({ what, phase: name, due, ...seen })))
  }
  const seen = await Promise.all(all)
  agent.destroy()
  return seen
}

function schedule(phases, random) {
  const plan = []
  let from = 0
  for (const { name, seconds, rates } of phases) {
    const until = from + seconds * 1000
    for (const [what, rate] of Object.entries(rates)) {
      const next = due => due - Math.log(1 - random()) * 1000 / rate
      for (let due = next(from); due < until; due = next(due)) plan.push({ what, name, due })
    }
    from = until
  }
  return plan.sort((a, b) => a.due - b.due)
}

let customer = 0

function ask(base, agent, what, begun, due) {
  const { method, path, from } = ASKED[what]
  const number = customer++ % from
  const address = from === 1 ? '203.0.113.9' : `10.0.${number >> 8}.${number & 255}`
  const late = performance.now() - begun - due
  return new Promise(resolve => {
    const request = http.request(base + path, { method, agent,
      headers: { 'x-forwarded-for': address } }, answer => {
      answer.resume()
      answer.on('end', () => end(answer.statusCode))
      answer.on('error', () => end(0))
    })
    const timer = setTimeout(() => request.destroy(new Error('too late')), PATIENCE_MS)
    const end = status => {
      clearTimeout(timer)
      resolve({ late, ms: performance.now() - begun - due, status })
    }
    request.on('error', () => end(0))
    request.end()
  })
}

// What became of the requests: how many, how many were served, what the others were told, times of
// all, and of those who were told that they are not served.
export function summary(seen) {
  const times = seen.map(({ ms }) => ms)
  const statuses = {}
  for (const { status } of seen) statuses[status] = (statuses[status] ?? 0) + 1
  return {
    asked: seen.length,
    served: statuses[200] ?? 0,
    statuses,
    p50_ms: quantile(times, 0.5),
    p99_ms: quantile(times, 0.99),
    refused_p99_ms: quantile(seen.filter(({ status }) => status === 503 || status === 429)
      .map(({ ms }) => ms), 0.99),
  }
}
