// What the pieces of a call's path cost, one by one: nanoseconds and allocations. Allocations are
// exact, so `bench/micro_test.py` holds each piece to a bound; times belong to the machine.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/hash_map.h"
#include "bench/allocations.h"
#include "bench/held_path.h"
#include "call/squeeze.h"
#include "http1/head.h"
#include "traffic/limiter.h"

namespace hf {
namespace {

// Counts from its making to its end, an iteration.
class Allocations {
 public:
  explicit Allocations(benchmark::State& state) : state_(state) {}
  ~Allocations() {
    const auto count = static_cast<double>(allocations() - before_);
    state_.counters["allocations"] = benchmark::Counter(count, benchmark::Counter::kAvgIterations);
  }
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;

 private:
  benchmark::State& state_;
  std::uint64_t before_ = allocations();
};

constexpr std::string_view kHead =
    "POST /v1/charges HTTP/1.1\r\n"
    "Host: payments.internal:8080\r\n"
    "User-Agent: shop/2.1\r\n"
    "Accept: application/json\r\n"
    "Authorization: Bearer sk_test_0123456789abcdef\r\n"
    "Content-Type: application/json\r\n"
    "Idempotency-Key: order-0000000001\r\n"
    "Content-Length: 512\r\n\r\n";

std::string body() {
  std::string out = R"({"order":"0000000001","customer":"cus_9d82kd","amount":4200,"note":")";
  std::uint64_t noise = 88172645463325252ULL;
  while (out.size() < 510) {
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    out.push_back(static_cast<char>('a' + noise % 26));
  }
  return out + "\"}";
}

struct Path : bench::HeldPath {
  [[nodiscard]] static call::IncomingHead head() { return incoming(kHead, 512); }
  std::vector<call::CallWrite> hold_and_deliver(std::uint64_t n) {
    call::IncomingHead in = head();
    set_field(in.fields, "Idempotency-Key", "order-" + std::to_string(n));
    return HeldPath::hold_and_deliver(CallId::make(now.wall, n, n * 0x9e3779b97f4a7c15ULL), in,
                                      body());
  }
};

void parse_request_head(benchmark::State& state) {
  const Allocations counted(state);
  for (auto _ : state) {
    http1::HeadScanner scanner(64 << 10);
    benchmark::DoNotOptimize(scanner.scan(kHead));
    benchmark::DoNotOptimize(http1::parse_request(kHead));
  }
}
BENCHMARK(parse_request_head);

void take_in_a_keyed_post(benchmark::State& state) {
  const Path path;
  const call::IncomingHead head = Path::head();
  const Body bytes = make_body(body());
  const Allocations counted(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(path.intake->on_head(head));
    benchmark::DoNotOptimize(path.intake->on_request(head, bytes));
  }
}
BENCHMARK(take_in_a_keyed_post);

// Intake is in it.
void step_a_held_call(benchmark::State& state) {
  Path path;
  std::uint64_t n = 1;
  const Allocations counted(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(path.hold_and_deliver(n++));
}
BENCHMARK(step_a_held_call);

// A live call without a key, from its head to its answer: intake, gate, answer.
void step_live_calls(benchmark::State& state, std::string_view upstream) {
  bench::HeldPath path(std::string("upstreams: { back: { url: 'http://127.0.0.1:9'") +
                       std::string(upstream) + " } }\nroutes: [ { path: /, upstream: back } ]\n");
  call::IncomingHead head = bench::HeldPath::incoming(kHead, 512);
  std::erase_if(head.fields, [](const Field& field) { return field.name == "Idempotency-Key"; });
  head.method = "GET";
  head.has_body = false;
  std::uint64_t n = 0;
  engine::Effects effects;
  const Allocations counted(state);
  for (auto _ : state) {
    n += 1;
    path.now.mono = path.now.mono + Duration::micros(100);
    auto taken = path.intake->on_head(head);
    path.engine->step(engine::CallArrived{ExchangeId{n},
                                          std::make_unique<call::NewCall>(
                                              std::get<call::Streamed>(std::move(taken)).call),
                                          CallId::make(path.now.wall, n, n)},
                      path.now, effects);
    const auto& start = std::get<engine::StartAttempt>(effects.actions.back().what);
    call::AttemptOutcome outcome;
    outcome.evidence = call::Evidence::answer_complete;
    outcome.head.status = 200;
    outcome.phases.head = Duration::micros(80);
    const AttemptId id = start.id;
    effects.actions.clear();
    path.engine->step(engine::AttemptEnded{id, std::move(outcome), true}, path.now, effects);
    effects.actions.clear();
  }
}
void step_a_live_call(benchmark::State& state) {
  step_live_calls(state, "");
}
BENCHMARK(step_a_live_call);

void step_a_live_call_with_a_learnt_limit(benchmark::State& state) {
  step_live_calls(state, ", concurrency: { adaptive: true }");
}
BENCHMARK(step_a_live_call_with_a_learnt_limit);

void encode_a_held_call(benchmark::State& state) {
  Path path;
  const auto writes = path.hold_and_deliver(1);
  std::size_t bytes = 0;
  std::size_t entries = 0;
  const Allocations counted(state);
  for (auto _ : state) {
    bytes = 0;
    entries = 0;
    for (const call::CallWrite& write : writes) {
      call::Batch batch;
      batch.calls.push_back(write);
      const call::KvOps ops = path.codec.encode(batch, path.now);
      entries += ops.ops.size();
      for (const call::KvOp& op : ops.ops)
        bytes += op.key.size() + (op.value ? op.value->size() : 0);
    }
  }
  state.counters["bytes"] = static_cast<double>(bytes);
  state.counters["entries"] = static_cast<double>(entries);
}
BENCHMARK(encode_a_held_call);

void open_a_call_head(benchmark::State& state) {
  Path path;
  const auto writes = path.hold_and_deliver(1);
  call::Batch batch;
  batch.calls.push_back(writes.front());
  const call::KvOps ops = path.codec.encode(batch, path.now);
  const call::KvOp* head = nullptr;
  for (const call::KvOp& op : ops.ops) {
    if (op.key.front() == static_cast<char>(call::Prefix::call_head)) head = &op;
  }
  const Allocations counted(state);
  for (auto _ : state) {
    const auto opened = path.codec.open_call(head->key, *head->value);
    if (!opened.ok()) state.SkipWithError("it does not open");
  }
}
BENCHMARK(open_a_call_head);

void seal_a_kilobyte(benchmark::State& state) {
  const Path path;
  const std::string payload(1024, 'p');
  const call::RecordHead head{1, 1, path.now.wall, 0};
  const Allocations counted(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(path.sealer.seal(head, "a storage key of 23 by.", payload));
}
BENCHMARK(seal_a_kilobyte);

void squeeze_a_body(benchmark::State& state) {
  const std::string payload = body();
  const Allocations counted(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(call::squeeze(payload));
}
BENCHMARK(squeeze_a_body);

void hash_a_body(benchmark::State& state) {
  const Path path;
  const std::string payload = body();
  const Allocations counted(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(path.hasher.digest("content", payload));
}
BENCHMARK(hash_a_body);

void remember_and_forget(benchmark::State& state) {
  const Path path;
  HashMap<call::Digest, std::uint64_t, call::DigestHash> map;
  std::vector<call::Digest> digests;
  for (int i = 0; i < 32'768; ++i)
    digests.push_back(path.hasher.digest("n", std::to_string(i)));
  std::size_t n = 0;
  for (; n < 16'384; ++n)
    map.insert(digests[n], n);
  const Allocations counted(state);
  for (auto _ : state) {
    map.insert(digests[n % digests.size()], n);
    map.erase(digests[(n - 16'384) % digests.size()]);
    ++n;
  }
}
BENCHMARK(remember_and_forget);

// A million clients that one limit remembers, and some of their requests.
struct ManyClients {
  ManyClients() {
    std::uint64_t dice = 1;
    for (int i = 0; i < 2'000'000; ++i) {
      dice = dice * 6364136223846793005U + 1442695040888963407U;
      const auto bits = static_cast<std::uint32_t>(dice >> 44);
      call::IncomingHead& head = heads[static_cast<std::size_t>(i) % heads.size()];
      head.client_address =
          fmt::format("10.{}.{}.{}:4711", bits >> 16, (bits >> 8) & 255, bits & 255);
      head.target = "/v1/charges";
      head.method = "POST";
      limiter.on_head(head, now, false);
    }
  }
  static call::TrafficSettings settings() {
    call::LimitSettings limit;
    limit.name = "api";
    limit.by = {{}};
    limit.rate = Rate{1, Duration::minutes(10)};
    limit.burst = 1;
    call::TrafficSettings out;
    out.limits.push_back(limit);
    out.keys_max = 2'000'000;
    return out;
  }
  Instant now{1'000'000'000};
  traffic::Limiter limiter{settings(), {1, 2, 3}};
  std::vector<call::IncomingHead> heads = std::vector<call::IncomingHead>(4096);
};

void judge_by_a_limit(benchmark::State& state) {
  static ManyClients clients;
  std::size_t next = 0;
  {
    const Allocations counted(state);
    for (auto _ : state) {
      clients.now = clients.now + Duration::micros(200);
      const auto& head = clients.heads[next++ & 4095];
      benchmark::DoNotOptimize(clients.limiter.on_head(head, clients.now, false));
    }
  }
  const traffic::LimitTable& table = clients.limiter.table();
  state.counters["clients"] = static_cast<double>(table.size());
  state.counters["megabytes"] = static_cast<double>(table.bytes()) / 1e6;
}
BENCHMARK(judge_by_a_limit);

}  // namespace
}  // namespace hf

BENCHMARK_MAIN();
