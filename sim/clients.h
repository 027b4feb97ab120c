// Simulated applications: each has an order to place and goes on, as a good developer's loop does,
// until it is told something it can believe. Beside it go the nosy and the careless: status and
// cancel by the owner and by strangers, the same key with another body or by another owner. What
// they were told is kept for the oracles.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "call/intake.h"
#include "ports/clients.h"
#include "ports/door.h"
#include "sim/schedule.h"
#include "sim/shares.h"

namespace hf::sim {

// What is kept for a time of its own is kept for no less.
inline constexpr Duration kKeptAtLeast = Duration::seconds(120);

struct Order {
  std::string name;
  std::string target;
  std::string method = "POST";
  bool keyed = true;        // a repeat is recognised: it is the same order, else another one
  bool repeatable = false;  // doing it twice only costs money
  bool fresh_keys = false;  // an SDK that makes a new header key for every request
  std::string owner = "shop";
  std::optional<Duration> comes_back;  // asks again so long after its end
  bool came_back = false;
  bool crowd = false;       // many of it at once, all at the same instant
  bool agreed_202 = false;  // its route, or what it prefers, makes 202 an answer to it
  bool careful = false;     // without a key: repeats only what it was told to be safe to repeat
  // Everything is well again: it must be answered with success, within this time.
  std::optional<Duration> must_succeed_within;
  std::string header_key;
  // Where limits are: who it is, what it says of it, and whether it waits as it is told.
  Caller caller;
  std::uint64_t caller_number = 0;  // 0: any
  std::string client;               // X-Client
  std::string cost;                 // X-Cost
  bool patient = false;
  std::string prefer;  // until something was agreed
  int gone_permille = 0;
  int twin_permille = 0;
  int nosy_permille = 0;
  int fickle_permille = 0;  // cancels when it is told that nobody knows yet
  std::string line;         // Holdfast-Order; empty: none
  std::optional<Duration> not_before;
  std::optional<Duration> deadline;
  std::optional<int> urgency;
  std::optional<int> importance;  // at a crowded upstream: call::CallClass

  int tries = 0;
  bool done = false;  // has an answer to believe, or gave up
  int open_exchanges = 0;
  int asides = 0;                           // nosy requests so far
  std::optional<CallId> call;               // told in a reply that was synced
  std::optional<std::string> final_answer;  // status and body of the first final one
  bool told_unknown = false;
  bool told_cancelled = false;  // it must never take effect after that
  bool told_last_try = false;   // cancelled while an attempt ran: no further one
  bool operator_touched = false;
  std::string last_told_none;  // the body it was told of, when effect none was the last word
  // By the world's true time, and by the wall clock that Holdfast sees.
  std::optional<Now> first_asked;
  WallTime least_wall;              // at which it was asked for: the clock may be set in between
  std::optional<Now> acknowledged;  // first told that it is held: from here on it has its place
  std::optional<Now> first_sent;    // seen at the upstream
  std::optional<Instant> left_at;   // last left a request behind
  Instant done_at;                  // has its answer
  Instant asked_at;                 // last
};

// The upstream that a route of sim/plan.cc leads to.
std::string upstream_of_target(const std::string& target);

class SimClients final : public ports::Clients {
 public:
  using EffectsOf = std::function<std::size_t(const std::string&)>;
  SimClients(Schedule& schedule, Prng prng, const call::Intake& intake,
             std::function<void(std::string)> violation, EffectsOf effects_of,
             std::function<WallTime()> wall);

  // `door`: null where there are no limits.
  void attach(ports::ClientEvents* events, ports::Door* door) {
    events_ = events;
    door_ = door;
  }
  // The process has another configuration.
  void use(const call::Intake& intake) { intake_ = &intake; }
  // What is asked of the world: whether its process and journal have been well since then; and of
  // what is durable, for each reply.
  struct Questions {
    std::function<bool(Instant)> well_since = {};
    std::function<std::string(const CallId&, const std::string& code, int status)> not_durable = {};
    std::function<bool(const Order&)> pause_asked = {};
    // The upstream's answer to it was not a success: that is what stands as its effect then.
    std::function<bool(const std::string& body)> rejected = {};
    // The upstream forgot its key before its time.
    std::function<bool(const std::string& order)> forgot = {};
    // Hears every answer.
    std::function<void(std::string_view)> heard = {};
    int waiters_max = 64;
  };
  void ask_of(Questions questions) { questions_ = std::move(questions); }
  // A call became unknown, and somebody was told.
  void note_alert(const CallId& call) { alerted_.insert(call); }
  [[nodiscard]] const std::set<CallId>& alerted() const { return alerted_; }
  // The attempt of an order starts: nobody who waits is passed by for ever.
  void note_turn(const std::string& body);
  void trace_to(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }
  void add(Order order, Duration starts_after);
  // The process died: every open connection breaks.
  void cut_all();
  void stop_leaving() { leaving_ = false; }
  // The wall clock was set: what is on its way comes by the new one.
  void wall_set();
  // What callers may ask is left out of their requests, for tests of the oracles.
  void forget_to_ask() { asks_ = false; }
  // With calls retired after minutes, the answer to "which call?" may be gone.
  void expect_retired() { retires_ = true; }
  // What the upstream may not be sent any more, in words; empty: it may.
  [[nodiscard]] std::string forbidden(const std::string& body) const;
  // A request with this body, or of this order, was let in.
  [[nodiscard]] bool let_in(const std::string& body) const { return let_in_.contains(body); }
  // The upstream is being sent this: judges its time.
  void note_sent(const std::string& body);
  // The order that a body stands for; null for none of ours.
  Order* order_of(const std::string& body);

