// The README's start with curl, run as it is written but for the ports.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd, folder, freePort, readText } from './rig.mjs'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')

function blockBelow(heading) {
  const text = readText(join(ROOT, 'README.md')).split(`## ${heading}\n`)[1]
  const lines = text.split('\n')
  const from = lines.findIndex(line => line.startsWith('    '))
  const until = lines.findIndex((line, i) => i > from && line !== '' && !line.startsWith('    '))
  return lines.slice(from, until).map(line => line.slice(4)).join('\n')
}

const flat = text => text.replace(/\s+/g, ' ')

// What the README's table says that a command says: its third column, in backquotes.
function saidBy(command) {
  const rows = readText(join(ROOT, 'README.md')).split('\n')
    .map(line => line.split(' | ')).filter(cells => cells[1]?.includes(`\`${command}`))
  const said = rows.flatMap(cells => [...cells[2].matchAll(/`([^`]+)`/g)].map(match => match[1]))
  assert.notEqual(said.length, 0, command)
  return said.map(flat)
}

test('start with curl', async t => {
  const binary = resolve(process.env.HOLDFAST ?? 'build/release/holdfast')
  const [listen, admin, sandbox] = [await freePort(), await freePort(), await freePort()]
  const ready = 'for i in $(seq 100); do curl -so /dev/null'
  const script = blockBelow('Start with curl')
    .replace('./x build\n', 'pids=\n')
    .replaceAll('build/release/holdfast', binary)
    .replaceAll('8080', listen).replaceAll('8081', admin).replaceAll('9000', sandbox)
    // What a person's typing speed does: wait until the servers answer, and stop them at the end.
    .replace(/^(.*) &( +#.*)?$/gm, '$1 >/dev/null & pids="$pids $!"')
    .replace('\npay() {', `
${ready} localhost:${sandbox}/_ledger && break; sleep 0.1; done
${ready} localhost:${listen}/ && break; sleep 0.1; done
pay() {`) + '\nkill $pids; wait'
  const shell = spawn('bash', ['-c', script], { cwd: folder(t), stdio: ['ignore', 'pipe', 'pipe'],
    detached: true })
  atEnd(t, () => { try { process.kill(-shell.pid, 'SIGKILL') } catch { /* it has ended */ } })
  let out = ''
  shell.stdout.on('data', piece => { out += piece })
  shell.stderr.on('data', piece => { out += piece })
  await new Promise(done => shell.on('close', done))
  assert.match(out, /holdfast.yaml: ok/, out)
  for (const said of saidBy('holdfast review')) assert.ok(flat(out).includes(said), said)
  for (const said of saidBy('holdfast policy')) assert.ok(flat(out).includes(said), said)
  assert.equal(out.match(/HTTP\/1.1 200 OK/g)?.length, 3, out)
  assert.match(out, /Idempotent-Replayed: true\r?\nHoldfast-Replayed:/, out)
  assert.match(out, /Holdfast-Attempts: 2/, out)
  assert.match(out, /"effects":2,.*"orders":2,"orders_doubled":0/, out)
})
