// From what the parts tell to what is the case: the causes of alerts, with their numbers. Pure but
// for what it remembers of earlier looks (failures within a while, since when nothing moves).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "call/settings.h"
#include "control/alert.h"

namespace hf::control {

// Totals count since the process began.
struct UpstreamFacts {
  std::string name;
  bool breaker_open = false;  // or half open
  std::uint64_t started = 0;  // attempts
  std::uint64_t ended = 0;
  std::uint64_t failed = 0;  // of those that ended
  std::uint64_t in_flight = 0;
  std::uint64_t exhausted = 0;  // held calls whose time ran out
  bool due = false;             // some held call could be attempted now
  std::optional<WallTime> paused_until;
  AlertNumbers half;
  AlertNumbers three_quarters;
  AlertNumbers parked;
};

struct AlertFacts {
  std::vector<UpstreamFacts> upstreams;
  bool journal_refusing = false;
  std::string journal_why;
};

class AlertWatch {
 public:
  explicit AlertWatch(const call::AlertSettings& settings) : settings_(settings) {}
  std::vector<AlertFinding> look(const AlertFacts& facts, const Now& now);

 private:
  struct Sample {
    Instant at;
    std::uint64_t ended = 0;
    std::uint64_t failed = 0;
  };
  struct Loss {
    Instant at;
    std::uint64_t calls = 0;
  };
  struct Seen {
    std::deque<Sample> samples;  // at most kSamples
    std::deque<Loss> losses;     // at most one a minute of the last hour
    std::uint64_t exhausted = 0;
    std::uint64_t started = 0;
    std::optional<Instant> still_since;
  };

  std::optional<AlertFinding> failing(Seen& seen, const UpstreamFacts& facts, const Now& now) const;
  static std::optional<AlertFinding> exhausted(Seen& seen, const UpstreamFacts& facts,
                                               const Now& now);
  std::optional<AlertFinding> standing(Seen& seen, const UpstreamFacts& facts,
                                       const Now& now) const;

  call::AlertSettings settings_;
  std::map<std::string, Seen> seen_;
};

}  // namespace hf::control
