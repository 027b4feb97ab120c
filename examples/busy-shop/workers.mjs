// A fixed number of workers, as application servers and providers have: whoever comes while all
// are busy stands in line. Nobody is sent away, and nobody notices that who asked has gone.
import { setTimeout as sleep } from 'node:timers/promises'

// Returns do(task): what the task returns, once a worker has had the time for it.
export function workers(count) {
  const line = []
  let free = count
  return async function work(task) {
    if (free > 0) free--
    else await new Promise(turn => line.push(turn))
    try {
      return await task()
    } finally {
      const next = line.shift()
      if (next) next()
      else free++
    }
  }
}

// Queries, templates, calls to others: it takes a worker for so long, and not this machine's CPU.
export const busy = ms => sleep(ms)
