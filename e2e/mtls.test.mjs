// A client certificate towards an upstream: shown, changed without a restart, refused without
// doubt.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { authority, selfSigned } from './certificates.mjs'
import { atEnd, call, command, folder, logOf, postJson, startHoldfast, until } from './rig.mjs'

// Node's own server, which asks for certificates of `ca`: { port, seen: the names it was shown }.
async function startBank(t, ca) {
  const own = ca.issue('bank.test')
  const seen = []
  const server = https.createServer({ key: readFileSync(own.key), cert: readFileSync(own.cert),
    ca: readFileSync(ca.cert), requestCert: true, rejectUnauthorized: true },
  (request, answer) => {
    seen.push(request.socket.getPeerCertificate().subject?.CN)
    request.resume().on('end', () => answer.end('paid'))
  })
  atEnd(t, () => { server.closeAllConnections(); server.close() })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { port: server.address().port, seen }
}

// OpenSSL's server, which ends a handshake without a good certificate by an alert.
async function startStrict(t, ca) {
  const own = ca.issue('bank.test')
  const child = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', '-cert', own.cert, '-key',
    own.key, '-CAfile', ca.cert, '-Verify', '2', '-verify_return_error', '-www'],
  { stdio: ['pipe', 'pipe', 'pipe'] })
  atEnd(t, () => { child.kill() })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', text => { out += text })
  child.stderr.setEncoding('utf8').on('data', text => { out += text })
  const [, port] = await until('its port', () => out.match(/ACCEPT 127\.0\.0\.1:(\d+)/))
  return { port: Number(port), said: () => out }
}

// Copies of a pair under names that stay; `show` puts another pair in their place.
function place(t, pair) {
  const dir = folder(t)
  const [certificate, key] = [join(dir, 'client.pem'), join(dir, 'client.key')]
  const put = (from, to) => {
    copyFileSync(from, `${to}.new`)
    renameSync(`${to}.new`, to)
  }
  const show = other => { put(other.key, key); put(other.cert, certificate) }
  show(pair)
  return { certificate, key, show, put }
}

const config = (port, ca, files, more = '') => `
upstreams:
  bank:
    url: https://127.0.0.1:${port}
    breaker: { open: 200ms }
    tls:
      ca: "${ca.cert}"
      server_name: bank.test
      certificate: "${files.certificate}"
      key: "${files.key}"
${more}
routes:
  - { path: /, upstream: bank, retry: { live: { attempts: 1 } } }
`
const pay = proxy => postJson(`${proxy.url}/pay`, { order: 1 })
const expiry = async proxy => {
  const { text } = await call(`${proxy.health}/metrics`)
  const [, at] = text.match(/^holdfast_upstream_certificate_expires\S+{upstream="bank"} (\d+)$/m)
  return Number(at)
}

test('the certificate is shown, and another one once its files are there', async t => {
  const ca = authority(t)
  const bank = await startBank(t, ca)
  const files = place(t, ca.issue('first', { days: 30, passphrase: 'open sesame' }))
  const proxy = await startHoldfast(t, config(bank.port, ca, files,
    '      passphrase: "${env:BANK_KEY}"'), { health: true, env: { BANK_KEY: 'open sesame' } })
  assert.equal((await pay(proxy)).text, 'paid')
  const before = await expiry(proxy)
  assert.ok(Math.abs(before - Date.now() / 1000 - 30 * 86400) < 600, `${before}`)

  files.show(ca.issue('second', { days: 60, passphrase: 'open sesame' }))
  await until('the second one', async () => {
    assert.equal((await pay(proxy)).text, 'paid')
    return bank.seen.at(-1) === 'second'
  })
  assert.ok(await expiry(proxy) > before)
  await until('a line about it', () => /tls_files_read/.test(logOf(proxy)))
  assert.ok(!logOf(proxy).includes('open sesame'))
  assert.deepEqual([...new Set(bank.seen)], ['first', 'second'])
})

test('half of a change is no change', async t => {
  const ca = authority(t)
  const bank = await startBank(t, ca)
  const files = place(t, ca.issue('first'))
  const proxy = await startHoldfast(t, config(bank.port, ca, files))
  assert.equal((await pay(proxy)).text, 'paid')
  const second = ca.issue('second')
  files.put(second.cert, files.certificate)
  await until('a line about it', async () => {
    assert.equal((await pay(proxy)).status, 200)
    return /tls_files_unusable.*does not belong to certificate/.test(logOf(proxy))
  })
  assert.equal(bank.seen.at(-1), 'first')
  files.put(second.key, files.key)
  await until('the second one', async () => {
    assert.equal((await pay(proxy)).status, 200)
    return bank.seen.at(-1) === 'second'
  })
})

// The upstream says so only once the handshake is over for us (TLS 1.3): a request that were
// written by then would be lost, and in doubt.
test('a certificate that has run out is refused without doubt, until there is another', async t => {
  const ca = authority(t)
  const bank = await startStrict(t, ca)
  const files = place(t, ca.issue('old', { days: -1 }))
  const proxy = await startHoldfast(t, config(bank.port, ca, files))
  assert.match(logOf(proxy), /certificate_expires.*CN=old was good until/)
  for (let i = 0; i < 3; i++) {
    const answer = await pay(proxy)
    assert.equal(answer.status, 502, answer.text)
    assert.equal(answer.headers['holdfast-effect'], 'none')
    assert.match(answer.headers['proxy-status'], /tls_protocol_error/)
  }
  await until('a line about it', () => /alert certificate expired/.test(logOf(proxy)))
  files.show(ca.issue('new'))
  await until('an answer', async () => (await call(proxy.url)).status === 200)
  files.show(authority(t, 'Stranger').issue('stranger'))
  await until('a refusal', async () => {
    const answer = await call(proxy.url)
    if (answer.status === 200) return false
    assert.equal(answer.headers['holdfast-effect'], 'none', answer.text)
    return true
  })
})

