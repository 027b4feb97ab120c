// The demos `notify` and `surge`, in their short form, show what they say.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd } from './rig.mjs'

const DEMO = fileURLToPath(new URL('../examples/demo/demo.mjs', import.meta.url))

async function play(t, act, ...args) {
  const child = spawn(process.execPath, [DEMO, act, '--short', '--json', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  atEnd(t, () => child.kill())
  let out = ''
  child.stdout.setEncoding('utf8').on('data', text => { out += text })
  const code = await new Promise(resolve => { child.once('close', resolve) })
  return { code, out, seen: JSON.parse(out) }
}

test('./x demo notify', { timeout: 150_000 }, async t => {
  const { code, out, seen: { inline, through } } = await play(t, 'notify')
  assert.equal(code, 0, out)
  // Everybody was there, each with a connection, and both shops had the same work.
  for (const one of [inline, through]) assert.equal(one.users, 1000)
  // Inline, looking at a page takes as long as sending a mail: the workers wait for the provider.
  assert.ok(inline.page_p99_ms > 1000, out)
  assert.ok(through.page_p99_ms < 700, out)
  assert.equal(through.failed_pages, 0)
  // Each mail that was promised was sent, once, though orders came faster than mails went.
  assert.ok(through.orders > 30 && through.backlog > 10, out)
  assert.deepEqual([through.mails, through.mails_missing, through.mails_twice],
    [through.orders, 0, 0])
  assert.ok(through.rest_p99_ms < 700, out)
})

test('./x demo surge', { timeout: 150_000 }, async t => {
  const { code, out, seen: { straight, through } } = await play(t, 'surge')
  assert.equal(code, 0, out)
  // The same customers came to both.
  for (const phase of ['usual', 'surge', 'after']) {
    for (const what of ['checkout', 'page', 'suggestions', 'crawler']) {
      assert.equal(straight[phase][what].asked, through[phase][what].asked)
    }
  }
  const share = ({ served, asked }) => served / asked
  assert.ok(straight.usual.checkout.p99_ms < 1000, out)
  assert.ok(share(straight.surge.checkout) < 0.9 && straight.surge.checkout.p99_ms > 2000, out)
  assert.ok(straight.recovered_ms === null || straight.recovered_ms > 1000, out)
  assert.ok(share(through.surge.checkout) >= 0.99 && through.surge.checkout.p99_ms <= 500, out)
  assert.ok(share(through.after.page) > 0.95, out)
  // Who was not served was told so: nobody was left without an answer.
  assert.equal(through.surge.page.statuses[0], undefined)
  assert.ok(through.surge.crawler.statuses[429] > 0, out)
  const first = on => through.switches.find(each => each.on === on)
  assert.deepEqual([first(false).feature, first(true).feature],
    ['recommendations', 'suggestions'])
  assert.deepEqual(through.off_at_end, [])
})

test('an act says what it does not take', async t => {
  for (const args of [['surge', '--orders', '5'], ['twice', '--short'], ['nothing']]) {
    const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    atEnd(t, () => child.kill())
    let err = ''
    child.stderr.setEncoding('utf8').on('data', text => { err += text })
    assert.equal(await new Promise(resolve => { child.once('close', resolve) }), 2)
    assert.match(err, /^demo: .+\nusage: \.\/x demo \[payment \| twice \| notify \| surge\]/)
  }
})
