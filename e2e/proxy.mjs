// A proxy on Node's own http, with 'connect' and nothing else: { url, port, asked: [{ target,
// authorization, at }], tunnels: open ones, down(), up(), cut() }.
// options.answer: ({ n, target, authorization }) => none for a tunnel, or what happens instead:
//   'hang' | 'reset' | 'empty' | { status, fields } | { bytes } (written as they are)
//   | { to: PORT } (a tunnel to somebody else)
import { createServer } from 'node:http'
import net from 'node:net'
import { atEnd } from './rig.mjs'

export async function startProxy(t, options = {}) {
  const state = { asked: [], answer: options.answer }
  const open = new Set()
  const keep = socket => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  }
  const server = createServer((request, response) => {
    state.asked.push({ target: request.url, method: request.method })
    response.writeHead(400).end('only CONNECT\n')
  })
  server.on('connection', keep)
  server.on('connect', (request, socket) => {
    const { authorization } = { authorization: request.headers['proxy-authorization'] }
    const one = { n: state.asked.length + 1, target: request.url, authorization, at: Date.now() }
    state.asked.push(one)
    const instead = state.answer?.(one)
    if (instead === 'hang') return undefined
    if (instead === 'reset') return socket.resetAndDestroy()
    if (instead === 'empty') return socket.end()
    if (instead?.bytes) return socket.end(instead.bytes)
    if (instead?.status) {
      const fields = Object.entries(instead.fields ?? {}).map(([k, v]) => `${k}: ${v}\r\n`).join('')
      return socket.end(`HTTP/1.1 ${instead.status} As Planned\r\n${fields}\r\nprivate words\n`)
    }
    const { hostname, port } = new URL(`tcp://${request.url}`)
    const onward = net.connect(instead?.to ?? Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    keep(onward)
    onward.on('error', () => {
      if (!socket.destroyed) socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    })
    onward.on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    return undefined
  })
  const listen = port => new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server.address().port))
  })
  state.port = await listen(0)
  state.url = `http://127.0.0.1:${state.port}`
  state.cut = () => { for (const socket of open) socket.resetAndDestroy() }
  state.down = () => new Promise(resolve => {
    server.close(resolve)
    state.cut()
  })
  state.up = () => listen(state.port)
  atEnd(t, () => (server.listening ? state.down() : undefined))
  return state
}
