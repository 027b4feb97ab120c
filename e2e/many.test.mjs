// Commands for many calls: counted, asked for, done at a rate, cut and gone on with.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HOLDFAST, atEnd, call, command, fillJournal, folder, freePort, memoryOf, readText, start,
  startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

// [state, how many] of each.
async function filled(t, ...what) {
  const data = join(folder(t), 'data')
  for (const [seed, [state, calls]] of what.entries()) {
    await fillJournal(t, data, calls, '--seed', `${seed + 1}`, '--state', state, '--body', '100')
  }
  return data
}

const config = url => `
upstreams:
  bank:
    url: "${url}"
    credentials: stored
    idempotency: { mode: key, lifetime: 7d }
    concurrency: 50
    breaker: { open: 100ms..200ms }
routes:
  - path: /
    upstream: bank
    key: { stable: true, from: [ { header: Idempotency-Key } ] }
    hold: on_failure
    index: { customer: { form: customer } }
    retry: { budget: 100% }
`

async function rig(t, ...what) {
  const upstream = await startUpstream(t)
  const data = await filled(t, ...what)
  const port = await freePort()
  const serve = () => startHoldfast(t, config(upstream.url),
    { data, admin: port, journal: 'retention: { keys: 7d }' })
  const proxy = await serve()
  const token = readText(join(data, 'admin.token')).trim()
  const admin = ['--admin', `127.0.0.1:${port}`, '--token-file', join(data, 'admin.token')]
  const api = async path => {
    const answer = await call(`http://127.0.0.1:${port}/v1/${path}`,
      { headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 200, answer.text)
    return answer.json
  }
  return {
    upstream, proxy, serve, api, data, admin,
    tool: (...args) => command(t, [...args, ...admin]),
    begin: (...args) => start(t, [...args, ...admin]),
    json: async (...args) => {
      const done = await command(t, [...args, '--json', ...admin])
      assert.ok(done.code === 0 || done.code === 3, done.err)
      return { ...JSON.parse(done.out), code: done.code }
    },
    count: async query => {
      let total = 0
      for (let after = ''; ;) {
        const page = await api(`count?${query}${after}`)
        total += page.matched
        if (!page.more) return total
        after = `&after=${page.next}`
      }
    },
    // Of all calls of a state, the ids, oldest first.
    ids: async query => {
      const found = []
      for (let after = ''; ;) {
        const page = await api(`calls?limit=1000&${query}${after}`)
        found.push(...page.calls.map(one => one.call))
        if (!page.more) return found.reverse()
        after = `&after=${page.next}`
      }
    },
    // What operators did with one call.
    words: async id => (await api(`calls/${id}`)).timeline
      .filter(event => event.what.startsWith('operator_')),
  }
}

test('an outage is over: what died is counted, looked at, and sent again, once each', async t => {
  const { upstream, tool, json, count, ids } = await rig(t, ['dead', 300], ['unknown', 5])
  const dry = await tool('calls', 'retry', '--newer-than', '3d', '--dry-run')
  assert.equal(dry.code, 0, dry.err)
  assert.match(dry.out, /305 calls fit/)
  assert.match(dry.out, /300 {2}will be attempted now/)
  assert.match(dry.out, /5 {2}refused: its outcome is unknown: settle it with `calls resolve`/)
  assert.equal(await count('state=dead'), 300, 'a dry run does nothing')
  assert.equal(upstream.requests.length, 0)
  const oldest = await ids('state=dead')

  const done = await json('calls', 'retry', '--state', 'dead', '--yes', '--rate', '500/s',
    '--reason', 'the bank is back')
  assert.equal(done.code, 0)
  assert.equal(done.done, 300)
  assert.equal(done.stage, 'finished')
  await until('all are answered', async () => await count('state=answered') === 300, 60_000)
  assert.equal(upstream.effects.length, 300)
  assert.equal(new Set(upstream.effects.map(effect => effect.key)).size, 300)
  const sent = upstream.requests.slice(0, 20).map(request => request.key)
  assert.ok(sent.includes('order-1-0'), `the oldest go first: ${oldest[0]} ${sent}`)
  const again = await json('calls', 'retry', '--state', 'dead', '--yes')
  assert.equal(again.matched, 0)
})

test('a killed command is gone on with, and nothing is done twice', async t => {
  const { api, tool, begin, ids, words } = await rig(t, ['unknown', 600])
  const all = await ids('state=unknown')
  const first = begin('calls', 'resolve', 'not_applied', '--state', 'unknown', '--yes',
    '--rate', '200/s', '--reason', 'their log has none of them')
  const id = await until('some are done', async () => {
    const { operations } = await api('operations')
    return operations[0]?.done > 50 && operations[0].operation
  })
  await first.kill()
  const { done } = await api(`operations/${id}`)
  assert.ok(done < 600, 'it was in the middle')
  const wrong = await tool('calls', 'retry', '--resume', id)
  assert.equal(wrong.code, 2, wrong.err)
  const last = await tool('calls', 'resolve', '--resume', id, '--rate', '5000/s')
  assert.equal(last.code, 0, last.err)
  assert.match(last.out, /finished, 600 calls selected\n {2}600 {2}dead: known not to have taken/)
  for (const one of all) {
    const said = await words(one)
    assert.equal(said.length, 1, one)
    assert.equal(said[0].where, `bulk ${id}`)
    assert.equal(said[0].detail, 'their log has none of them')
  }
  const again = await tool('calls', 'resolve', '--resume', id)
  assert.match(again.out, /finished, 600 calls/, 'its end is told again')
})

test('Holdfast dies and comes back in the middle', async t => {
  const it = await rig(t, ['waiting', 400])
  const all = await it.ids('state=waiting')
  const going = it.begin('calls', 'cancel', '--state', 'waiting', '--yes', '--rate', '150/s',
    '--reason', 'too late to be of use', '--json')
  await until('some are done', async () => (await it.api('operations')).operations[0]?.done > 30)
  await it.proxy.kill()
  await until('it says so', () => going.err.includes('asking again'))
  const back = await it.serve()
  const ended = await going.ended
  assert.equal(ended.code, 0, going.err + back.err)
  const summary = JSON.parse(going.out)
  assert.equal(summary.done, 400, going.out)
  assert.equal(summary.left, 0, going.out)
  for (const one of all) assert.equal((await it.words(one)).length, 1, one)
  assert.equal(await it.count('state=cancelled'), 400)
})

test('Ctrl-C ends it between two steps and says how to go on', async t => {
  const { api, tool, begin, count } = await rig(t, ['unknown', 300])
  const going = begin('calls', 'resolve', 'applied', '--all', '--yes', '--rate', '50/s',
    '--reason', 'all in their dashboard')
  const id = await until('some are done', async () => {
    const { operations } = await api('operations')
    return operations[0]?.done > 10 && operations[0].operation
  })
  going.child.kill('SIGINT')
  const ended = await going.ended
  assert.equal(ended.code, 4, going.err)
  assert.match(going.err, new RegExp(`go on with: holdfast calls resolve --resume ${id}`))
  assert.match(going.out, new RegExp(`resolve_applied ${id}: stopped, 300 calls selected`))
  const stopped = await api(`operations/${id}`)
  assert.equal(stopped.stage, 'stopped')
  assert.equal(await count('state=answered'), stopped.done)
  const audit = await tool('calls', 'operations')
  assert.match(audit.out, /stopped .*all in their dashboard/)
  assert.equal((await tool('calls', 'resolve', '--resume', id, '--rate', '5000/s')).code, 0)
  assert.equal(await count('state=answered'), 300)
})

test('two operators at once', async t => {
  const { json, ids, words, tool } = await rig(t, ['unknown', 200])
  const all = await ids('state=unknown')
  const [one, other] = await Promise.all([
    json('calls', 'resolve', 'applied', '--state', 'unknown', '--yes', '--rate', '400/s',
      '--reason', 'I see them', '--by', 'ann'),
    json('calls', 'resolve', 'not_applied', '--state', 'unknown', '--yes', '--rate', '400/s',
      '--reason', 'I do not', '--by', 'bob')])
  assert.equal(one.done + other.done, 200, 'each call had one of them')
  for (const id of all) assert.equal((await words(id)).length, 1, id)
  const audit = await tool('calls', 'operations')
  assert.match(audit.out, /ann/)
  assert.match(audit.out, /bob/)
})

test('on a terminal it shows the count and asks', async t => {
  const { admin, count } = await rig(t, ['unknown', 12])
  const typed = async answer => {
    // A terminal of its own, by the same means as a person's.
    const pty = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen, typed = b'', False
while True:
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not typed and b'or yes: ' in seen:
        os.write(fd, ${JSON.stringify(`${answer}\n`)}.encode())
        typed = True
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
    const child = spawn('python3', ['-c', pty, HOLDFAST,
      'calls', 'resolve', 'applied', '--state', 'unknown', '--reason', 'seen', ...admin])
    atEnd(t, () => child.kill('SIGKILL'))
    let out = ''
    child.stdout.setEncoding('utf8').on('data', text => { out += text })
    const code = await new Promise(resolve => child.on('close', resolve))
    return { code, out }
  }
  const no = await typed('no')
  assert.match(no.out, /12 calls fit/)
  assert.match(no.out, /To resolve them as applied at 50\/s, type 12 or yes: /)
  assert.match(no.out, /nothing was done/)
  assert.equal(no.code, 4)
  const wrong = await typed('11')
  assert.equal(wrong.code, 4, wrong.out)
  assert.equal(await count('state=unknown'), 12)
  const yes = await typed('12')
  assert.equal(yes.code, 0, yes.out)
  assert.match(yes.out, /12 {2}answered: known to have taken effect/)
  assert.equal(await count('state=unknown'), 0)
})

test('few of many, with memory that stays where it was', async t => {
  const it = await rig(t, ['answered', 20_000], ['dead', 4000], ['unknown', 40])
  const server = it.proxy.child.pid
  await it.count('')
  const before = memoryOf(server, 'VmRSS')
  const peak = async (...args) => {
    const tool = it.begin(...args)
    let most = 0
    while (!tool.how) {
      try {
        most = Math.max(most, memoryOf(tool.child.pid, 'VmHWM'))
      } catch { /* it has just ended */ }
      // sleep: between two looks at what it takes
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    assert.ok(tool.how.code === 0 || tool.how.code === 3, tool.err)
    return { most, tool }
  }
  const count = await peak('calls', 'retry', '--match', 'customer=cus_7', '--dry-run')
  assert.match(count.tool.out, /fit/)
  const list = await peak('calls', 'list', '--min-attempts', '9')
  assert.equal(list.tool.out, 'no such calls\n')
  const rare = await peak('calls', 'cancel', '--effect', 'unknown', '--cause', 'reset', '--yes')
  assert.match(rare.tool.out, /40 {2}refused: it may have taken effect/)
  const many = await peak('calls', 'retry', '--state', 'dead,answered', '--yes',
    '--rate', '20000/s')
  assert.match(many.tool.out, /4,000 {2}made due: attempted as the limits/)
  assert.match(many.tool.out, /20,000 {2}refused: only dead and waiting calls can be retried/)
  for (const { most } of [count, list, rare, many]) {
    assert.ok(most > 0 && most < 64, `the command took ${most} MiB`)
  }
  const grown = memoryOf(server, 'VmRSS') - before
  assert.ok(grown < 96, `the server grew by ${grown} MiB`)
  assert.equal(readdirSync(join(it.data, 'operations')).length, 2, 'a dry run is no operation')
})

test('what is kept of an operation tells a thief nothing', async t => {
  const { data, tool } = await rig(t, ['dead', 3])
  const done = await tool('calls', 'retry', '--match', 'customer=cus_1', '--yes',
    '--reason', 'canary-reason')
  assert.equal(done.code, 0, done.err)
  const [file] = readdirSync(join(data, 'operations'))
  const kept = readText(join(data, 'operations', file))
  for (const secret of ['cus_1', 'canary-reason', 'customer']) assert.ok(!kept.includes(secret))
  const audit = await tool('calls', 'operations', '--json')
  assert.ok(!audit.out.includes('cus_1'), audit.out)
  assert.match(audit.out, /canary-reason/)
})
