// A customer with a browser: registers, orders, pays, and tries again when the page says so.
import { setTimeout as sleep } from 'node:timers/promises'

const TRIES = 2
const PATIENCE_MS = 60_000
const ITEMS = ['Teapot', 'Six cups', 'Green tea']

const post = (url, form) => fetch(url, {
  method: 'POST',
  body: new URLSearchParams(form),
  redirect: 'manual',
  signal: AbortSignal.timeout(PATIENCE_MS),
})

// One visit. Returns { order, pages: [{ asked, shown, ms, says }] }, the times in wall
// milliseconds; `says` is what a page told of the payment: paid, failed, paying, or broken when
// there was no page. `random` gives numbers in [0, 1).
export async function visit(shop, number, random, onPage) {
  const email = `customer${number}@example.com`
  const registered = await post(`${shop}/register`,
    { name: `Customer ${number}`, email, password: `a long password ${number}` })
  await registered.arrayBuffer()
  const placed = await post(`${shop}/orders`, { email, item: ITEMS[number % ITEMS.length] })
  await placed.arrayBuffer()
  const path = placed.headers.get('location')
  if (registered.status !== 201 || placed.status !== 303) {
    throw new Error(`the shop answered ${registered.status} and ${placed.status}`)
  }
  const order = Number(path.split('/').at(-1))
  const pages = []
  while (pages.length < TRIES) {
    const page = await pay(`${shop}${path}/pay`)
    pages.push(page)
    onPage(page)
    if (page.says === 'paid') break
    await sleep(1000 + 1000 * random())
  }
  return { order, pages }
}

async function pay(url) {
  const asked = Date.now()
  const begun = performance.now()
  let says = 'broken'
  try {
    const answer = await post(url, {})
    says = (await answer.text()).match(/data-status="(\w+)"/)?.[1] ?? 'broken'
  } catch {
    // No page: the customer does not know either.
  }
  return { asked, shown: Date.now(), ms: performance.now() - begun, says }
}
