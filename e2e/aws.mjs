// As much of SQS (JSON protocol) and SNS (query protocol) as sending a message takes: requests are
// signed (Signature Version 4, checked here with Node's own crypto), and a FIFO queue or topic
// knows a deduplication id for five minutes.
import { createHash, createHmac } from 'node:crypto'

export const SECRET = 'a-secret-of-a-test'
const DEDUPLICATION_MS = 300_000

const hash = (kind, text) => createHash(kind).update(text).digest('hex')
const mac = (key, text) => createHmac('sha256', key).update(text).digest()

// The signature as the "Signature Version 4 signing process" page builds it.
function signature({ method, path, body }, headers, scope, signed) {
  const [target, query = ''] = path.split('?')
  const canonical = [method, target, query.split('&').sort().join('&'),
    ...signed.map(name => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`), '',
    signed.join(';'), headers['x-amz-content-sha256'] ?? hash('sha256', body)].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope.join('/'),
    hash('sha256', canonical)].join('\n')
  const key = scope.reduce((above, part) => mac(above, part), `AWS4${SECRET}`)
  return mac(key, toSign).toString('hex')
}

function wellSigned(call, headers) {
  const found = /Credential=[^/]+\/([^,]+), *SignedHeaders=([^,]+), *Signature=(\w+)/
    .exec(headers.authorization ?? '')
  if (!found) return false
  const [, scope, signed, given] = found
  const body = headers['x-amz-content-sha256']
  if (body && body !== hash('sha256', call.body)) return false
  return signed.split(';').includes('host') &&
    signature(call, headers, scope.split('/'), signed.split(';')) === given
}

export const jsonError = (status, type) => ({ status,
  fields: { 'content-type': 'application/x-amz-json-1.0' },
  body: { __type: `com.amazonaws.sqs#${type}`, message: type } })
export const xmlError = (status, code) => ({ status, fields: { 'content-type': 'text/xml' },
  body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${code}</Message>`
    + '</Error><RequestId>1</RequestId></ErrorResponse>' })

// A provider for startUpstream: (call, headers) => { status, body, fields, effect }.
export function aws() {
  const sent = new Map()
  let count = 0
  // The message of this deduplication id, and whether it is a new one.
  const accept = id => {
    const known = id && sent.get(id)
    if (known && known.until > Date.now()) return { id: known.id, effect: false }
    const message = `0000-${++count}`
    if (id) sent.set(id, { id: message, until: Date.now() + DEDUPLICATION_MS })
    return { id: message, effect: true }
  }
  return async (call, headers) => {
    const json = headers['x-amz-target'] === 'AmazonSQS.SendMessage'
    if (!wellSigned(call, headers)) {
      return json ? jsonError(403, 'SignatureDoesNotMatch') : xmlError(403, 'SignatureDoesNotMatch')
    }
    if (json) {
      const asked = JSON.parse(call.body)
      const { id, effect } = accept(asked.MessageDeduplicationId)
      return { status: 200, effect, fields: { 'content-type': 'application/x-amz-json-1.0' },
        body: { MessageId: id, MD5OfMessageBody: hash('md5', asked.MessageBody) } }
    }
    const form = new URLSearchParams(call.body)
    if (form.get('Action') !== 'Publish') return xmlError(400, 'InvalidAction')
    const { id, effect } = accept(form.get('MessageDeduplicationId'))
    return { status: 200, effect, fields: { 'content-type': 'text/xml' },
      body: `<PublishResponse><PublishResult><MessageId>${id}</MessageId></PublishResult>`
        + '<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>' }
  }
}
