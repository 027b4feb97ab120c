// A slow mail provider: AT_ONCE mails at a time, MAIL_MS each; the others stand in line. What it
// took it delivers, whether or not somebody still waits for the answer. One key is one mail.
import { createServer } from 'node:http'
import { busy, workers } from './workers.mjs'

const env = process.env
const work = workers(Number(env.AT_ONCE ?? 5))
const ledger = []
const answers = new Map()

function deliver(order) {
  return work(async () => {
    await busy(Number(env.MAIL_MS ?? 2000))
    ledger.push({ order, at_ms: Date.now() })
  })
}

const server = createServer(async (request, response) => {
  const answer = value => response.writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify(value))
  if (request.method === 'GET') return answer({ mails: ledger })
  const { order } = JSON.parse((await request.toArray()).join(''))
  const key = request.headers['idempotency-key']
  if (key && !answers.has(key)) answers.set(key, deliver(order))
  await (key ? answers.get(key) : deliver(order))
  answer({ sent: true })
})

server.listen({ port: Number(env.PORT ?? 3001), host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`mail provider listening on http://127.0.0.1:${server.address().port}`)
})
process.once('SIGTERM', () => process.exit(0))
