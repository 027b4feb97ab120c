// Simulated applications: each has an order to place and goes on, as a good developer's loop does,
// until it is told something it can believe. What it was told is kept for the oracles.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "call/intake.h"
#include "ports/clients.h"
#include "sim/schedule.h"

namespace hf::sim {

struct Order {
  std::string name;
  std::string target;
  std::string method = "POST";
  bool fresh_keys = false;  // an SDK that makes a new header key for every request
  std::string header_key;
  bool async = false;  // Prefer: respond-async
  int tries = 0;
  bool done = false;  // has an answer to believe, or gave up
  int gone_permille = 0;
  int twin_permille = 0;
  std::optional<std::string> final_answer;  // status and body of the first final one
  bool told_unknown = false;
  bool last_told_none = false;
  int open_exchanges = 0;
};

class SimClients final : public ports::Clients {
 public:
  SimClients(Schedule& schedule, Prng prng, const call::Intake& intake,
             std::function<void(std::string)> violation,
             std::function<std::size_t(const std::string&)> effects_of);

  void attach(ports::ClientEvents* events) { events_ = events; }
  void add(Order order, Duration starts_after);
  // The process died: every open connection breaks.
  void cut_all();
  void stop_leaving() { leaving_ = false; }

  void reply(ExchangeId id, call::Reply reply) override;
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead head) override;
  void finish(ExchangeId id, bool complete) override;

  [[nodiscard]] const std::vector<Order>& orders() const { return orders_; }
  [[nodiscard]] bool all_done() const;
  // Calls that were promised to be held: 202, or 503 `held`.
  [[nodiscard]] const std::set<CallId>& acknowledged() const { return acknowledged_; }

 private:
  struct Open {
    std::size_t order = 0;
    bool streaming = false;
    int status = 0;
    std::string body;
  };
  class Sink;

  void ask(std::size_t order);
  void told(std::size_t order, int status, const Fields& fields, const std::string& body);
  void again(std::size_t order);

  Schedule& schedule_;
  Prng prng_;
  const call::Intake& intake_;
  std::function<void(std::string)> violation_;
  std::function<std::size_t(const std::string&)> effects_of_;
  ports::ClientEvents* events_ = nullptr;
  std::vector<Order> orders_;
  std::map<ExchangeId, Open> open_;
  std::set<ExchangeId> over_;
  std::set<CallId> acknowledged_;
  std::uint64_t next_ = 1;
  bool leaving_ = true;
};

}  // namespace hf::sim
