// Many users at once, each with a connection of its own: they look at a page, think, look at the
// next one, and now and then they order something.
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 10_000
// So many open their connections at a time: nobody's listen queue is what is to be shown.
const CONNECT_AT_ONCE = 200

// Options: { users, thinkMs (mean), orderShare, random }. Returns, once all are connected, a crowd:
// `pages` is what was seen so far, [{ order, at, ms, good, text }], `waiting` how many wait
// for a page now, `ordering` may be set to false, stop() ends it.
export async function crowd(shop, { users, thinkMs, orderShare, random }) {
  const self = { pages: [], waiting: 0, ordering: true, going: true, connected: 0 }
  const all = Array.from({ length: users }, () =>
    new http.Agent({ keepAlive: true, maxSockets: 1, timeout: 0 }))
  for (let from = 0; from < users; from += CONNECT_AT_ONCE) {
    await Promise.all(all.slice(from, from + CONNECT_AT_ONCE).map(agent => ask(shop, '/favicon.ico',
      'GET', agent)))
  }
  self.connected = all.reduce((sum, agent) => sum + Object.keys(agent.freeSockets).length, 0)

  const timers = new Map()
  const think = (agent, ms) => timers.set(agent, setTimeout(visit, ms, agent))
  async function visit(agent) {
    if (!self.going) return
    const order = self.ordering && random() < orderShare
    self.waiting++
    const at = performance.now()
    const answer = await (order ? ask(shop, '/checkout', 'POST', agent)
      : ask(shop, '/', 'GET', agent))
    self.waiting--
    self.pages.push({ order, at, ms: performance.now() - at, ...answer })
    if (self.going) think(agent, thinkMs * (0.5 + random()))
  }
  for (const agent of all) think(agent, thinkMs * random())

  // Nobody asks for another page; who waits for one does so as long as before.
  self.stop = async () => {
    self.going = false
    for (const timer of timers.values()) clearTimeout(timer)
    while (self.waiting > 0) await sleep(20)
    for (const agent of all) agent.destroy()
  }
  return self
}

// One request: { good, text }. No answer in time is not good.
function ask(base, path, method, agent) {
  return new Promise(resolve => {
    const request = http.request(base + path, { method, agent }, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', piece => { text += piece })
      answer.on('end', () => end({ good: answer.statusCode === 200, text }))
      answer.on('error', () => end({ good: false, text }))
    })
    const late = setTimeout(() => request.destroy(new Error('too late')), PATIENCE_MS)
    const end = seen => { clearTimeout(late); resolve(seen) }
    request.on('error', () => end({ good: false, text: '' }))
    request.end()
  })
}
