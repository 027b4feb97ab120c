// The clients that people have, each sending one order as its own documentation shows: through
// `base`, with a credential of its own for each order. Everything is the SDK's default but where a
// line says why not.
import { createServer } from 'node:http'
import { SECRET } from './aws.mjs'
import { atEnd, call } from './rig.mjs'
import { Octokit, PublishCommand, SendGrid, SendMessageCommand, Slack, SlackLogLevel, SNSClient,
  SQSClient, axios, got, stripeMock, twilio } from './provider_sdks.mjs'
import { Anthropic, OpenAI, Stripe } from './sdks.mjs'

// Everything that two orders must not share is made of the order's name.
const stripe = settings => async (base, order) => {
  const { hostname, port } = new URL(base)
  const client = new Stripe(`sk_test_${order}`, { host: hostname, port, protocol: 'http',
    telemetry: false, ...settings })
  return client.charges.create({ amount: 500, currency: 'eur', source: 'tok_visa',
    metadata: { order } })
}

// The signature covers Host. Holdfast sends the upstream's, so that is the one to be signed: with
// AWS itself, `sqs.eu-central-1.amazonaws.com`.
function aws(Client, base, order, signedHost) {
  const client = new Client({ endpoint: base, region: 'eu-central-1',
    credentials: { accessKeyId: `AKID${order}`, secretAccessKey: SECRET } })
  client.middlewareStack.add(next => args => {
    args.request.headers.host = signedHost
    return next(args)
  }, { step: 'build', priority: 'low' })
  return client
}
const sqs = fifo => (base, order, { host }) =>
  aws(SQSClient, base, order, host).send(new SendMessageCommand({
    QueueUrl: `http://${host}/1/queue`, MessageBody: order,
    ...(fifo && { MessageGroupId: 'g', MessageDeduplicationId: order }) }))
const sns = fifo => (base, order, { host }) =>
  aws(SNSClient, base, order, host).send(new PublishCommand({
    TopicArn: 'arn:aws:sns:eu-central-1:1:topic', Message: order,
    ...(fifo && { MessageGroupId: 'g', MessageDeduplicationId: order }) }))

const bearer = order => ({ authorization: `Bearer ${order}` })

export const clients = {
  stripe: stripe({}),
  'stripe without retries of its own': stripe({ maxNetworkRetries: 0 }),
  openai: (base, order) => new OpenAI({ apiKey: order, baseURL: `${base}/v1` })
    .chat.completions.create({ model: 'm', messages: [{ role: 'user', content: order }] }),
  anthropic: (base, order) => new Anthropic({ apiKey: order, baseURL: base })
    .messages.create({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content: order }] }),
  // By default it would try for half an hour; docs/presets.md has this setting.
  slack: (base, order) => new Slack(`xoxb-${order}`, { slackApiUrl: `${base}/api/`,
    logLevel: SlackLogLevel.ERROR, retryConfig: { retries: 2, minTimeout: 20, factor: 1 } })
    .chat.postMessage({ channel: 'C123456', text: order }),
  'sqs': sqs(false),
  'sqs, fifo': sqs(true),
  'sns': sns(false),
  'sns, fifo': sns(true),
  octokit: (base, order) => new Octokit({ baseUrl: base, auth: order,
    log: { debug() {}, info() {}, warn() {}, error() {} } })
    .rest.issues.create({ owner: 'o', repo: 'r', title: order }),
  sendgrid(base, order) {
    const mail = new SendGrid()
    mail.setApiKey(`SG.${order}`)
    mail.client.setDefaultRequest('baseUrl', base)
    return mail.send({ to: 'a@example.com', from: 'b@example.com', subject: order, text: order })
  },
  // It has no base URL: a client of one's own sends the request to another host.
  twilio(base, order) {
    const { RequestClient } = twilio
    class Through extends RequestClient {
      request(options) {
        const { pathname, search } = new URL(options.uri)
        return super.request({ ...options, uri: base + pathname + search })
      }
    }
    return twilio(`AC${order}`, 'token', { httpClient: new Through() })
      .messages.create({ to: '+491', from: '+492', body: order })
  },
  async axios(base, order) {
    return (await axios.post(`${base}/orders`, { order }, { headers: bearer(order) })).data
  },
  async fetch(base, order) {
    const answer = await fetch(`${base}/orders`, { method: 'POST', body: JSON.stringify({ order }),
      headers: { ...bearer(order), 'content-type': 'application/json' } })
    if (!answer.ok) throw Object.assign(new Error(await answer.text()), { response: answer })
    return answer.json()
  },
  got: (base, order) =>
    got.post(`${base}/orders`, { json: { order }, headers: bearer(order) }).json(),
}

// stripe-stateful-mock as a provider for startUpstream: it keeps charges and idempotency keys.
export async function stripeProvider(t) {
  const server = createServer(stripeMock())
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(t, () => { server.close(); server.closeAllConnections() })
  const url = `http://127.0.0.1:${server.address().port}`
  return async ({ method, path, body }, headers) => {
    const { host, connection, ...rest } = headers
    const answer = await call(url + path, { method, body, headers: rest })
    const replayed = answer.headers['idempotent-replayed'] === 'true'
    return { status: answer.status, body: answer.text, effect: answer.status < 300 && !replayed,
      fields: { 'content-type': 'application/json',
        ...(replayed && { 'idempotent-replayed': 'true' }) } }
  }
}
