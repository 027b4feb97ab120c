// A world from a seed: the real intake, engine and driver, with clients, operators, upstreams,
// journal and time simulated and hostile. What happened is judged from the clients' and the
// upstreams' own records.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "call/intake.h"
#include "runtime/driver.h"
#include "sim/clients.h"
#include "sim/door_witness.h"
#include "sim/journal.h"
#include "sim/mortal.h"
#include "sim/operators.h"
#include "sim/plan.h"
#include "sim/schedule.h"
#include "sim/upstream.h"
#include "sim/verdict.h"
#include "sim/witness.h"

namespace hf::sim {

// Told every event of a world as it happens.
using Trace = std::function<void(Instant, const std::string&)>;

struct WorldOptions {
  std::uint64_t seed = 1;
  Edition edition = Edition::full;
  Trace trace = {};    // empty: nobody listens
  bool audit = false;  // keep a digest of every event
  // Less than was drawn, to find out what a violation needs: only these orders (empty: all), and
  // without these faults (FaultPlan::kGroups).
  std::set<std::string> only = {};
  std::vector<std::string> without = {};
  // With the faults of draw_journal_faults.
  // Declared to honour keys and does not: effects double, and the oracles must see it.
  bool keys_ignored = false;
  // Declared to be done sooner than it is: the same.
  bool settle_too_short = false;
  // Lines and times are judged and were never asked for: the oracles must see it.
  bool asks_unsent = false;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  Verdict run();

 private:
  struct Way;    // a route that orders take
  struct Shell;  // what dies in a crash (sim/shell.h)

  // world_parts.cc
  void make_upstream();
  void make_clients();
  void make_door();
  // orders.cc
  void place(Order order, Duration starts_after);
  void place_orders(Prng& prng);
  void place_all_kinds(Prng& prng);
  void place_few(Prng& prng);
  void place_crowd(Prng prng);
  void place_shop(Prng prng);
  void draw_asker(Order& order);
  [[nodiscard]] Order draw_order(Prng& prng, const Way& way, std::size_t number) const;
  void ask_more(Prng& prng, Order& order) const;
  // world.cc
  void plan_troubles(Prng& prng);
  void during(Prng& prng, std::int64_t most_ms, const std::function<void(bool)>& set);
  void heal();
  void operators_turn();
  void sweep_turn();
  // world_life.cc
  void boot();
  void fall(bool drained);
  void crash();
  void step_clock();
  void step_wall();
  [[nodiscard]] Duration drift(Instant at) const;
  void reconfigure();
  void use_settings(std::shared_ptr<const call::Settings> settings);
  void die();
  void poison(const CallId& call);
  runtime::Driver& driver();
  [[nodiscard]] bool serving() const;  // a process lives, and its driver has not stopped
  [[nodiscard]] Now now() const;
  // judge.cc
  void judge();
  void judge_orders();
  // judge_now.cc: at the moment itself
  void judge_intent(const ports::AttemptSpec& spec, const std::string& body);
  [[nodiscard]] std::string not_durable(const CallId& id, const std::string& code,
                                        int status) const;
  [[nodiscard]] bool well_since(Instant since) const;
  // judge.cc
  void judge_last(const Order& order);
  void judge_alert(const call::Call& call);
  void judge_lines();
  bool began_anew(const Order& order);
  void judge_promises();
  void judge_calls();
  void judge_call(const call::Call& call);
  void judge_callback(const call::Call& call);
  void judge_told(const call::Call& call);
  void violation(std::string what);
  void trace(const std::string& line);
  void digest(std::string_view what);

  std::uint64_t seed_;
  Trace trace_;
  bool audit_;
  Edition edition_;
  bool asking_;  // any edition but the first
  std::set<std::string> only_;
  Prng prng_;
  Prng poison_prng_;
  Prng journal_prng_;
  Prng callers_prng_;
  FaultPlan plan_;
  Schedule schedule_;
  std::shared_ptr<const call::Settings> declared_;  // as it was drawn
  std::shared_ptr<const call::Settings> settings_;  // of the process that lives
  std::optional<call::Hasher> hasher_;
  std::unique_ptr<call::Intake> intake_;
  std::vector<std::unique_ptr<call::Intake>> retired_intakes_;  // of earlier configurations
  std::unique_ptr<SimJournal> journal_;
  std::unique_ptr<SimUpstream> upstream_;
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<DoorWitness> door_;  // null where there are no limits
  std::unique_ptr<SimClients> clients_;
  std::unique_ptr<SimOperator> operator_;
  std::unique_ptr<Mortality> mortality_;
  std::unique_ptr<Shell> shell_;
  std::optional<CallId> blamed_;    // at the last death
  std::optional<CallId> poisoned_;  // ends those that handle it
  int poison_left_ = 0;
  std::optional<CallId> handling_;  // whose attempt the driver starts just now
  std::uint64_t life_ = 0;          // which process: events of earlier ones are void
  std::set<CallId> inconclusive_;   // unknown because lookups did not settle them
  bool healed_ = false;
  bool refusing_ = false;
  bool no_restarts_ = false;  // the clock has stepped behind everything: one restart is the promise
  BootId boot_{1};
  Instant booted_at_;
  Duration wall_offset_;
  bool wall_stepped_ = false;  // other than at a reboot
  std::uint64_t reconfigured_ = 0;
  std::optional<Instant> disturbed_;  // when the process last began, or began to end
  bool draining_ = false;
  std::vector<WallTime> crashed_at_;
  Verdict verdict_;
};

}  // namespace hf::sim
