// Under a service manager: the sockets are passed, so a restart loses no connection attempt; and
// the manager hears how it stands.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd, call, folder, pay, stripeConfig, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const HOLDFAST = process.env.HOLDFAST ?? 'build/release/holdfast'
const MANAGER = join(dirname(fileURLToPath(import.meta.url)), 'manager.py')

// The manager with its sockets: { listening, said, ended, err, start(env), stop(), kill() }.
async function startManager(t, kinds = 'tcp') {
  const child = spawn('python3', ['-B', MANAGER, folder(t), kinds],
    { stdio: ['pipe', 'pipe', 'pipe'] })
  const self = { said: [], ended: [], err: '' }
  child.stderr.setEncoding('utf8').on('data', text => { self.err += text })
  createInterface(child.stdout).on('line', line => {
    const word = JSON.parse(line)
    if (word.said) self.said.push(word.said)
    else if (word.ended) self.ended.push(word)
    else Object.assign(self, word)
  })
  atEnd(t, async () => {
    if (self.started && !self.gone()) self.signal('SIGKILL')
    child.kill('SIGKILL')
  })
  self.gone = (pid = self.started) => self.ended.find(end => end.ended === pid)
  self.signal = name => process.kill(self.started, name)
  self.begin = async (argv, env = {}) => {
    const before = self.started
    child.stdin.write(`${JSON.stringify({ start: [HOLDFAST, ...argv], env })}\n`)
    await until('it is started', () => self.started !== before)
  }
  self.heard = (what, from = 0) =>
    until(`the word ${what}`, () => self.said.slice(from).find(text => text.match(what)))
  self.end = () => until('it ends', () => self.gone())
  await until('the sockets are there', () => self.listening)
  return self
}

function configure(t, manager, rest, { listen = manager.listening[0], more = '' } = {}) {
  const dir = folder(t)
  const file = join(dir, 'holdfast.yaml')
  writeFileSync(file, `listen: ${listen}\n${more}journal: { path: "${dir}/data" }\n${rest}`)
  return file
}

const plainConfig = url => `
upstreams: { one: { url: ${url}, idempotency: { mode: repeatable } } }
routes: [ { path: /, upstream: one } ]
`

test('whoever connects while none runs is answered by the next', async t => {
  const upstream = await startUpstream(t)
  const manager = await startManager(t)
  const url = `http://${manager.listening[0]}`
  const argv = ['serve', '-c', configure(t, manager, stripeConfig(upstream.url))]
  const early = pay(url, 'before-the-first')
  await manager.begin(argv)
  assert.equal((await early).status, 200)
  for (const how of ['SIGKILL', 'SIGTERM']) {
    manager.signal(how)
    const { code } = await manager.end()
    assert.equal(code, how === 'SIGKILL' ? -9 : 0)
    const waiting = [1, 2, 3].map(i => pay(url, `gap-${how}-${i}`))
    await manager.begin(argv)
    assert.deepEqual((await Promise.all(waiting)).map(a => a.status), [200, 200, 200])
  }
  assert.equal(upstream.effects.length, 7)
  assert.equal(new Set(upstream.effects.map(effect => effect.order)).size, 7)
})

test('restarts under load: every connection is answered', async t => {
  const upstream = await startUpstream(t, { delay: 5 })
  const manager = await startManager(t)
  const url = `http://${manager.listening[0]}`
  const argv = ['serve', '-c', configure(t, manager, plainConfig(upstream.url))]
  await manager.begin(argv)
  const answers = []
  let stop = false
  const client = async () => {
    while (!stop) {
      const how = await call(`${url}/v1/things`).then(a => a.status, error => error.code)
      answers.push(how)
    }
  }
  const clients = [1, 2, 3, 4].map(client)
  for (let restart = 0; restart < 5; ++restart) {
    const before = answers.length
    await until('calls go through', () => answers.length > before + 20)
    manager.signal('SIGTERM')
    assert.equal((await manager.end()).code, 0)
    await manager.begin(argv)
  }
  const before = answers.length
  await until('calls go through', () => answers.length > before + 20)
  stop = true
  await Promise.all(clients)
  assert.deepEqual([...new Set(answers)], [200])
})

test('the manager hears of the start, the watchdog, the calls and the end', async t => {
  const upstream = await startUpstream(t)
  const manager = await startManager(t, 'tcp,tcp')
  const more = `health: ${manager.listening[1]}\n`
  await upstream.down()
  const config = configure(t, manager, stripeConfig(upstream.url, { wait: '200ms' }), { more })
  await manager.begin(['serve', '-c', config], { WATCHDOG_USEC: '600000' })
  assert.equal(await manager.heard(/^READY/), 'READY=1\nWATCHDOG_USEC=600000\n')
  const health = await call(`http://${manager.listening[1]}/readyz`)
  assert.equal(health.status, 200)
  await manager.heard(/^STATUS=opening the journal/)
  await manager.heard(/^STATUS=taking calls\n/)
  const answer = await pay(`http://${manager.listening[0]}`, 'held')
  assert.equal(answer.json.error.code, 'held', answer.text)
  await manager.heard(/^STATUS=taking calls; 1 waiting\n/)
  const sofar = manager.said.length
  await until('it is alive several times', () =>
    manager.said.slice(sofar).filter(text => text === 'WATCHDOG=1\n').length >= 3)
  manager.signal('SIGTERM')
  await manager.heard(/^STOPPING=1\nEXTEND_TIMEOUT_USEC=80000000\n/)
  assert.equal((await manager.end()).code, 0)
  assert.doesNotMatch(manager.said.join(''), /^STATUS=.*held-|Bearer/m)
})

test('a process that hangs is silent, and its manager can tell', async t => {
  const upstream = await startUpstream(t)
  const manager = await startManager(t)
  await manager.begin(['serve', '-c', configure(t, manager, plainConfig(upstream.url))],
    { WATCHDOG_USEC: '300000' })
  await manager.heard(/^WATCHDOG=1/)
  manager.signal('SIGSTOP')
  const at = performance.now()
  let last = manager.said.length
  let since = at
  await until('300 ms without a word', () => {
    if (manager.said.length !== last) [last, since] = [manager.said.length, performance.now()]
    return performance.now() - since > 300
  })
  manager.signal('SIGCONT')
  await manager.heard(/^WATCHDOG=1/, last)
})

const refused = async (t, kinds, options) => {
  const upstream = await startUpstream(t)
  const manager = await startManager(t, kinds)
  await manager.begin(['serve', '-c', configure(t, manager, plainConfig(upstream.url), options)])
  assert.equal((await manager.end()).code, 1)
  await until('it says why', () => manager.err.includes('serve: '))
  return { said: manager.err.split('\n').find(line => line.startsWith('serve: ')), manager }
}

test('a socket for an address that no listener has is refused, by both their names', async t => {
  const { said, manager } = await refused(t, 'tcp', { listen: '127.0.0.1:0' })
  assert.ok(said.includes(`\`socket-0\` that was passed listens on ${manager.listening[0]}`), said)
  assert.match(said, /\(listen: 127\.0\.0\.1:0\): make ListenStream= .* say the same address$/)
})

test('what is no TCP listener is refused, and said what to change', async t => {
  const other = { listen: '127.0.0.1:0' }
  assert.match((await refused(t, 'unix', other)).said, /3 \(`socket-0`\).*: it is no TCP socket; /)
  assert.match((await refused(t, 'connection', other)).said, /Accept=no is needed$/)
})
