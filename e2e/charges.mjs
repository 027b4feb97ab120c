// The sandbox's provider without keys, clients of it, and what must be true of what they were told.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { AUTH, call, command, pause } from './rig.mjs'

export const AMOUNT = 4200

// One charge: a form, or with `json` a JSON body.
export const charge = (base, ref, { path = '/charges', headers, json = false, ...rest } = {}) =>
  call(base + path, {
    method: 'POST',
    body: json ? JSON.stringify({ ref, amount: AMOUNT, customer: 'cus_1' })
      : `ref=${ref}&amount=${AMOUNT}&customer=cus_1`,
    headers: { 'content-type': json ? 'application/json' : 'application/x-www-form-urlencoded',
      ...AUTH, ...headers },
    ...rest,
  })

// What the provider lists under a ref.
export const listed = async (sandbox, ref) => {
  const answer = await call(`${sandbox.url}/charges?ref=${ref}`)
  return answer.json.data
}

// The subcommands against a running Holdfast; each must succeed.
export const toolOf = (t, proxy) => async (...args) => {
  const done = await command(t, [...args, '--admin', new URL(proxy.admin).host,
    '--token-file', join(proxy.data, 'admin.token')])
  assert.equal(done.code, 0, `${args.join(' ')}: ${done.out}${done.err}`)
  return done.out
}

const ENDS = new Set(['outcome-unknown', 'outcome-applied', 'cancelled', 'dead', 'key-expired',
  'answer-not-kept'])

// Asks with one ref until the answer is one to believe, as a careful application does, and pushes
// each answer to `heard`. `proxies.current` is { url, over }: where Holdfast is, and a promise that
// it has been replaced.
export async function learn(proxies, ref, heard, options = {}) {
  const { patience = 60_000, ...rest } = options
  const until = performance.now() + patience
  while (performance.now() < until) {
    const { url, over } = proxies.current
    try {
      const answer = await charge(url, ref, rest)
      const code = answer.headers['content-type']?.startsWith('application/problem')
        ? answer.json.error.code : ''
      const effect = answer.headers['holdfast-effect'] ?? ''
      const said = { ref, status: answer.status, code, effect, text: answer.text, answer,
        id: answer.status < 300 && answer.status !== 202 ? answer.json.id : undefined }
      heard.push(said)
      const final = answer.status < 300 && answer.status !== 202
      const doubt = effect === 'unknown' && answer.headers['x-should-retry'] === 'false'
      if (final || doubt || ENDS.has(code)) return said
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      await over
    }
    await pause(50)
  }
  return undefined
}

// Holds what clients heard against the provider's own ledger: { effects } of GET /_ledger, whole.
export function judge(heard, { effects }) {
  const had = new Map()
  for (const { order } of effects) had.set(order, (had.get(order) ?? 0) + 1)
  const doubled = [...had].filter(([, times]) => times > 1)
  assert.deepEqual(doubled, [], 'charged twice')
  const last = new Map(heard.map(said => [said.ref, said]))
  for (const said of heard) {
    const { ref, status, code, effect } = said
    const what = `${ref}: ${status} ${code} ${effect} ${said.text.slice(0, 200)}`
    const there = had.has(ref)
    if (said.id) assert.ok(there, `told paid, and is not: ${what}`)
    if (effect === 'applied') assert.ok(there, `told applied, and is not: ${what}`)
    if (effect === 'none' && last.get(ref) === said) {
      assert.ok(!there, `told of no effect, and there is one: ${what}`)
    }
    if (!said.id && effect === '') {
      assert.ok(status >= 400 && status < 500 && !there, `neither final nor in doubt: ${what}`)
    }
    if (effect === 'unknown') assert.ok([409, 500, 502, 503, 504].includes(status), what)
  }
  return { charged: had.size, last }
}
