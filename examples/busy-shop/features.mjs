// Optional parts of the shop, as any application asks for them: by an OpenFeature SDK. Without a
// provider, or while it cannot be asked, everything is on.
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OpenFeature } from '@openfeature/server-sdk'

const AGAIN_MS = 200

// Returns isOn(name). A value counts for AGAIN_MS, so that no page waits for one.
export async function features(base) {
  if (base) await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: base }))
  const client = OpenFeature.getClient()
  const known = new Map()
  return function isOn(name) {
    const now = performance.now()
    const seen = known.get(name) ?? { value: true, asked: -Infinity }
    known.set(name, seen)
    if (now - seen.asked >= AGAIN_MS) {
      seen.asked = now
      client.getBooleanValue(name, true).then(value => { seen.value = value })
    }
    return seen.value
  }
}
