// The SDKs of presets.test.mjs alone, from node/ beside this file: apart from sdks.mjs, since they
// take their time to load.
import { createRequire } from 'node:module'

const require = createRequire(new URL('./node/package.json', import.meta.url))

export const { WebClient: Slack, LogLevel: SlackLogLevel } = require('@slack/web-api')
export const { MailService: SendGrid } = require('@sendgrid/mail')
export const { Octokit } = require('@octokit/rest')
export const { SQSClient, SendMessageCommand } = require('@aws-sdk/client-sqs')
export const { SNSClient, PublishCommand } = require('@aws-sdk/client-sns')
export const twilio = require('twilio')
export const axios = require('axios')
export const { default: got } = require('got')
export const { createExpressApp: stripeMock } = require('stripe-stateful-mock')
