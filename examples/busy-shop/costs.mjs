// What each thing takes of a worker, in milliseconds, and what is asked for, in shares of all.
export const COST_MS = { page: 20, recommendations: 30, suggestions: 20, checkout: 40 }
export const MIX = { checkout: 0.2, page: 0.4, crawler: 0.1, suggestions: 0.3 }

// Requests a second that so many workers bear with all features on.
export function capacity(workers) {
  const each = MIX.checkout * COST_MS.checkout + MIX.suggestions * COST_MS.suggestions
    + (MIX.page + MIX.crawler) * (COST_MS.page + COST_MS.recommendations)
  return workers * 1000 / each
}
