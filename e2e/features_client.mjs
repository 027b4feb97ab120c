// A web page's OpenFeature SDK, in a process of its own: Node has EventSource behind a switch. Told
// the base URL; writes each value that it sees, and ends with its parent.
import { createRequire } from 'node:module'

const require = createRequire(new URL('./node/package.json', import.meta.url))
const { OFREPWebProvider } = require('@openfeature/ofrep-web-provider')
const { OpenFeature, ProviderEvents } = require('@openfeature/web-sdk')

const client = OpenFeature.getClient()
const show = () => console.log(JSON.stringify({
  recommendations: client.getBooleanValue('recommendations', true),
  search: client.getStringValue('search', 'none'),
}))
client.addHandler(ProviderEvents.ConfigurationChanged, show)
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: process.argv[2] }))
show()
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
