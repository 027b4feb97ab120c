// Plain counters and gauges of the engine. Telemetry reads them on the same thread; nothing in the
// engine reads them back.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "call/address_book.h"
#include "call/call.h"
#include "call/decide.h"
#include "call/problem_counts.h"
#include "call/settings.h"
#include "engine/hurdle.h"
#include "policy/learnt_limit.h"

namespace hf::engine {

// By which rule a live call was sent away (refused or, where its route says so, held).
enum class ShedRule : std::uint8_t {
  by_class,    // its class is refused for now
  displaced,   // it was one too many of those that wait
  queue_full,  // ... and the queue was at its end, whatever the delay
};
inline constexpr std::size_t kShedRules = 3;
std::string_view to_string(ShedRule rule);

// How loaded an upstream is: all that whoever adds capacity, or dims optional features, needs to
// know. Gauges of the moment, but for `shed`.
struct UpstreamLoad {
  std::uint64_t in_flight = 0;
  std::uint64_t limit = 0;     // of these, declared or learnt
  std::uint64_t waiting = 0;   // live calls
  Duration queue_delay;        // since when the oldest of them waits
  Duration threshold;          // from where on that is overload; 0: it is not looked at
  std::size_t shed_level = 0;  // classes below call::CallClass(shed_level) are refused at once
  Duration backlog_age;        // by how much the earliest held call is overdue
  // Calls sent away since the start, by call::CallClass and ShedRule.
  std::array<std::array<std::uint64_t, kShedRules>, call::kCallClasses> shed{};
  struct Learnt {
    Duration baseline;  // latency without queueing at the upstream, as far as known
    Duration latency;   // of late
    policy::Lesson lesson = policy::Lesson::start;
  };
  std::optional<Learnt> learnt;
};

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
  // Live calls whose patience ended before any attempt, by Hurdle; sent away: see load.shed.
  std::array<std::uint64_t, kHurdles> refused{};
  std::uint64_t lookups = 0;
  std::uint64_t verified_found = 0;
  std::uint64_t verified_absent = 0;
  std::vector<call::AddressFacts> addresses;  // its URLs, where there are several
  UpstreamLoad load;
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
  call::ProblemCounts problems;
  std::map<std::string, std::uint64_t> suspects_by_route;  // one content, another key
  std::map<std::string, UpstreamStats> upstreams;
  std::uint64_t replayed = 0;
  std::uint64_t joined = 0;
  std::uint64_t active_calls = 0;
  std::uint64_t exchanges = 0;
  std::uint64_t unknown_calls = 0;  // standing now, as far as known
};

}  // namespace hf::engine
