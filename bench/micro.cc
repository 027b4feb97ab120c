// What the pieces of a call's path cost, one by one: nanoseconds and allocations. Allocations are
// exact, so `bench/micro_test.py` holds each piece to a bound; times belong to the machine.
#include <benchmark/benchmark.h>

#include "base/hash_map.h"
#include "bench/allocations.h"
#include "bench/held_path.h"
#include "call/squeeze.h"
#include "http1/head.h"

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

}  // namespace
}  // namespace hf

BENCHMARK_MAIN();
