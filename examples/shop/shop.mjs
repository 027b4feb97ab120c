// A small shop: register, order, pay, get a mail. Settings come from the environment.
import { createServer } from 'node:http'
import { mailer } from './mail.mjs'
import * as pages from './pages.mjs'
import { Declined, payments } from './payments.mjs'
import { openStore } from './store.mjs'

const env = process.env
const ITEMS = new Map([['Teapot', 2400], ['Six cups', 3600], ['Green tea', 950]])
const MAX_FORM_BYTES = 16 * 1024

const store = openStore(env.SHOP_DB ?? 'shop.db')
const charge = payments({
  base: env.STRIPE_BASE ?? 'https://api.stripe.com',
  key: env.STRIPE_KEY ?? 'sk_test_shop',
})
const sendOrderMail = mailer({
  base: env.MAIL_BASE ?? 'https://mail.example.com',
  key: env.MAIL_KEY ?? 'mail_test_shop',
})

class BadRequest extends Error {}

async function readForm(request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_FORM_BYTES) throw new BadRequest('That form is too long.')
  }
  return Object.fromEntries(new URLSearchParams(text))
}

function checkedEmail({ email = '' }) {
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new BadRequest('Please give an e-mail address.')
  return email
}

async function register(form) {
  const email = checkedEmail(form)
  const { name = '', password = '' } = form
  if (!name.trim()) throw new BadRequest('Please give your name.')
  if (password.length < 10) throw new BadRequest('The password needs ten characters or more.')
  if (!await store.addUser({ name: name.trim(), email, password })) {
    return [409, pages.message('There is an account with this address.')]
  }
  return [201, pages.message(`Welcome, ${name.trim()}!`)]
}

function placeOrder(form) {
  const email = checkedEmail(form)
  const amount = ITEMS.get(form.item)
  if (!amount) throw new BadRequest('We do not sell that.')
  return [303, '', { location: `/orders/${store.addOrder({ email, item: form.item, amount })}` }]
}

async function pay(id) {
  const order = store.order(id)
  if (!order) return notFound()
  if (!store.beginPayment(id)) return [200, pages.order(store.order(id))]
  try {
    store.setPaid(id, await charge(order))
  } catch (error) {
    store.setOpen(id)
    if (error instanceof Declined) return [402, pages.declined(order, error.message)]
    console.error(`order ${id}: the payment failed: ${error.message}`)
    return [502, pages.failed(order)]
  }
  sendOrderMail(order).catch(error => console.error(`order ${id}: no mail: ${error.message}`))
  return [200, pages.order(store.order(id))]
}

const notFound = () => [404, pages.message('There is no such page.')]

async function answer(request) {
  const { pathname } = new URL(request.url, 'http://shop')
  const [, id, paying] = pathname.match(/^\/orders\/(\d{1,15})(\/pay)?$/) ?? []
  const what = `${request.method} ${pathname}`
  if (what === 'GET /') return [200, pages.front([...ITEMS])]
  if (what === 'POST /register') return register(await readForm(request))
  if (what === 'POST /orders') return placeOrder(await readForm(request))
  if (id && paying && request.method === 'POST') return pay(Number(id))
  if (id && !paying && request.method === 'GET') {
    const order = store.order(Number(id))
    return order ? [200, pages.order(order)] : notFound()
  }
  return notFound()
}

const server = createServer(async (request, response) => {
  let result
  try {
    result = await answer(request)
  } catch (error) {
    const known = error instanceof BadRequest
    if (!known) console.error(error)
    result = [known ? 400 : 500, pages.message(known ? error.message : 'Something went wrong.')]
  }
  const [status, body, fields] = result
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', ...fields })
  response.end(String(body))
})

server.listen(Number(env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`shop listening on http://127.0.0.1:${server.address().port}`)
})
process.once('SIGTERM', () => {
  server.close(() => store.close())
  server.closeIdleConnections()
})
