// LLM answers stream through a pass-through route as they come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHoldfast, startSandbox } from './rig.mjs'
import { Anthropic, OpenAI } from './sdks.mjs'

const config = url => `
upstreams:
  openai: { url: "${url}", preset: openai }
  anthropic: { url: "${url}", preset: anthropic }
routes:
  - { path: /v1/chat/, upstream: openai }
  - { path: /v1/messages, upstream: anthropic }
`
const messages = [{ role: 'user', content: 'hello' }]

const clients = {
  async* openai(url) {
    const client = new OpenAI({ apiKey: 'sk', baseURL: `${url}/v1`, maxRetries: 0 })
    const stream = await client.chat.completions.create({ model: 'm', stream: true, messages })
    for await (const part of stream) yield part.choices[0]?.delta?.content ?? ''
  },
  async* anthropic(url) {
    const client = new Anthropic({ apiKey: 'sk', baseURL: url, maxRetries: 0 })
    const stream = await client.messages.create({ model: 'm', max_tokens: 10, stream: true,
      messages })
    for await (const part of stream) yield part.delta?.text ?? ''
  },
}

for (const [name, streamed] of Object.entries(clients)) {
  test(`${name} gets a stream in pieces, as they come`, async t => {
    const sandbox = await startSandbox(t)
    await sandbox.ask('/_faults', { llm_chunk_delay_ms: 200 })
    const proxy = await startHoldfast(t, config(sandbox.url))
    const read = async url => {
      const arrivals = []
      let text = ''
      for await (const piece of streamed(url)) {
        text += piece
        if (piece) arrivals.push(performance.now())
      }
      return { text, spread: arrivals.at(-1) - arrivals[0], pieces: arrivals.length }
    }
    const straight = await read(sandbox.url)
    const through = await read(proxy.url)
    assert.equal(through.text.length, straight.text.length)
    assert.equal(through.pieces, straight.pieces)
    // Collected and sent at once, the pieces would arrive within a few milliseconds.
    assert.ok(through.spread > 0.5 * straight.spread,
      `came within ${through.spread} ms, straight ${straight.spread} ms`)
  })
}

test('whole answers of both pass', async t => {
  const sandbox = await startSandbox(t)
  const proxy = await startHoldfast(t, config(sandbox.url))
  const openai = new OpenAI({ apiKey: 'sk', baseURL: `${proxy.url}/v1`, maxRetries: 0 })
  const chat = await openai.chat.completions.create({ model: 'm', messages })
  assert.equal(typeof chat.choices[0].message.content, 'string')
  const anthropic = new Anthropic({ apiKey: 'sk', baseURL: proxy.url, maxRetries: 0 })
  const message = await anthropic.messages.create({ model: 'm', max_tokens: 10, messages })
  assert.equal(message.content[0].type, 'text')
})

test('an LLM call whose answer was lost is repeated', async t => {
  const sandbox = await startSandbox(t)
  const proxy = await startHoldfast(t, config(sandbox.url))
  await sandbox.ask('/_faults', { next: ['reset_after'] })
  const openai = new OpenAI({ apiKey: 'sk', baseURL: `${proxy.url}/v1`, maxRetries: 0 })
  const chat = await openai.chat.completions.create({ model: 'm', messages })
  assert.equal(typeof chat.choices[0].message.content, 'string')
  assert.equal((await sandbox.ask('/_ledger?counts=only')).counts.requests, 2)
})