test('what cannot be used stops the start, and check says the same', async t => {
  const ca = authority(t)
  const good = ca.issue('good')
  const soon = ca.issue('soon', { days: 5 })
  const locked = ca.issue('locked', { passphrase: 'open sesame' })
  const dir = folder(t)
  const check = async (files, more = '') => {
    const file = join(dir, 'holdfast.yaml')
    writeFileSync(file, config(1, ca, files, more))
    const { code, out, err } = await command(t, ['check', '-c', file])
    const served = code === 0 ? null : await command(t, ['serve', '-c', file])
    return { code, out, err, served }
  }
  const fine = await check({ certificate: good.cert, key: good.key })
  assert.equal(fine.code, 0, fine.err)
  assert.equal(fine.err, '')

  const mixed = await check({ certificate: good.cert, key: soon.key })
  assert.equal(mixed.code, 1)
  assert.match(mixed.err, /yaml:6:5: error: upstreams\.bank\.tls: key \S+ does not belong/)
  assert.match(mixed.err, /\[tls-files\]/)
  assert.equal(mixed.served.code, 1)
  assert.match(mixed.served.err, /upstreams\.bank\.tls: key \S+ does not belong to certificate/)

  const near = await check({ certificate: soon.cert, key: soon.key })
  assert.equal(near.code, 0)
  assert.match(near.err, /warning: .*CN=soon is good only until \d{4}-.*\[tls-expires\]/)

  const shut = await check({ certificate: locked.cert, key: locked.key })
  assert.match(shut.err, /is encrypted, and there is no `passphrase`/)
  const wrong = await check({ certificate: locked.cert, key: locked.key },
    '      passphrase: not-sesame')
  assert.match(wrong.err, /is not opened by its `passphrase`/)
  assert.ok(!(wrong.err + wrong.served.err).includes('not-sesame'))

  // On the machine of a colleague the files may be missing; where it is to run they must not be.
  const absent = await check({ certificate: '/nonexistent.pem', key: good.key })
  assert.equal(absent.code, 0)
  assert.match(absent.err, /warning: .*\/nonexistent\.pem: No such file.*\[tls-unreadable\]/)
  const served = await command(t, ['serve', '-c', join(dir, 'holdfast.yaml')])
  assert.equal(served.code, 1)
  assert.match(served.err, /\/nonexistent\.pem: No such file/)
})

test('only the named authority is trusted', async t => {
  const theirs = selfSigned(t, 'bank.test')
  const server = https.createServer({ key: readFileSync(theirs.key),
    cert: readFileSync(theirs.cert) }, (_, answer) => answer.end('hello'))
  atEnd(t, () => { server.closeAllConnections(); server.close() })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const get = async tls => {
    const proxy = await startHoldfast(t, `
upstreams:
  bank: { url: "https://127.0.0.1:${server.address().port}", tls: { ${tls} } }
routes: [ { path: /, upstream: bank, retry: { live: { attempts: 1 } } } ]`)
    const answer = await call(proxy.url)
    if (answer.status !== 200) {
      assert.equal(answer.headers['holdfast-effect'], 'none')
      await until('why', () => /certificate refused: /.test(logOf(proxy)))
    }
    said = logOf(proxy)
    return answer.status
  }
  let said = ''
  assert.equal(await get(`ca: "${theirs.cert}"`), 200)
  assert.equal(await get(`ca: "${theirs.cert}", server_name: bank.test`), 200)
  assert.equal(await get(`ca: "${theirs.cert}", server_name: other.test`), 502)
  assert.match(said, /hostname mismatch; expected is other\.test, vouched for by the authorities/)
  const stranger = authority(t).cert
  assert.equal(await get(`ca: "${stranger}"`), 502)
  assert.match(said, new RegExp('certificate refused: self-signed certificate; expected is '
    + `127.0.0.1, vouched for by the authorities in ${stranger}`))
  assert.equal(await get('min_version: 1.3'), 502)
  assert.match(said, /vouched for by the system's authorities/)
})

test('an authority that cannot be one is told by check, and stops the start', async t => {
  const ca = authority(t)
  const file = join(folder(t), 'holdfast.yaml')
  const broken = join(folder(t), 'broken.pem')
  const tell = async () => {
    writeFileSync(file, config(1, { cert: broken }, { certificate: own.cert, key: own.key }))
    const checked = await command(t, ['check', '-c', file])
    const served = await command(t, ['serve', '-c', file])
    assert.equal(served.code, 1)
    return { ...checked, served: served.err }
  }
  const own = ca.issue('own')
  for (const text of ['', 'no certificate\n', readFileSync(own.key, 'utf8'),
    readFileSync(ca.cert, 'utf8').replaceAll('MI', 'xx')]) {
    writeFileSync(broken, text)
    const { code, err, served } = await tell()
    assert.equal(code, 1, err)
    assert.match(err, /yaml:6:5: error: upstreams\.bank\.tls: ca \S+ holds no certificate in PEM/)
    assert.match(served, /upstreams\.bank\.tls: ca \S+ holds no certificate in PEM/)
  }
  rmSync(broken)
  const { code, err, served } = await tell()
  assert.equal(code, 0)
  assert.match(err, /warning: .*ca \S+: No such file.*\[tls-unreadable\]/)
  assert.match(served, /ca \S+: No such file/)
})
