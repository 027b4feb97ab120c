// Many worlds, over several processes: a world in which a check of the product fails ends only its
// own process, and is a violation like any other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "sim/bugs.h"
#include "sim/edition.h"
#include "sim/verdict.h"

namespace hf::sim {

constexpr std::uint64_t kRepeatEvery = 20;  // one world in so many is run twice

struct CampaignOptions {
  std::uint64_t start = 1;
  std::uint64_t worlds = 100;
  std::optional<Duration> lasts;  // real time, instead of a number of worlds
  Edition edition = Edition::full;
  unsigned jobs = 1;                  // processes
  std::uint64_t violations_max = 10;  // worlds that go wrong until it stops
  // Planted in every process (not in the caller's): it stops with the first world in which an
  // oracle speaks that this bug names, however many go wrong otherwise.
  const PlantedBug* bug = nullptr;
};

struct Violated {
  std::uint64_t seed = 0;
  std::vector<std::string> what;  // the oracle's name first
};

struct Outcome {
  Counts counts;
  std::map<std::string, std::uint64_t> probes;  // hits, also those that are zero
  std::vector<Violated> violated;               // by seed
  std::optional<Violated> caught;  // the planted bug, by one of its oracles, in the lowest seed
  std::string caught_by;           // that oracle
  std::uint64_t harm = 0;          // times that the planted bug did its harm
};

// Blocking. `on_progress` hears of every world that has ended, at most a few times a second.
Outcome run_campaign(const CampaignOptions& options,
                     const std::function<void(const Outcome&)>& on_progress);

// One world, and perhaps the same once more.
Verdict run_world(std::uint64_t seed, Edition edition);

}  // namespace hf::sim
