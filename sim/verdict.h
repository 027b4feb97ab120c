// What became of one world, and of many.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace hf::sim {

// How much of everything there was: a batch of worlds that were kind proves nothing.
struct Counts {
  std::uint64_t worlds = 0;
  std::uint64_t calls = 0;  // orders that clients placed
  std::uint64_t effects = 0;
  std::uint64_t crashes = 0;
  std::uint64_t reboots = 0;
  std::uint64_t reconfigured = 0;  // starts with another configuration
  std::uint64_t deaths = 0;        // crashes in the midst of an action
  std::uint64_t failed_boots = 0;  // the journal could not be opened
  std::uint64_t unknown = 0;
  std::uint64_t dead = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t asides = 0;    // nosy and careless requests
  std::uint64_t commands = 0;  // of operators, answered
  std::uint64_t retired = 0;   // entries that the sweep took
  std::uint64_t lookups = 0;
  std::uint64_t found = 0;     // answers that a lookup gave
  std::uint64_t in_line = 0;   // pairs of one line whose order was judged
  std::uint64_t told = 0;      // ends of calls that a receiver has taken
  std::uint64_t refused = 0;   // by a limit
  std::uint64_t waited = 0;    // of them: as they were told, and were let in then
  std::uint64_t repeated = 0;  // worlds that were run twice, and were the same
  std::uint64_t events = 0;
};

inline constexpr std::pair<const char*, std::uint64_t Counts::*> kCounts[] = {
    {"worlds", &Counts::worlds},       {"orders", &Counts::calls},
    {"effects", &Counts::effects},     {"crashes", &Counts::crashes},
    {"reboots", &Counts::reboots},     {"reconfigured", &Counts::reconfigured},
    {"deaths", &Counts::deaths},       {"failed boots", &Counts::failed_boots},
    {"unknown", &Counts::unknown},     {"dead", &Counts::dead},
    {"cancelled", &Counts::cancelled}, {"asides", &Counts::asides},
    {"commands", &Counts::commands},   {"retired", &Counts::retired},
    {"lookups", &Counts::lookups},     {"found", &Counts::found},
    {"in line", &Counts::in_line},     {"told", &Counts::told},
    {"refused", &Counts::refused},     {"waited", &Counts::waited},
    {"repeated", &Counts::repeated},   {"events", &Counts::events},
};

inline Counts& operator+=(Counts& sum, const Counts& more) {
  for (const auto& [name, member] : kCounts)
    sum.*member += more.*member;
  return sum;
}

struct Verdict : Counts {
  // Each begins with the name of its oracle and a colon. None: the world was as it must be.
  std::vector<std::string> violations;
  std::uint64_t digest = 0;            // of every event in order
  std::vector<std::uint64_t> digests;  // after each event; only with WorldOptions::audit
  Duration took;                       // virtual
};

// The oracle that a violation names.
inline std::string oracle_of(const std::string& violation) {
  return violation.substr(0, violation.find(':'));
}

}  // namespace hf::sim
