// A world from a seed: the real intake, engine and driver, with clients, upstreams, journal and
// time simulated and hostile. What happened is judged from the clients' and the upstreams' own
// records.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adapters/memory/memory_journal.h"
#include "base/prng.h"
#include "call/intake.h"
#include "runtime/driver.h"
#include "sim/clients.h"
#include "sim/schedule.h"
#include "sim/upstream.h"

namespace hf::sim {

// How hostile this world is; drawn from the seed, printed with it.
struct FaultPlan {
  UpstreamFaults upstream;
  int crashes = 0;                  // kill -9 at random events
  int commit_delay_us = 300;        // at most, per commit
  int commit_trouble_permille = 0;  // conflict, failed, unknown
  int client_gone_permille = 0;
  int duplicate_permille = 0;  // a second request beside the first
  static FaultPlan draw(Prng& prng);
  [[nodiscard]] std::string text() const;
};

struct Verdict {
  std::vector<std::string> violations;  // empty: the world was as it must be
  std::uint64_t digest = 0;             // of every event in order
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t effects = 0;
  std::uint64_t crashes = 0;
  std::uint64_t unknown = 0;
  Duration took;  // virtual
};

struct WorldOptions {
  std::uint64_t seed = 1;
  bool trace = false;
  // Declared to honour keys and does not: effects double, and the oracles must see it.
  bool keys_ignored = false;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  Verdict run();

 private:
  struct Shell;  // what dies in a crash: journal attachment, driver, open exchanges

  void boot();
  void crash();
  void pump_journal();
  void judge();
  void violation(std::string what);
  void trace(const std::string& line);

  std::uint64_t seed_;
  bool trace_;
  Prng prng_;
  FaultPlan plan_;
  Schedule schedule_;
  std::shared_ptr<const call::Settings> settings_;
  std::unique_ptr<call::Intake> intake_;
  std::unique_ptr<adapters::MemoryJournal> journal_;
  std::unique_ptr<SimUpstream> upstream_;
  std::unique_ptr<SimClients> clients_;
  std::unique_ptr<Shell> shell_;
  std::uint64_t life_ = 0;  // which process: events of earlier ones are void
  bool pumping_ = false;
  bool healed_ = false;
  Verdict verdict_;
};

}  // namespace hf::sim
