// The providers of the presets, as an OpenAPI description of ours: the few operations that the
// tests use, reduced by hand from the providers' reference pages. What does not fit it is refused
// as they refuse it, so a request that Holdfast would spoil on its way is found.
import { createRequire } from 'node:module'

const require = createRequire(new URL('./node/package.json', import.meta.url))
const { OpenAPIBackend } = require('openapi-backend')

const text = { type: 'string', minLength: 1 }
const object = (required, properties) => ({ type: 'object', required, properties })
const address = object(['email'], { email: text, name: { type: 'string' } })

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

const operation = (operationId, type, schema, status, example) => ({
  post: {
    operationId,
    requestBody: { required: true, content: { [type]: { schema } } },
    responses: { [status]: { description: 'done',
      ...(example && { content: { [JSON_TYPE]: { example } } }) } },
  },
})

const paths = {
  '/api/chat.postMessage': operation('slack', FORM_TYPE,
    object(['channel', 'text'], { channel: text, text }), 200,
    { ok: true, channel: 'C123456', ts: '1503435956.000247', message: { type: 'message' } }),
  '/v3/mail/send': operation('sendgrid', JSON_TYPE,
    object(['personalizations', 'from', 'subject', 'content'], {
      from: address, subject: text,
      personalizations: { type: 'array', minItems: 1,
        items: object(['to'], { to: { type: 'array', minItems: 1, items: address } }) },
      content: { type: 'array', minItems: 1, items: object(['type', 'value'],
        { type: text, value: text }) },
    }), 202),
  '/repos/{owner}/{repo}/issues': {
    ...operation('github', JSON_TYPE, object(['title'], { title: text }), 201,
      { id: 1, number: 1347, title: 'one', state: 'open' }),
    parameters: ['owner', 'repo'].map(name =>
      ({ name, in: 'path', required: true, schema: { type: 'string' } })),
  },
  '/2010-04-01/Accounts/{sid}/Messages.json': {
    ...operation('twilio', FORM_TYPE, object(['To', 'From', 'Body'],
      { To: text, From: text, Body: text }), 201, { sid: 'SM1', status: 'queued' }),
    parameters: [{ name: 'sid', in: 'path', required: true, schema: { type: 'string' } }],
  },
  '/v1/chat/completions': operation('openai', JSON_TYPE, object(['model', 'messages'],
    { model: text, messages: { type: 'array' } }), 200,
  { id: 'chatcmpl-1', object: 'chat.completion', model: 'm',
    choices: [{ index: 0, finish_reason: 'stop',
      message: { role: 'assistant', content: 'yes' } }] }),
  '/v1/messages': operation('anthropic', JSON_TYPE,
    object(['model', 'max_tokens', 'messages'],
      { model: text, max_tokens: { type: 'integer' }, messages: { type: 'array' } }), 200,
    { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_reason: 'end_turn',
      content: [{ type: 'text', text: 'yes' }] }),
  '/orders': operation('orders', JSON_TYPE, object(['order'], { order: text }), 201,
    { made: true }),
}

// A provider for startUpstream: (call, headers) => { status, body, fields, effect }.
export async function described() {
  const api = new OpenAPIBackend({ quick: true,
    definition: { openapi: '3.0.3', info: { title: 'providers', version: '1' }, paths },
    handlers: {
      notFound: () => ({ status: 404, body: { message: 'no such operation' } }),
      methodNotAllowed: () => ({ status: 405, body: {} }),
      validationFail: context => ({ status: 422, body: { message: context.validation.errors } }),
      notImplemented(context) {
        const { status, mock } = context.api.mockResponseForOperation(context.operation.operationId)
        return { status, body: mock ?? '', effect: true }
      },
    },
  })
  await api.init()
  return async ({ method, path, body }, headers) => {
    const form = headers['content-type']?.startsWith(FORM_TYPE)
    return api.handleRequest({ method, path, headers,
      body: form ? Object.fromEntries(new URLSearchParams(body)) : body })
  }
}
