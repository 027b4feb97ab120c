// Numbers by chance, and what lies within a share of numbers.

// Mulberry32: a function that gives numbers in [0, 1), the same for one seed, so that customers of
// one seed hesitate alike in both runs.
export function numbers(seed) {
  let state = seed >>> 0
  return () => {
    state = state + 0x6d2b79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, state | 1)
    t ^= t + Math.imul(t ^ t >>> 7, t | 61)
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32
  }
}

// What the share q of the values does not exceed, rounded; 0 of none.
export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0)
}
