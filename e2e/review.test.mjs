// `holdfast review` from outside: exit codes, JSON, SARIF; and its stories, made to happen.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { call, command, folder, readText, startHoldfast, until } from './rig.mjs'
import { startUpstream } from './upstream.mjs'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const KEY = '{ required: true, from: [ { header: Idempotency-Key } ] }'

function write(t, text, name = 'holdfast.yaml') {
  const file = join(folder(t), name)
  writeFileSync(file, text)
  return file
}

const config = ({ route = '', top = '' } = {}) => `journal: { path: /var/lib/holdfast }
${top}
upstreams: { up: { url: "https://up.example" } }
routes:
  - path: /pay
    upstream: up
${route}
`

const review = (t, file, ...args) => command(t, ['review', '-c', file, ...args])

test('exit codes say what CI asks', async t => {
  const doubles = write(t, config())
  const warns = write(t, config({ route: `    key: ${KEY}` }))
  const accepted = write(t, config({
    route: '    review: { accept: { repeat-doubles: "two of them do no harm" } }' }))
  const cases = [
    [doubles, [], 1],
    [doubles, ['--fail-on', 'never'], 0],
    [doubles, ['--skip', 'repeat-doubles'], 0],
    [doubles, ['--only', 'key-optional'], 0],
    [warns, [], 0],
    [warns, ['--fail-on', 'warning'], 1],
    [warns, ['--fail-on', 'note', '--only', 'fresh-key'], 1],
    [accepted, [], 0],
    [accepted, ['--fail-on', 'note', '--only', 'repeat-doubles'], 0],
    [doubles, ['--fail-on', 'sometimes'], 2],
    [doubles, ['--only', 'repeat-double'], 2],
    [doubles, ['--json', '--sarif'], 2],
    [`${doubles}.none`, [], 2],
    [write(t, 'routes: []\n'), [], 2],
  ]
  for (const [file, args, code] of cases) {
    const done = await review(t, file, ...args)
    assert.equal(done.code, code, `${args}: ${done.out}${done.err}`)
    if (code === 2) assert.notEqual(done.err, '')
  }
  const misspelt = await review(t, doubles, '--skip', 'repeat-double')
  assert.match(misspelt.err, /no rule `repeat-double`; did you mean `repeat-doubles`\?/)
  const bad = await review(t, write(t, 'upstreams: { up: { url: x } }\nroutes: []\n'))
  assert.match(bad.err, /:1:\d+: error: upstreams\.up\.url/)
})

