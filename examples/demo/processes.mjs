// The demo's real processes and its temporary folder: none of them outlives the demo.
import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const START_MS = 20_000
const STOP_MS = 15_000

export const folder = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
const running = new Set()

// Every way out of Node but SIGKILL comes by here.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})
for (const [signal, number] of [['SIGHUP', 1], ['SIGINT', 2], ['SIGTERM', 15]]) {
  process.on(signal, () => process.exit(128 + number))
}

// Starts a program and waits until its output has matched every pattern of `ready`. Returns
// { found: the first group of each, stop }. What it writes to stderr is in LOG of the folder.
export async function start(name, program, args, { env = {}, ready }) {
  const log = join(folder, `${name}.log`)
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', openSync(log, 'a')],
  })
  running.add(child)
  const ended = new Promise(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('exit', (code, signal) => resolve(`exit ${code ?? signal}`))
  }).finally(() => running.delete(child))

  let output = ''
  const found = new Promise(resolve => {
    child.stdout.setEncoding('utf8').on('data', chunk => {
      if (output.length < 64 * 1024) output += chunk
      const matches = ready.map(pattern => output.match(pattern)?.[1])
      if (matches.every(Boolean)) resolve(matches)
    })
  })
  const late = AbortSignal.timeout(START_MS)
  const result = await Promise.race([found, ended, new Promise(resolve => {
    late.addEventListener('abort', () => resolve('nothing heard of it'))
  })])
  if (!Array.isArray(result)) {
    const tail = readFileSync(log, 'utf8').trim().split('\n').slice(-15).join('\n')
    throw new Error(`${name} did not start: ${result}\n${tail}`)
  }
  return {
    found: result,
    log,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      const how = await ended
      clearTimeout(timer)
      return how
    },
  }
}
