// A simulated person with the admin tools: looks at a few calls now and then and retries, cancels,
// settles, pauses and resumes. What is said of an unknown call is the truth of the ledger, and only
// once nothing of it can still be on its way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/prng.h"
#include "runtime/driver.h"
#include "sim/clients.h"
#include "sim/upstream.h"
#include "sim/witness.h"

namespace hf::sim {

class SimOperator {
 public:
  SimOperator(Prng prng, SimUpstream& upstream, Witness& witness, SimClients& clients,
              std::function<void(std::string)> violation)
      : prng_(std::move(prng)),
        upstream_(upstream),
        witness_(witness),
        clients_(clients),
        violation_(std::move(violation)) {}

  // One look, and perhaps one command, at the process that lives now.
  void look(runtime::Driver& driver);
  // The process is dead from this instant on: what it still says is said to nobody.
  void hang_up() { hung_up_ = true; }
  // It is gone: what it was asked is never answered.
  void forget() {
    life_ += 1;
    waits_ = false;
    hung_up_ = false;
  }
  [[nodiscard]] bool waits() const { return waits_; }
  // Somebody has paused it, at some time.
  [[nodiscard]] bool paused(const std::string& upstream) const {
    return paused_.contains(upstream);
  }
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  using What = engine::OperatorCommand::What;
  void judge(runtime::Driver& driver, const call::Call& call);
  void say(runtime::Driver& driver, engine::OperatorCommand command, Order* order);

  Prng prng_;
  SimUpstream& upstream_;
  Witness& witness_;
  SimClients& clients_;
  std::function<void(std::string)> violation_;
  std::set<std::string> paused_;
  std::uint64_t life_ = 0;
  bool waits_ = false;
  bool hung_up_ = false;
  std::uint64_t done_ = 0;
};

// The order's name as its request carries it.
std::string order_name_of(const call::Call& call);

}  // namespace hf::sim
