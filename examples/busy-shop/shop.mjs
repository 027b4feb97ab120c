// A shop with few workers: pages, suggestions, a checkout. Settings come from the environment.
import { createServer } from 'node:http'
import { mailer } from '../shop/mail.mjs'
import { COST_MS } from './costs.mjs'
import { features } from './features.mjs'
import { busy, workers } from './workers.mjs'

const env = process.env
const work = workers(Number(env.WORKERS ?? 8))
const isOn = await features(env.FEATURES_BASE)
const sendOrderMail = env.MAIL_BASE ? mailer({ base: env.MAIL_BASE, key: 'mail_test_shop' })
  : async () => {}
let orders = 0

async function page() {
  await busy(COST_MS.page)
  if (!isOn('recommendations')) return 'Teapots'
  await busy(COST_MS.recommendations)
  return 'Teapots. Others also bought: six cups'
}

async function suggestions() {
  if (!isOn('suggestions')) return '[]'
  await busy(COST_MS.suggestions)
  return '["teapot", "tea cosy"]'
}

async function checkout() {
  await busy(COST_MS.checkout)
  const order = { id: ++orders, item: 'Teapot', email: `customer${orders}@example.com` }
  await sendOrderMail(order)
  return `Thank you! Your order is number ${order.id}`
}

const switches = () => ({
  recommendations: isOn('recommendations'), suggestions: isOn('suggestions'),
})

const answers = {
  'GET /': page,
  'GET /suggestions': suggestions,
  'POST /checkout': checkout,
}

const server = createServer({ keepAliveTimeout: 120_000 }, async (request, response) => {
  request.resume()
  const { pathname } = new URL(request.url, 'http://shop')
  // For whoever looks after the shop: no worker is needed for this.
  if (pathname === '/features') return response.end(JSON.stringify(switches()))
  const answer = answers[`${request.method} ${pathname}`]
  try {
    const text = answer ? await work(answer) : 'There is no such page.'
    response.writeHead(answer ? 200 : 404).end(text)
  } catch (error) {
    console.error(error.message)
    response.writeHead(500).end('Something went wrong.')
  }
})

server.listen({ port: Number(env.PORT ?? 3000), host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`shop listening on http://127.0.0.1:${server.address().port}`)
})
process.once('SIGTERM', () => process.exit(0))
