// What happened, by the provider's own ledger, against what the shop told its customers.
import { quantile } from './numbers.mjs'

// effects and requests: of the sandbox's GET /_ledger. visits: what customer.mjs returns.
export function tally(visits, { effects, requests }) {
  const arrived = new Map(requests.map(r => [r.seq, r.at_ms]))
  const charges = byOrder(effects.filter(e => e.path === '/v1/payment_intents'))
  const mails = byOrder(effects.filter(e => e.path === '/mail/send'))
  const pages = visits.flatMap(v => v.pages)
  const result = {
    orders: visits.length,
    paid: 0,
    charged_twice: 0,
    lost: 0,
    told_wrongly: 0,
    failed_pages: pages.filter(p => p.says !== 'paid').length,
    p99_ms: quantile(pages.map(p => p.ms), 0.99),
    mails_missing: 0,
    mails_twice: 0,
  }
  for (const visit of visits) {
    const charged = charges.get(visit.order) ?? []
    const mailed = mails.get(visit.order) ?? []
    const paid = visit.pages.at(-1).says === 'paid'
    if (paid) result.paid++
    if (charged.length > 1) result.charged_twice++
    // The money went and the customer never heard so, or heard so and it did not.
    if (paid !== charged.length > 0) result.lost++
    result.told_wrongly += visit.pages.filter((page, i) =>
      page.says === 'failed' && isWrong(page, visit.pages[i + 1], charged, arrived)).length
    if (paid && mailed.length === 0) result.mails_missing++
    if (mailed.length > 1) result.mails_twice++
  }
  return result
}

// "You have not been charged" is wrong when a charge came of anything sent before the page was
// shown, at once or later, or was there before the customer did anything else.
const isWrong = (page, next, charged, arrived) => charged.some(effect =>
  arrived.get(effect.seq) <= page.shown || effect.at_ms <= (next?.asked ?? Infinity))

function byOrder(effects) {
  const found = new Map()
  for (const effect of effects) {
    const order = Number(effect.order)
    found.set(order, [...(found.get(order) ?? []), effect])
  }
  return found
}
