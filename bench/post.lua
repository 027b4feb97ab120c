-- wrk: one 512-byte POST after another; with KEYED set, each under a key of its own.
local thread_count = 0
function setup(thread)
  thread_count = thread_count + 1
  thread:set("id", thread_count)
end
function init(args)
  body = string.rep("x", 512)
  keyed = args[1] == "keyed"
  run = args[2] or "0"
  n = 0
end
function request()
  if not keyed then
    return wrk.format("POST", nil, { ["Content-Type"] = "text/plain" }, body)
  end
  n = n + 1
  return wrk.format("POST", nil, {
    ["Content-Type"] = "text/plain",
    ["Idempotency-Key"] = "bench-" .. run .. "-" .. id .. "-" .. n,
  }, body)
end
function done(summary, latency, requests)
  io.write(string.format(
    "RESULT requests=%d duration_us=%d p50_us=%d p99_us=%d errors=%d non2xx=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status))
end
