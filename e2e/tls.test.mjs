// TLS on the listener and to the upstream: the names are checked, a wrong one is refused before a
// byte of the request is sent.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { test } from 'node:test'
import { selfSigned } from './certificates.mjs'
import { atEnd, startHoldfast } from './rig.mjs'

function startTls(t, { key, cert }) {
  const seen = []
  const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) },
    (request, answer) => {
      seen.push({ url: request.url, host: request.headers.host,
        sni: request.socket.servername })
      answer.end('over tls')
    })
  atEnd(t, () => { server.closeAllConnections(); server.close() })
  return new Promise(resolve => server.listen(0, '127.0.0.1', () =>
    resolve({ port: server.address().port, seen })))
}

const get = (url, ca) => new Promise((resolve, reject) =>
  https.get(url, { ca: readFileSync(ca), agent: false }, async answer => {
    let text = ''
    for await (const piece of answer) text += piece
    resolve({ status: answer.statusCode, headers: answer.headers, text })
  }).on('error', reject))

const config = (url, ca, own) => `
tls: { certificate: "${own.cert}", key: "${own.key}" }
upstreams:
  back: { url: "${url}", ca_file: "${ca}" }
routes:
  - { path: /, upstream: back }
`

test('TLS on both sides', async t => {
  const own = selfSigned(t, 'localhost')
  const theirs = selfSigned(t, 'localhost')
  const upstream = await startTls(t, theirs)
  const proxy = await startHoldfast(t,
    config(`https://localhost:${upstream.port}`, theirs.cert, own))
  assert.match(proxy.url, /^https:/)
  const answer = await get(`${proxy.url}/hello`, own.cert)
  assert.equal(answer.status, 200)
  assert.equal(answer.text, 'over tls')
  assert.deepEqual(upstream.seen,
    [{ url: '/hello', host: `localhost:${upstream.port}`, sni: 'localhost' }])
})

test('an upstream with another name, or an unknown issuer, gets nothing', async t => {
  const own = selfSigned(t, 'localhost')
  const stranger = selfSigned(t, 'stranger.test')
  const upstream = await startTls(t, selfSigned(t, 'localhost'))
  const wrong = await startTls(t, stranger)
  for (const [url, ca] of [[`https://localhost:${upstream.port}`, own.cert],
    [`https://localhost:${wrong.port}`, stranger.cert]]) {
    const proxy = await startHoldfast(t, config(url, ca, own))
    const answer = await get(`${proxy.url}/hello`, own.cert)
    assert.equal(answer.status, 502, answer.text)
    assert.equal(JSON.parse(answer.text).error.code, 'unreachable')
    assert.equal(answer.headers['holdfast-effect'], 'none')
    assert.match(answer.headers['proxy-status'], /tls/)
  }
  assert.deepEqual([...upstream.seen, ...wrong.seen], [])
})
