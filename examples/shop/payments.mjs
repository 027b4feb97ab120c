// Taking a payment with Stripe's SDK: a try, and a few more when it fails.
import Stripe from 'stripe'
import { setTimeout as sleep } from 'node:timers/promises'

const TRIES = 3
const TRY_TIMEOUT_MS = 10_000

export class Declined extends Error {}

export function payments({ base, key }) {
  const url = new URL(base)
  const stripe = new Stripe(key, {
    protocol: url.protocol.slice(0, -1),
    host: url.hostname,
    port: url.port || undefined,
    telemetry: false,
  })

  // The id of the payment. Throws Declined, or the last error when every try failed.
  return async function charge(order) {
    for (let tried = 1; ; tried++) {
      try {
        const payment = await stripe.paymentIntents.create({
          amount: order.amount,
          currency: 'eur',
          payment_method: 'pm_card_visa',
          confirm: true,
          receipt_email: order.email,
          metadata: { order: order.id },
        }, { timeout: TRY_TIMEOUT_MS })
        return payment.id
      } catch (error) {
        if (error instanceof Stripe.errors.StripeCardError) throw new Declined(error.message)
        if (tried === TRIES) throw error
        await sleep(300 * 2 ** tried * Math.random())
      }
    }
  }
}
