// The order mail, posted to a mail service.
import { setTimeout as sleep } from 'node:timers/promises'

const TRIES = 3
const TRY_TIMEOUT_MS = 10_000

export function mailer({ base, key }) {
  return async function sendOrderMail(order) {
    const mail = {
      from: 'shop@example.com',
      to: order.email,
      subject: `Your order ${order.id}`,
      text: `Thank you! ${order.item} is on its way.`,
      order: order.id,
    }
    for (let tried = 1; ; tried++) {
      try {
        const answer = await fetch(new URL('mail/send', base), {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
          body: JSON.stringify(mail),
          signal: AbortSignal.timeout(TRY_TIMEOUT_MS),
        })
        await answer.arrayBuffer()
        if (answer.ok) return
        throw new Error(`the mail service answered ${answer.status}`)
      } catch (error) {
        if (tried === TRIES) throw error
        await sleep(300 * 2 ** tried * Math.random())
      }
    }
  }
}