test('the text has the questions, the story and the line that would change it', async t => {
  const file = write(t, config())
  const { out } = await review(t, file)
  assert.match(out, /^POST \/pay -> up/)
  for (const question of ['Are retries safe here\\?', 'only the answer is lost\\?',
    'survive a restart\\?', 'told when it runs out\\?', 'ten times the traffic\\?',
    'journal is full\\?']) {
    assert.match(out, new RegExp(`^  (yes|partly|no) +.*${question}$`, 'm'))
  }
  assert.match(out, /^error repeat-doubles {2}.*holdfast\.yaml:5 {2}POST \/pay$/m)
  assert.match(out, /^ +1\. The client sends POST \/pay\.$/m)
  assert.match(out, /The upstream has done it twice\./)
  assert.match(out, /Change .*holdfast\.yaml:5:\n? +key: \{ required: true/)
  assert.doesNotMatch(out, /\u001b/, 'no colours where nobody looks')
  for (const line of out.split('\n')) assert.ok(line.length <= 80 || !line.includes(' '), line)
})

test('--json has all of it', async t => {
  const file = write(t, config({ route: '    review: { accept: { repeat-doubles: why } }' }))
  const done = await review(t, file, '--json', '--fail-on', 'note')
  const report = JSON.parse(done.out)
  assert.equal(report.version, 1)
  assert.equal(report.file, file)
  assert.equal(report.fail_on, 'note')
  assert.equal(report.failed, done.code === 1)
  assert.deepEqual(report.routes.map(route => route.route), ['POST /pay'])
  assert.deepEqual(report.routes[0].answers.map(answer => answer.question),
    ['retries', 'answer-lost', 'restart', 'told', 'traffic', 'journal-full'])
  const count = Object.values(report.counts).reduce((sum, n) => sum + n, 0)
  assert.equal(count, report.findings.length)
  assert.equal(report.accepted[0].rule, 'repeat-doubles')
  assert.equal(report.accepted[0].accepted, 'why')
  assert.equal(report.accepted[0].place.path, 'routes[0].key.from')
  assert.ok(report.accepted[0].story.length > 3)
})

// What SARIF 2.1.0 requires (sections 3.13 to 3.52), and what GitHub's code scanning asks beyond.
function checkSarif(log) {
  const levels = ['none', 'note', 'warning', 'error']
  const text = (value, what) => {
    assert.equal(typeof value, 'string', what)
    assert.notEqual(value.trim(), '', what)
  }
  assert.equal(log.version, '2.1.0')
  assert.ok(URL.canParse(log.$schema))
  assert.equal(log.runs.length, 1)
  const [run] = log.runs
  const { driver } = run.tool
  text(driver.name, 'driver.name')
  assert.match(driver.semanticVersion, /^\d+\.\d+\.\d+$/)
  const ids = driver.rules.map(rule => rule.id)
  assert.equal(new Set(ids).size, ids.length, 'ids are unique')
  for (const rule of driver.rules) {
    text(rule.id, 'rule.id')
    assert.match(rule.name, /^[A-Z][A-Za-z]*$/)
    for (const part of ['shortDescription', 'fullDescription', 'help']) {
      text(rule[part].text, `${rule.id}.${part}`)
      assert.ok(rule[part].text.length <= 1024, `${rule.id}.${part}`)
    }
    text(rule.help.markdown, 'help.markdown')
    assert.ok(levels.includes(rule.defaultConfiguration.level))
    assert.ok(rule.properties.tags.length <= 10)
    assert.ok(['error', 'warning', 'recommendation'].includes(rule.properties['problem.severity']))
    assert.ok(['very-high', 'high', 'medium', 'low'].includes(rule.properties.precision))
  }
  for (const result of run.results) {
    assert.equal(ids[result.ruleIndex], result.ruleId)
    assert.ok(levels.includes(result.level))
    text(result.message.text, 'message.text')
    assert.ok(result.locations.length >= 1 && result.locations.length <= 10)
    const { artifactLocation, region } = result.locations[0].physicalLocation
    assert.match(artifactLocation.uri, /^[A-Za-z0-9/._~%:-]+$/, 'a URI reference')
    const absolute = artifactLocation.uri.startsWith('file:///')
    assert.equal(artifactLocation.uriBaseId, absolute ? undefined : '%SRCROOT%')
    for (const member of ['startLine', 'startColumn', 'endLine', 'endColumn']) {
      assert.ok(Number.isInteger(region[member]) && region[member] >= 1, member)
    }
    for (const [name, value] of Object.entries(result.partialFingerprints)) {
      text(name, 'fingerprint')
      text(value, 'fingerprint')
    }
  }
  return run.results
}

test('--sarif is what code scanning takes', async t => {
  const place = folder(t)
  mkdirSync(join(place, 'a folder'))
  const text = config({ route: '    owner: anyone\n    retry: { budget: 90% }' })
  const file = join(place, 'a folder', 'höld.yaml')
  writeFileSync(file, text)
  const done = await review(t, file, '--sarif')
  assert.equal(done.code, 1, done.err)
  const results = checkSarif(JSON.parse(done.out))
  const found = results.find(result => result.ruleId === 'repeat-doubles')
  assert.match(found.locations[0].physicalLocation.artifactLocation.uri,
    /^file:\/\/\/.*a%20folder\/h%C3%B6ld\.yaml$/)
  assert.match(found.message.text, /\n1\. The client sends POST \/pay\.\n2\. /)
  assert.equal(found.locations[0].logicalLocations[0].fullyQualifiedName, 'routes[0].key.from')
  assert.equal(text.split('\n')[found.locations[0].physicalLocation.region.startLine - 1],
    '  - path: /pay')

  // The same finding some lines further down is the same alert, and an accepted one is none.
  writeFileSync(file, `# one more line\n${text}`)
  const again = checkSarif(JSON.parse((await review(t, file, '--sarif')).out))
  const prints = all => all.map(one => one.partialFingerprints['holdfastReview/v1'])
  assert.deepEqual(prints(again), prints(results))
  writeFileSync(file, `review: { accept: { repeat-doubles: why } }\n${text}`)
  const fewer = checkSarif(JSON.parse((await review(t, file, '--sarif')).out))
  assert.ok(!fewer.some(result => result.ruleId === 'repeat-doubles'))
  assert.equal(new Set(prints(results)).size, results.length)
})

const flat = text => text.replace(/\s+/g, ' ').trim()

// The pieces of an example in the documentation, between the dots that stand for what is left out.
function piecesOf(example) {
  const lines = example.split('\n').filter(line => !/^\$|^ {4}--/.test(line))
  return lines.join('\n').split(/^ *\.\.\.$/m).map(flat).filter(Boolean)
}

test('the documentation shows what the commands print', async t => {
  const [ofReview, ofPolicy] = readText(join(ROOT, 'docs/review.md')).split('```')
    .filter(block => block.startsWith('\n$ holdfast'))
  const shop = write(t, readText(join(ROOT, 'examples/holdfast.yaml')))
  const reviewed = await command(t, ['review', '-c', 'holdfast.yaml'], { cwd: dirname(shop) })
  const readme = readText(join(ROOT, 'README.md')).match(/<<'YAML'\n([^]*?)\n    YAML/)[1]
  const charges = write(t, readme.replace(/^ {4}/gm, ''))
  const body = write(t, 'amount=4200&metadata[order]=order-1', 'charge.form')
  const told = await command(t, ['policy', 'POST', '/v1/charges', '--body', body,
    '--header', 'Content-Type: application/x-www-form-urlencoded'], { cwd: dirname(charges) })
  for (const [example, { out }] of [[ofReview, reviewed], [ofPolicy, told]]) {
    const pieces = piecesOf(example)
    assert.ok(pieces.length > 1)
    for (const piece of pieces) assert.ok(flat(out).includes(piece), `${piece}\n\n${out}`)
  }
})

test('without -c it reads holdfast.yaml where it is started', async t => {
  const file = write(t, config())
  const there = await command(t, ['review', '--fail-on', 'never'], { cwd: dirname(file) })
  assert.equal(there.code, 0, there.err)
  assert.match(there.out, /^error repeat-doubles  holdfast\.yaml:5 /m)
  const elsewhere = await command(t, ['review', '--fail-on', 'never'], { cwd: folder(t) })
  assert.equal(elsewhere.code, 2)
  assert.match(elsewhere.err, /^holdfast\.yaml: error: cannot be read/)
})

const shop = (url, key = '') => `upstreams: { up: { url: "${url}" } }
routes:
  - path: /pay
    upstream: up
${key}
`
const send = (base, headers = {}) => call(`${base}/pay`, { method: 'POST', body: '{"order":"7"}',
  headers: { 'content-type': 'application/json', ...headers } })

// The story of repeat-doubles: sent, applied, the answer lost, asked again.
test('what it warns of happens, and does not after the change it names', async t => {
  const rules = async config => {
    const done = await review(t, write(t, config), '--json', '--fail-on', 'never')
    return JSON.parse(done.out).findings.map(finding => finding.rule)
  }
  const once = () => ({ seen }) => (seen === 1 ? 'reset_after' : undefined)

  const bare = await startUpstream(t, { keys: false, fault: once() })
  assert.ok((await rules(shop(bare.url))).includes('repeat-doubles'))
  const first = await startHoldfast(t, shop(bare.url))
  assert.equal((await send(first.url)).json.effect, 'unknown')
  assert.equal((await send(first.url)).status, 200)
  assert.equal(bare.effects.length, 2, 'done twice, as foretold')

  const keyed = await startUpstream(t, { keys: false, fault: once() })
  const changed = shop(keyed.url, `    key: ${KEY}`)
  assert.ok(!(await rules(changed)).includes('repeat-doubles'))
  assert.ok((await rules(changed)).includes('doubt-needs-person'))
  const second = await startHoldfast(t, changed)
  const key = { 'idempotency-key': 'order-7' }
  assert.equal((await send(second.url)).json.error.code, 'key-missing')
  assert.equal((await send(second.url, key)).json.effect, 'unknown')
  assert.equal((await send(second.url, key)).json.error.code, 'outcome-unknown')
  assert.equal(keyed.effects.length, 1)
})

// The story of limit-final: a 429 that nobody declared is an answer, and answers are kept.
test('a limit that is kept as an answer is kept', async t => {
  let well = false
  const upstream = await startUpstream(t, { keys: false,
    fault: () => (well ? undefined : { status: 429, fields: { 'retry-after': '1' } }) })
  const text = refused => `upstreams:
  up: { url: "${upstream.url}", idempotency: { mode: none, refused: ${refused} } }
routes: [ { path: /pay, upstream: up, key: ${KEY}, wait: 2s } ]
`
  const found = await review(t, write(t, text('[421]')), '--json', '--fail-on', 'never')
  assert.ok(JSON.parse(found.out).findings.some(finding => finding.rule === 'limit-final'))
  const proxy = await startHoldfast(t, text('[421]'))
  const key = { 'idempotency-key': 'order-7' }
  assert.equal((await send(proxy.url, key)).status, 429)
  well = true
  const again = await send(proxy.url, key)
  assert.equal(again.status, 429)
  assert.equal(again.headers['idempotent-replayed'], 'true')
  assert.equal(upstream.effects.length, 0)

  const mended = await startHoldfast(t, text('[421, 429]'))
  well = false
  assert.equal((await send(mended.url, { 'idempotency-key': 'order-8' })).status, 429)
  well = true
  const answer = await until('the pause is over', async () => {
    const one = await send(mended.url, { 'idempotency-key': 'order-8' })
    return one.status === 200 && one
  })
  assert.equal(answer.status, 200)
})
