// What every test needs: the real binary with a configuration, a folder that goes away, waiting for
// a condition, and requests as plain as possible.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve as absolute } from 'node:path'

export const HOLDFAST = absolute(process.env.HOLDFAST ?? 'build/release/holdfast')
const START_MS = 30_000
const REQUEST_MS = 60_000

// Like t.after, but the last thing set up is the first to be taken down.
export function atEnd(t, action) {
  if (!endings.has(t)) {
    const actions = []
    endings.set(t, actions)
    t.after(async () => {
      while (actions.length > 0) await actions.pop()()
    })
  }
  endings.get(t).push(action)
}
const endings = new WeakMap()

export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'))
  atEnd(t, () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

// Asks until the answer is truthy, and returns it.
export async function until(what, condition, within = 20_000) {
  const end = performance.now() + within
  for (;;) {
    const found = await condition()
    if (found) return found
    if (performance.now() > end) assert.fail(`not within ${within} ms: ${what}`)
    await pause(20)
  }
}

// sleep: the time between two looks at a condition, or a quiet spell that is itself the test
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

function run(t, args, { env = {}, cwd = undefined, under = [] } = {}) {
  const [program, ...rest] = [...under, HOLDFAST, ...args]
  const child = spawn(program, rest, {
    cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  const self = { child, out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', text => { self.out += text })
  child.stderr.setEncoding('utf8').on('data', text => { self.err += text })
  self.ended = new Promise(resolve => {
    child.once('error', error => resolve({ error }))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  self.ended.then(how => { self.how = how })
  self.kill = () => { child.kill('SIGKILL'); return self.ended }
  self.stop = () => { child.kill('SIGTERM'); return self.ended }
  atEnd(t, () => (self.how ? undefined : self.kill()))
  return self
}

async function heard(self, pattern) {
  const match = await until(`${pattern} on its output`, () =>
    self.out.match(pattern) ?? (self.how && { died: true }), START_MS)
  assert.ok(!match.died, `it ended: ${JSON.stringify(self.how)}\n${self.err}`)
  return match[1]
}

// The sandbox: { url, control, ask(path, body) }.
export async function startSandbox(t, args = []) {
  const self = run(t, ['sandbox', '--port', '0', '--control', '0', ...args])
  self.url = await heard(self, /sandbox listening on (\S+)/)
  self.control = await heard(self, /sandbox control on (\S+)/)
  self.ask = async (path, body) => {
    const answer = await call(self.control + path,
      body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) })
    assert.equal(answer.status, 200, answer.text)
    return JSON.parse(answer.text)
  }
  return self
}

// Waits until the sandbox has seen and done nothing for a while, and returns its ledger.
export async function settled(sandbox, query = '', quiet = 1500) {
  let seen = ''
  let since = performance.now()
  await until('a quiet ledger', async () => {
    const now = JSON.stringify((await sandbox.ask('/_ledger?counts=only')).counts)
    if (now !== seen) [seen, since] = [now, performance.now()]
    return performance.now() - since > quiet
  }, 60_000)
  return sandbox.ask(`/_ledger${query}`)
}

// `holdfast serve` with what `config` adds to listeners and journal (YAML, from its first column).
// options: { data: the journal's folder (a fresh one), env,
//            admin, health: true, or a port: listen there too,
//            under: a command that runs the one behind it in a place of its own }
export async function startHoldfast(t, config, options = {}) {
  const data = options.data ?? join(folder(t), 'data')
  const file = join(folder(t), 'holdfast.yaml')
  const extra = ['admin', 'health'].filter(name => options[name])
  const listeners = extra.map(name => {
    const port = options[name] === true ? 0 : options[name]
    return `${name}: 127.0.0.1:${port}\n`
  }).join('')
  writeFileSync(file, `listen: 127.0.0.1:0
${listeners}journal: { path: "${data}"${
  options.journal ? `, ${options.journal}` : ''} }
${config}`)
  const self = run(t, ['serve', '-c', file], options)
  self.data = data
  self.config = file
  self.url = await heard(self, /holdfast listening on (\S+)/)
  for (const name of extra) self[name] = await heard(self, new RegExp(`^${name} on (\\S+)`, 'm'))
  self.port = Number(new URL(self.url).port)
  return self
}

// Runs any other program to its end: { code, out, err }.
export function runProgram(t, program, args) {
  return new Promise(resolve => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    atEnd(t, () => child.kill('SIGKILL'))
    const self = { out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', text => { self.out += text })
    child.stderr.setEncoding('utf8').on('data', text => { self.err += text })
    child.on('close', code => resolve({ code, ...self }))
  })
}

// Calls in a journal as Holdfast would have left them, the oldest 47 hours old
// (bench/fill_journal.cc).
export async function fillJournal(t, data, calls, ...options) {
  const made = await runProgram(t, join(dirname(HOLDFAST), 'holdfast-fill-journal'),
    [data, '--calls', `${calls}`, ...options])
  assert.equal(made.code, 0, made.err)
}

// For what must come back on the port that it had.
export const freePort = () => new Promise(done => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => done(port))
  })
})

