// An upstream on Node's own http: no line of it is Holdfast's, so it cannot share its mistakes.
// It keeps a ledger of what took effect and of every request it read, and knows idempotency keys as
// Stripe does, or not at all.
import { createServer } from 'node:http'
import net from 'node:net'
import { atEnd } from './rig.mjs'

// options:
//   keys       whether keys are honoured (true)
//   fault      ({ n, order, key, path, seen }) => what to do instead of a plain answer, or none;
//              n counts requests, seen those of this order (both from 1):
//              'reset_before' | 'reset_after' | 'hang' | 'cut' | { late: MS }
//              | { status, fields, body, applied }
//   delay      milliseconds that every effect takes (0)
//   idleClose  closes a connection this long after its last answer, in milliseconds (0: never)
//   hint       whether a truthful Keep-Alive field says so
//   answer     ({ order, n }) => the JSON of a good answer
//   serve      (call, headers) => { status, body, fields, effect }: a provider of its own, which
//              is not asked where the fault comes before the effect; keys are its own business then
//   orderOf    (request, body) => which order a request is about
//   port       to come back on a port that it had before
//   host       a loopback address (127.0.0.1)
export async function startUpstream(t, options = {}) {
  const {
    keys = !options.serve, delay = 0, idleClose = 0, hint = false, host = '127.0.0.1',
  } = options
  const state = { requests: [], effects: [], connections: 0, fault: options.fault }
  const stored = new Map()
  const timers = new Set()

  const later = (ms, action) => {
    const timer = setTimeout(() => { timers.delete(timer); action() }, ms)
    timers.add(timer)
  }
  const good = options.answer ?? (({ order, n }) =>
    ({ id: `pi_${n}`, object: 'payment_intent', status: 'succeeded', metadata: { order } }))

  function send(response, status, body, fields = {}) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'request-id': `req_${state.requests.length}`,
      ...(hint && idleClose > 0 && { 'keep-alive': `timeout=${Math.floor(idleClose / 1000)}` }),
      ...fields,
    })
    return response.end(text)
  }

  async function apply(call, headers) {
    const done = options.serve ? await options.serve(call, headers)
      : { status: 200, body: good(call), effect: true }
    if (done.effect) {
      state.effects.push({ order: call.order, key: call.key, path: call.path, body: call.body,
        at: Date.now() })
    }
    return done
  }

  async function answer(call, fault, request, response) {
    const id = call.key && keys ? call.key : undefined
    const known = id && stored.get(id)
    if (known === 'busy') {
      return send(response, 409, { error: { type: 'idempotency_error',
        code: 'idempotency_key_in_use', message: 'still running' } })
    }
    if (known && known.body !== call.body) {
      return send(response, 400, { error: { type: 'idempotency_error', message: 'other body' } })
    }
    if (fault === 'reset_before') return request.socket.resetAndDestroy()
    if (fault?.status && !fault.applied && !known) {
      return send(response, fault.status, fault.body ?? { error: { type: 'api_error',
        message: 'as planned' } }, fault.fields)
    }
    const finish = async replayed => {
      const result = replayed ? known.result : await apply(call, request.headers)
      if (id) stored.set(id, { body: call.body, result })
      if (fault === 'reset_after' || fault?.late) return request.socket.resetAndDestroy()
      if (fault === 'hang') return undefined
      if (fault?.status) return send(response, fault.status, fault.body ?? '{}', fault.fields)
      if (fault === 'cut') {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        response.write('{"id": ')
        return later(20, () => request.socket.destroy())
      }
      return send(response, result.status, result.body,
        { ...result.fields, ...(replayed && { 'idempotent-replayed': 'true' }) })
    }
    if (known) return finish(true)
    if (id) stored.set(id, 'busy')
    if (fault?.late) {
      request.socket.resetAndDestroy()
      return later(fault.late, async () => {
        stored.set(id, { body: call.body, result: await apply(call, request.headers) })
      })
    }
    return delay > 0 ? later(delay, () => finish(false)) : finish(false)
  }

  const seenOf = new Map()
  const server = createServer(async (request, response) => {
    const chunks = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      return  // the body never came whole: nothing happens
    }
    const body = Buffer.concat(chunks).toString()
    const order = (options.orderOf ?? orderOf)(request, body)
    const seen = (seenOf.get(order) ?? 0) + 1
    seenOf.set(order, seen)
    const call = { n: state.requests.length + 1, seen, order, body, method: request.method,
      path: request.url, key: request.headers['idempotency-key'] }
    state.requests.push({ ...call, headers: request.headers })
    if (idleClose > 0) response.once('finish', () => { closeIdle(request.socket) })
    await answer(call, state.fault?.(call), request, response)
  })
  const idle = new Map()
  const closeIdle = socket => {
    clearTimeout(idle.get(socket))
    idle.set(socket, setTimeout(() => socket.end(), idleClose))
  }
  // Node's own idle timer would add a Keep-Alive field of its own.
  server.keepAliveTimeout = 0
  server.on('connection', socket => {
    state.connections++
    socket.on('error', () => {})
    socket.on('data', () => clearTimeout(idle.get(socket)))
    socket.on('close', () => {
      clearTimeout(idle.get(socket))
      idle.delete(socket)
    })
  })
  server.on('clientError', (_, socket) => socket.destroy())

  const listen = port => new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve(server.address().port))
  })
  state.port = await listen(options.port ?? 0)
  state.url = `http://${host}:${state.port}`
  state.of = order => state.effects.filter(e => e.order === order)
  const close = () => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  })
  let release = () => {}
  // Refuses connections and resets the open ones, until up().
  state.down = async () => {
    await close()
    release()
    release = await keepPort(host, state.port)
  }
  state.up = async () => {
    await listen(state.port)
    release()
  }
  atEnd(t, async () => {
    for (const timer of timers) clearTimeout(timer)
    release()
    if (server.listening) await close()
  })
  return state
}

// While nobody listens there, the next test to ask for any port would be given this one, and get
// the calls that are meant for this upstream. It belongs to a connection meanwhile.
async function keepPort(host, port) {
  const sink = net.createServer(socket => socket.on('error', () => {}))
  await new Promise(resolve => sink.listen(0, host, resolve))
  const link = net.connect({ host, port: sink.address().port, localAddress: host, localPort: port })
  await new Promise((resolve, reject) => link.once('connect', resolve).once('error', reject))
  link.on('error', () => {})
  return () => {
    link.resetAndDestroy()
    sink.close()
  }
}

function orderOf(request, body) {
  if (request.headers['x-order']) return request.headers['x-order']
  if (body.startsWith('{')) {
    try {
      return JSON.parse(body).order
    } catch {
      return undefined
    }
  }
  const form = new URLSearchParams(body)
  return form.get('metadata[order]') ?? form.get('order') ?? undefined
}
