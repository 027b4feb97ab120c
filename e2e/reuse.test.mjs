// Sparse posts without keys to upstreams that close idle connections: a post on a connection that
// just died is a call in doubt that nobody made. There must be none.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause, pay, startHoldfast } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const POSTS = 12
const CLOSES_MS = [200, 900, 1100, 5000]
const MARGINS_MS = [-40, -15, -5, 0, 1, 2, 5, 10, 20, 60, 150]

test('no false unknown at an upstream that closes idle connections', {
  concurrency: true,
}, async t => {
  // One that closes within the second and does not say so can always meet a post under way: no rule
  // of ours prevents that, and a busy machine shows it.
  const cases = CLOSES_MS.flatMap(idleClose => [false, true].map(hint => ({ idleClose, hint })))
    .filter(({ idleClose, hint }) => hint || idleClose > 1000)
  const upstreams = await Promise.all(cases.map(options => startUpstream(t, options)))
  const proxy = await startHoldfast(t, `
upstreams:
${upstreams.map((u, i) => `  u${i}: { url: "${u.url}" }`).join('\n')}
routes:
${upstreams.map((u, i) => `  - { path: /u${i}/, upstream: u${i} }`).join('\n')}
`)
  await Promise.all(cases.map(({ idleClose, hint }, i) => t.test(
    `closed after ${idleClose} ms, ${hint ? 'with' : 'without'} a hint`, async () => {
      // Few of the long ones: they are as slow as they sound.
      const posts = idleClose > 2000 ? 5 : POSTS
      for (let n = 0; n < posts; n++) {
        const answer = await pay(proxy.url, `o${n}`, { path: `/u${i}/x` })
        assert.equal(answer.status, 200, `post ${n}: ${answer.text}`)
        // sleep: the pause is the test; it ends around the moment at which the upstream closes
        await pause(idleClose + MARGINS_MS[n % MARGINS_MS.length])
      }
      assert.equal(upstreams[i].requests.length, posts)
      assert.equal(upstreams[i].effects.length, posts)
    })))
})

test('posts close together share a connection', async t => {
  const upstream = await startUpstream(t, { idleClose: 5000, hint: true })
  const proxy = await startHoldfast(t, `
upstreams: { up: { url: "${upstream.url}" } }
routes: [ { path: /, upstream: up } ]
`)
  for (let n = 0; n < 20; n++) assert.equal((await pay(proxy.url, `o${n}`)).status, 200)
  assert.ok(upstream.connections < 5, `${upstream.connections} connections for 20 posts`)
})
