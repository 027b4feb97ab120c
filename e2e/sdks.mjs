// The SDKs, from node/ beside this file.
import { createRequire } from 'node:module'

const require = createRequire(new URL('./node/package.json', import.meta.url))

export const Stripe = require('stripe')
export const { default: OpenAI } = require('openai')
export const { default: Anthropic } = require('@anthropic-ai/sdk')
