// The live display: one line a column, drawn in place on a terminal; elsewhere a line a second.
const BAR = 24
const PERIOD_MS = { terminal: 100, plain: 1000 }

const terminal = process.stdout.isTTY && process.env.TERM !== 'dumb'

// state: { done, total, paid, failed, down, note }, read whenever a line is drawn.
export function show(name, state) {
  const begun = performance.now()
  const line = () => {
    const filled = Math.round(BAR * state.done / state.total)
    const seconds = Math.round((performance.now() - begun) / 1000)
    return `  ${name.padEnd(17)} ${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}`
      + ` ${String(state.done).padStart(4)}/${state.total}  paid ${String(state.paid).padStart(3)}`
      + `  failed pages ${String(state.failed).padStart(3)}  ${String(seconds).padStart(3)} s`
      + `  ${state.down ? 'OUTAGE' : state.note}`
  }
  return live(line)
}

// Draws what line() returns again and again, until end().
export function live(line) {
  const draw = () => process.stdout.write(terminal ? `\r\x1b[K${line()}` : `${line()}\n`)
  const timer = setInterval(draw, terminal ? PERIOD_MS.terminal : PERIOD_MS.plain)
  return {
    end() {
      clearInterval(timer)
      draw()
      if (terminal) process.stdout.write('\n')
    },
  }
}

export const quiet = { end() {} }

// Lines with a rule around them and a title in it.
export function frame(title, lines) {
  const rule = length => '─'.repeat(Math.max(0, length))
  const inner = lines.map(line => `│ ${line}`.trimEnd())
  return [`┌─ ${title} ${rule(74 - title.length)}`, ...inner, `└${rule(77)}`, '']
    .join('\n')
}

// rows: [what, straight, through, meaning]
export function table(head, rows) {
  return [head, ...rows].map(([what, a, b, meaning = '']) =>
    `  ${what.padEnd(15)}${String(a).padStart(9)}${String(b).padStart(19)}   ${meaning}`.trimEnd())
    .join('\n')
}

// rows of a name and cells, each column as wide as the others.
export const grid = rows => rows.map(([name, ...cells]) =>
  `  ${name.padEnd(15)}${cells.map(cell => String(cell).padStart(10)).join('')}`.trimEnd())
  .join('\n')

export function columns(straight, through) {
  const seconds = ms => `${(ms / 1000).toFixed(1)} s`
  return table(['', 'straight', 'through Holdfast'], [
    ['orders', straight.orders, through.orders],
    ['charged twice', straight.charged_twice, through.charged_twice],
    ['lost', straight.lost, through.lost,
      'charged and never told so, or told so and not charged'],
    ['told wrongly', straight.told_wrongly, through.told_wrongly,
      'pages: "you have not been charged", and it was not so'],
    ['failed pages', straight.failed_pages, through.failed_pages],
    ['p99', seconds(straight.p99_ms), seconds(through.p99_ms), 'of the page after "Pay"'],
    ['mails missing', straight.mails_missing, through.mails_missing],
    ['mails twice', straight.mails_twice, through.mails_twice],
  ])
}
