// What visitors see.
const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

// Tagged template: every value is escaped, unless it came out of html itself.
class Html extends String {}
const escaped = value =>
  value instanceof Html ? value : String(value).replace(/[&<>"']/g, c => escapes[c])
const html = (parts, ...values) =>
  new Html(String.raw({ raw: parts }, ...values.map(v => [v].flat().map(escaped).join(''))))

const page = (title, body) => html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>body { font: 1.1rem/1.6 sans-serif; max-width: 34rem; margin: 3rem auto } label, input,
select { display: block; width: 100% } button { margin-top: 1rem }</style>
<h1>${title}</h1>
${body}
</html>
`

export const front = items => page('A small shop', html`
<h2>Buy</h2>
<form method="post" action="/orders">
<label>E-mail <input name="email" type="email" required></label>
<label>What <select name="item">
${items.map(([name, cents]) => html`<option value="${name}">${name}, ${cents / 100} EUR</option>`)}
</select></label>
<button>Order</button>
</form>
<h2>Register</h2>
<form method="post" action="/register">
<label>Name <input name="name" required></label>
<label>E-mail <input name="email" type="email" required></label>
<label>Password <input name="password" type="password" minlength="10" required></label>
<button>Register</button>
</form>`)

export const order = o => page(`Order ${o.id}`, o.status === 'paid'
  ? html`<p data-status="paid">Paid. Thank you! ${o.item} is on its way.</p>`
  : o.status === 'paying'
    ? html`<p data-status="paying">The payment is under way. <a href="">Look again</a></p>`
    : html`<p data-status="open">${o.item}, ${o.amount / 100} EUR</p>${payButton(o)}`)

export const failed = o => page(`Order ${o.id}`, html`
<p data-status="failed">The payment failed, you have not been charged. Please try again.</p>
${payButton(o)}`)

export const declined = (o, why) => page(`Order ${o.id}`, html`
<p data-status="declined">${why}</p>${payButton(o)}`)

export const message = text => page('A small shop', html`<p>${text}</p><p><a href="/">Shop</a>`)

const payButton = o =>
  html`<form method="post" action="/orders/${o.id}/pay"><button>Pay</button></form>`