// MiB of a process: VmRSS now, VmHWM at most.
export function memoryOf(pid, field) {
  const found = readText(`/proc/${pid}/status`).match(new RegExp(`${field}:\\s+(\\d+) kB`))
  return found ? Number(found[1]) / 1024 : 0
}

// Begins a subcommand: { child, out, err, how (once it has ended), ended, kill, stop }.
export const start = (t, args) => run(t, args)

// Runs a subcommand to its end; options: { cwd }.
export async function command(t, args, { cwd } = {}) {
  const self = run(t, args, { cwd })
  const how = await self.ended
  return { ...how, out: self.out, err: self.err }
}

// One request on a connection of its own: { status, headers, text, json }. Rejects when the
// connection fails before a whole answer, with `.partial` what there was.
export function call(url, { method = 'GET', headers = {}, body, agent = false, within } = {}) {
  return new Promise((resolve, reject) => {
    const length = body !== undefined && !headers['transfer-encoding']
      && { 'content-length': Buffer.byteLength(body) }
    const request = http.request(url, { method, agent,
      headers: { ...length, ...headers }, timeout: within ?? REQUEST_MS }, answer => {
      const chunks = []
      answer.on('data', chunk => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const result = { status: answer.statusCode, headers: answer.headers, text,
          raw: answer.rawHeaders }
        Object.defineProperty(result, 'json', { get: () => JSON.parse(text) })
        resolve(result)
      })
    })
    request.on('timeout', () => request.destroy(new Error(`no answer to ${method} ${url}`)))
    request.on('error', reject)
    request.end(body)
  })
}

export const AUTH = { authorization: 'Bearer sk_test_one' }

// A payment as a plain client makes it.
export const pay = (base, order, { headers, path = '/v1/payment_intents', ...rest } = {}) =>
  call(base + path, {
    method: 'POST',
    body: `amount=500&currency=eur&metadata[order]=${order}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...AUTH, ...headers },
    ...rest,
  })

export const postJson = (url, value, headers = {}, rest = {}) => call(url, {
  method: 'POST', body: JSON.stringify(value),
  headers: { 'content-type': 'application/json', ...AUTH, ...headers }, ...rest,
})

// Writes bytes and returns everything that comes until the peer closes: { text, closed }. Stops
// listening after `within`, then closed is false.
export function exchange(port, bytes, within = 10_000) {
  return new Promise(resolve => {
    const chunks = []
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes))
    const end = closed => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text: Buffer.concat(chunks).toString('latin1'), closed })
    }
    const timer = setTimeout(() => end(false), within)
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', () => end(true))
    socket.on('end', () => end(true))
  })
}

export const logOf = self => self.out + self.err
export const readText = path => readFileSync(path, 'utf8')

// The upstream and route of a Stripe account, each with more lines if wanted.
export const stripeConfig = (url, { upstream = '', route = '', wait = '8s' } = {}) => `
upstreams:
  stripe:
    url: ${url}
    preset: stripe
    credentials: stored
    account: main
    timeouts: { connect: 2s, head: 3s }
    breaker: { open: 200ms..1s }
${indented(upstream, 4)}
routes:
  - path: /v1/
    upstream: stripe
    key: { from: [ { form: "metadata[order]" } ] }
    hold: on_failure
    wait: ${wait}
    retry: { held: [200ms, 500ms, 1s, 1s, 1s, 2s, 2s, 5s, 5s, 5s, 10s] }
${indented(route, 4)}
`

const indented = (text, by) =>
  text.split('\n').filter(Boolean).map(line => ' '.repeat(by) + line).join('\n')
