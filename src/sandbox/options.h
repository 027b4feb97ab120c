// What a sandbox can be told at its start. Everything has a default that is kind: no faults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hf::sandbox {

enum class KeyMode {
  stripe,   // /v1/... except the LLM endpoints, as Stripe does
  all,      // every path
  ignored,  // an upstream that never heard of keys
};

enum class KeepAliveHint {
  none,
  truthful,  // Keep-Alive: timeout=N with N the whole seconds of idle_close_ms, rounded down
  lying,     // promises a minute more than it keeps
};

// How the seeded plan recognises "the same thing tried again".
enum class PlanBy {
  order,    // metadata[order] and the like, else the key, else the ordinal
  key,      // the key, else the ordinal
  ordinal,  // every request is its own
};

struct SandboxOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  // A second listener for /_... only, which works while the sandbox is down. 0: any free one.
  std::optional<std::uint16_t> control_port;

  std::uint64_t seed = 1;
  std::string faults;       // odds, "reset_before=50,late_apply:500=20", in parts per thousand
  std::string always;       // one fault for every request, "slow=200"; empty: none
  bool fault_safe = false;  // whether seeded and constant faults also meet GET, HEAD, OPTIONS
  // Odds for lookups only (GET /charges...), whatever fault_safe says.
  std::string lookup_faults;
  std::int64_t lookup_lag_ms = 0;  // a charge shows in lookups this long after it is there
  // The seeded plan leaves an identity alone after this many attempts; 0: never.
  int max_faulted_attempts = 0;
  PlanBy plan_by = PlanBy::order;

  KeyMode keys = KeyMode::stripe;
  std::string key_header = "Idempotency-Key";
  std::int64_t key_lifetime_ms = 24 * 3600 * 1000LL;  // an answer is forgotten after this

  std::int64_t latency_ms = 0;     // time that every effect takes
  std::int64_t idle_close_ms = 0;  // closes a connection that is idle so long; 0: after 5 minutes
  KeepAliveHint keep_alive_hint = KeepAliveHint::none;
  // Every second request of a connection is read and dropped with the connection.
  bool close_on_reuse = false;

  int llm_chunks = 8;  // pieces of a streamed LLM answer
  std::int64_t llm_chunk_delay_ms = 10;

  // Limits. Reaching one drops the oldest, bodies first; the counts stay right.
  std::uint64_t max_body = 16U << 20;
  std::size_t max_effects = 200'000;
  std::size_t max_requests = 200'000;
  std::size_t max_ledger_body_bytes = 64U << 20;
  std::size_t max_connections = 4096;
};

}  // namespace hf::sandbox
