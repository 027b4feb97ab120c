// Plain counters and gauges of the engine. Telemetry reads them on the same thread; nothing in the
// engine reads them back.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "call/address_book.h"
#include "call/call.h"
#include "call/decide.h"

namespace hf::engine {

struct UpstreamStats {
  std::array<std::uint64_t, 8> attempts_by_row{};  // indexed by call::Row
  std::uint64_t attempts = 0;
  std::uint64_t retries = 0;  // second and later attempts
  std::uint64_t answered = 0;
  std::uint64_t held = 0;     // calls that became held
  std::uint64_t unknown = 0;  // calls that became unknown
  std::uint64_t dead = 0;
  std::uint64_t exhausted = 0;  // held calls whose time ran out
  std::uint64_t pauses = 0;
  std::uint64_t lookups = 0;
  std::uint64_t verified_found = 0;
  std::uint64_t verified_absent = 0;
  std::vector<call::AddressFacts> addresses;  // its URLs, where there are several
  // gauges
  std::uint64_t live_queue = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t breaker_open = 0;  // 0 closed, 1 half open, 2 open
  std::uint64_t held_loaded = 0;
  std::int64_t next_due_ms = 0;   // wall time of the earliest due call on disk; 0: none known
  std::uint64_t paused_keys = 0;  // limit keys that are paused now; one may be the whole upstream
  std::int64_t paused_until_ms = 0;  // wall time at which the last of them ends; 0: none
};

struct Stats {
  std::map<std::string, std::uint64_t> requests_by_route;
  std::map<std::string, std::uint64_t> problems_by_code;
  std::map<std::string, std::uint64_t> suspects_by_route;  // one content, another key
  std::map<std::string, UpstreamStats> upstreams;
  std::uint64_t replayed = 0;
  std::uint64_t joined = 0;
  std::uint64_t active_calls = 0;
  std::uint64_t exchanges = 0;
  std::uint64_t unknown_calls = 0;  // standing now, as far as known
};

}  // namespace hf::engine