  void reply(ExchangeId id, call::Reply reply) override;
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead head) override;
  void finish(ExchangeId id, bool complete) override;

  [[nodiscard]] const std::vector<Order>& orders() const { return orders_; }
  // Calls that were promised to be held: 202, or 503 `held`.
  [[nodiscard]] const std::set<CallId>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t asides() const { return asides_; }
  // Answers that a lookup gave.
  [[nodiscard]] std::uint64_t found() const { return found_; }

 private:
  enum class Kind {
    order,
    changed_body,
    other_owner,
    status,
    response,
    cancel,
    stranger_status,
    stranger_cancel,
  };
  class Sink;
  class Body;
  struct Open {
    std::size_t order = 0;
    Kind kind = Kind::order;
    std::string body_sent;
    Instant since;
    bool prefers_async = false;
    // What its order had been told when this was asked.
    bool had_final = false;
    bool had_cancelled = false;
    bool must_be_answered = false;  // response, after the status said so
    bool refused = false;           // by a limit
    std::unique_ptr<ports::Door::Stay> stay;
    bool streaming = false;
    int status = 0;
    Fields fields;
    std::string body;
    std::shared_ptr<Body> source;
  };
  struct Told {
    const Open& open;
    int status = 0;
    const Fields& fields;
    const std::string& body;
    std::string code;    // of Holdfast's own problems
    std::string effect;  // Holdfast-Effect, or empty
  };

  void ask(std::size_t order);
  void go(std::size_t order, Kind kind, bool must_be_answered = false);
  std::optional<call::Reply> ask_at_door(Open& open, const call::IncomingHead& head);
  std::optional<call::Reply> ask_with_body(ExchangeId id, const call::IncomingHead& head,
                                           std::string_view body);
  void hand_in(ExchangeId id, const call::IncomingHead& head, const std::string& body);
  static void add_asks(const Order& order, Fields& fields);
  call::IncomingHead head_of(Order& order, Kind kind, const std::string& body) const;
  void leave(ExchangeId id);
  void again(std::size_t order);
  void aside_perhaps(std::size_t order);
  void told(const Open& open, int status, const Fields& fields, const std::string& body);
  void told_of_order(const Told& told);
  void told_of_limit(const Told& told);
  void told_of_aside(const Told& told);
  void told_status(const Told& told);
  void told_final(Order& order, const Told& told);
  void told_final_of_key(const Order& order, const Told& told);
  void check_key_table(const Order& order, const Told& told);
  void check_durable(const Told& told);
  static constexpr int kTriesMax = 60;
  void come_back(std::size_t order);
  void check_calm(const Order& order, const Told& told);
  // crowd.cc
  void note_crowd_asks(const Order& order, const std::string& body);
  void note_crowd_sent(const std::string& body);
  void check_crowd(const Order& order, const std::string& body, const std::string& answer,
                   const std::string& effect);
  void come_as_a_crowd(std::size_t order);
  void count_crowd(std::size_t order);
  void check_effect(Order& order, const Told& told);
  void learn_call(Order& order, const Told& told);
  [[nodiscard]] Now true_now() const { return {schedule_.now(), wall_(), {}}; }

  Schedule& schedule_;
  Prng prng_;
  const call::Intake* intake_;
  std::function<void(std::string)> violation_;
  std::function<void(const std::string&)> trace_;
  EffectsOf effects_of_;
  std::function<WallTime()> wall_;
  ports::ClientEvents* events_ = nullptr;
  ports::Door* door_ = nullptr;
  std::vector<Order> orders_;
  std::map<std::string, std::size_t> by_name_;
  std::map<ExchangeId, Open> open_;
  std::set<ExchangeId> over_;
  std::set<CallId> acknowledged_;
  std::set<std::string> let_in_;
  std::uint64_t next_ = 1;
  std::uint64_t asides_ = 0;
  std::uint64_t found_ = 0;
  Questions questions_;
  std::set<CallId> alerted_;
  std::map<std::string, int> held_in_a_row_;  // by the route's upstream, since a live one
  // At a crowded upstream, in this life.
  struct CrowdTry {
    int rank = 0;
    Instant asked;
    std::optional<Instant> sent;
  };
  struct CrowdShed {
    int rank = 0;
    Instant at;
    bool by_class = false;
  };
  std::map<std::string, CrowdTry> crowd_;  // by body
  std::vector<CrowdShed> crowd_shed_;
  bool leaving_ = true;
  bool asks_ = true;
  bool retires_ = false;
};

}  // namespace hf::sim
