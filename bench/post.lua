-- wrk: one POST of 512 bytes after another; with `keyed`, each is a call of its own, under a key of
-- its own. The body is JSON as applications send it, with some that nothing makes smaller.
local thread_count = 0
function setup(thread)
  thread_count = thread_count + 1
  thread:set("id", thread_count)
end
function init(args)
  keyed = args[1] == "keyed"
  run = args[2] or "0"
  n = 0
  local middle = '","customer":"cus_9d82kd","amount":4200,"currency":"eur","lines":[{"sku":"AB-1182",' ..
    '"quantity":2,"price":1200},{"sku":"ZX-0091","quantity":1,"price":1800}],"address":{"street":' ..
    '"Hauptstrasse 12","city":"Berlin","zip":"10115","country":"DE"},"email":"jane.doe@example.com"' ..
    ',"note":"leave at the door please","trace":"'
  local noise = {}
  math.randomseed(tonumber(run) + 7)
  for i = 1, 512 - 10 - 12 - #middle - 2 do
    noise[i] = string.format("%x", math.random(0, 15))
  end
  front = '{"order":"'
  back = middle .. table.concat(noise) .. '"}'
  headers = { ["Content-Type"] = "application/json" }
end
function request()
  n = n + 1
  local name = string.format("%02d-%09d", tonumber(run) % 100, n)
  if keyed then headers["Idempotency-Key"] = "bench-" .. id .. "-" .. name end
  return wrk.format("POST", nil, headers, front .. name .. back)
end
function done(summary, latency, requests)
  io.write(string.format(
    "RESULT requests=%d duration_us=%d p50_us=%d p99_us=%d errors=%d non2xx=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status))
end
