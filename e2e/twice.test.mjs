// The demo `twice` shows what it says: straight somebody is charged twice, through Holdfast nobody.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd } from './rig.mjs'

const DEMO = fileURLToPath(new URL('../examples/demo/demo.mjs', import.meta.url))

test('./x demo twice', { timeout: 120_000 }, async t => {
  const child = spawn(process.execPath, [DEMO, 'twice', '--json', '--orders', '30'],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  atEnd(t, () => child.kill())
  let out = ''
  child.stdout.setEncoding('utf8').on('data', text => { out += text })
  const code = await new Promise(resolve => { child.once('close', resolve) })
  assert.equal(code, 0, out)
  const { straight, through } = JSON.parse(out)
  assert.ok(straight.charged_twice > 0)
  assert.equal(straight.customers, through.customers)
  assert.deepEqual([through.charged_twice, through.lost, through.told_wrongly], [0, 0, 0])
  assert.ok(through.lookups > 0)
})
