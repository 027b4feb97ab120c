// How the simulated applications ask; clients_told.cc has what they make of the answers.
#include "sim/clients.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"

namespace hf::sim {
namespace {

constexpr int kAsidesMax = 8;

}  // namespace

class SimClients::Sink final : public ports::AnswerSink {
 public:
  Sink(SimClients& clients, ExchangeId id) : clients_(clients), id_(id) {}
  void write(std::string bytes, std::function<void(bool)> ready) override {
    const auto found = clients_.open_.find(id_);
    if (found != clients_.open_.end()) found->second.body += bytes;
    ready(found != clients_.open_.end());
  }

 private:
  SimClients& clients_;
  ExchangeId id_;
};

// A streamed request body in two pieces, kept for a second attempt or not.
class SimClients::Body final : public ports::BodySource {
 public:
  Body(std::string text, bool kept) : text_(std::move(text)), kept_(kept) {}
  void abort() { aborted_ = true; }
  void read(Deliver deliver) override {
    if (aborted_) {
      deliver(What::aborted, {});
    } else if (at_ == text_.size()) {
      deliver(What::end, {});
    } else {
      const std::size_t from = at_;
      at_ = from == 0 ? std::max<std::size_t>(1, text_.size() / 2) : text_.size();
      deliver(What::data, text_.substr(from, at_ - from));
    }
  }
  void stop() override {}  // every ask is answered at once
  [[nodiscard]] bool replayable() const override { return kept_ && !aborted_; }
  void rewind() override { at_ = 0; }
  [[nodiscard]] std::int64_t length() const override {
    return static_cast<std::int64_t>(text_.size());
  }

 private:
  std::string text_;
  bool kept_;
  bool aborted_ = false;
  std::size_t at_ = 0;
};

SimClients::SimClients(Schedule& schedule, Prng prng, const call::Intake& intake,
                       std::function<void(std::string)> violation, EffectsOf effects_of,
                       std::function<WallTime()> wall)
    : schedule_(schedule),
      prng_(std::move(prng)),
      intake_(&intake),
      violation_(std::move(violation)),
      effects_of_(std::move(effects_of)),
      wall_(std::move(wall)) {}

void SimClients::add(Order order, Duration starts_after) {
  by_name_.emplace(order.name, orders_.size());
  orders_.push_back(std::move(order));
  const std::size_t index = orders_.size() - 1;
  schedule_.after(starts_after, [this, index] { ask(index); });
}

Order* SimClients::order_of(const std::string& body) {
  const auto found = by_name_.find(body.substr(0, body.find('@')));
  return found == by_name_.end() ? nullptr : &orders_[found->second];
}

std::string SimClients::forbidden(const std::string& body) const {
  if (body.starts_with("changed ")) return "a changed body under a used key";
  if (body.starts_with("stranger ")) return "a stranger's request under somebody's key";
  const auto found = by_name_.find(body.substr(0, body.find('@')));
  if (found == by_name_.end()) return body.empty() ? "a request without its body" : "a torn body";
  const Order& order = orders_[found->second];
  if (order.told_cancelled) return order.name + ", which was told cancelled";
  if (order.told_last_try && !order.operator_touched) {
    return order.name + ", which was told that there is no further attempt";
  }
  return {};
}

// Neither before nor after the time that its client asked for, unless Holdfast was given another
// wall clock meanwhile: then only what is wrong by both clocks is held against it.
void SimClients::note_sent(const std::string& body) {
  Order* order = order_of(body);
  if (order == nullptr) return;
  if (!let_in(body)) violation_("limits: " + body + " is sent, and was refused whenever it came");
  note_crowd_sent(body);
  const Now now = true_now();
  if (!order->first_sent) order->first_sent = now;
  if (order->not_before && order->first_asked) {
    const Duration least = *order->not_before;
    if (now.mono - order->first_asked->mono < least && now.wall - order->least_wall < least) {
      violation_("not-before: " + order->name + " was sent early");
    }
  }
  if (order->deadline && order->acknowledged && !order->operator_touched) {
    const Duration most = *order->deadline;
    if (now.mono - order->acknowledged->mono > most &&
        now.wall - order->acknowledged->wall > most) {
      const Duration after = now.mono - order->acknowledged->mono;
      violation_("deadline: " + order->name + " was sent " + std::to_string(after.ms()) +
                 " ms after it was acknowledged, with " +
                 std::to_string(order->deadline->ceil_seconds()) + " s to live");
    }
  }
}

void SimClients::wall_set() {
  const WallTime wall = true_now().wall;
  for (Order& order : orders_) {
    if (order.first_asked && !order.acknowledged)
      order.least_wall = std::min(order.least_wall, wall);
  }
}

void SimClients::ask(std::size_t index) {
  if (orders_[index].done) return;
  if (events_ == nullptr) {  // nobody listens: connection refused
    again(index);
    return;
  }
  const Now asked = true_now();
  Order& order = orders_[index];
  order.least_wall = order.first_asked ? std::min(order.least_wall, asked.wall) : asked.wall;
  if (!order.first_asked) order.first_asked = asked;
  orders_[index].tries += 1;
  orders_[index].asked_at = schedule_.now();
  if (orders_[index].crowd) come_as_a_crowd(index);
  orders_[index].last_told_none.clear();  // what becomes of this one may be told to nobody
  go(index, Kind::order);
}

void SimClients::add_asks(const Order& order, Fields& fields) {
  if (!order.line.empty()) fields.push_back({"Holdfast-Order", order.line});
  if (order.importance) {
    const auto name = call::to_string(static_cast<call::CallClass>(*order.importance));
    fields.push_back({"X-Class", std::string(name)});
  }
  if (order.urgency) fields.push_back({"Priority", "u=" + std::to_string(*order.urgency)});
  const auto seconds = [&fields](const char* name, const std::optional<Duration>& value) {
    if (value) fields.push_back({name, std::to_string(value->ceil_seconds())});
  };
  seconds("Holdfast-Not-Before", order.not_before);
  seconds("Holdfast-Deadline", order.deadline);
}

call::IncomingHead SimClients::head_of(Order& order, Kind kind, const std::string& body) const {
  const bool stranger =
      kind == Kind::other_owner || kind == Kind::stranger_status || kind == Kind::stranger_cancel;
  call::IncomingHead head;
  head.method = order.method;
  head.target = order.target;
  head.client_address = order.caller.address;
  head.fields = {{"Host", "holdfast.test"},
                 {"Authorization", "Bearer " + (stranger ? std::string("other") : order.owner)}};
  const auto& from = order.caller.forwarded;
  if (!from.empty()) head.fields.push_back({"X-Forwarded-For", from});
  if (!order.client.empty()) head.fields.push_back({"X-Client", order.client});
  if (!order.cost.empty()) head.fields.push_back({"X-Cost", order.cost});
  if (kind != Kind::order && kind != Kind::changed_body && kind != Kind::other_owner) {
    const bool cancels = kind == Kind::cancel || kind == Kind::stranger_cancel;
    head.method = cancels ? "DELETE" : "GET";
    head.target = "/.holdfast/calls/" + order.call->text();
    if (kind == Kind::response) head.target += "/response";
    return head;
  }
  head.fields.push_back({"Content-Type", "text/plain"});
  // One that is not recognised is another order every time.
  head.fields.push_back({"X-Order", order.keyed ? order.name : body});
  if (order.fresh_keys) {
    head.fields.push_back({"Idempotency-Key", "sdk-" + order.name + std::to_string(order.tries)});
  } else if (!order.header_key.empty()) {
    head.fields.push_back({"Idempotency-Key", order.header_key});
  }
  if (!order.prefer.empty()) head.fields.push_back({"Prefer", order.prefer});
  if (asks_) add_asks(order, head.fields);
  head.has_body = order.method == "POST";
  if (head.has_body) head.length = body.size();
  return head;
}

void SimClients::go(std::size_t index, Kind kind, bool must_be_answered) {
  Order& order = orders_[index];
  if (events_ == nullptr) return;
  if (kind != Kind::order) asides_ += 1;
  const bool same = order.keyed || order.careful;
  std::string body = same ? order.name : order.name + "@" + std::to_string(order.tries);
  if (kind == Kind::changed_body) body = "changed " + body;
  if (kind == Kind::other_owner) body = "stranger " + body;
  const call::IncomingHead head = head_of(order, kind, body);
  const ExchangeId id{next_++};
  if (trace_ && kind == Kind::order) {
    trace_("asks " + order.method + " " + order.target + " line '" + order.line + "' prefer '" +
           order.prefer + "'");
  }
  Open open;
  open.order = index;
  open.kind = kind;
  open.body_sent = body;
  open.since = schedule_.now();
  open.prefers_async = order.prefer.find("respond-async") != std::string::npos;
  open.had_final = order.final_answer.has_value();
  open.had_cancelled = order.told_cancelled;
  open.must_be_answered = must_be_answered;
  order.open_exchanges += 1;
  auto refused = ask_at_door(open, head);
  open_.emplace(id, std::move(open));
  if (refused) {
    reply(id, std::move(*refused));
    if (HF_BUG("send-what-was-refused")) hand_in(ExchangeId{next_++}, head, body);
  } else {
    note_crowd_asks(order, body);
    hand_in(id, head, body);
  }
  if (kind != Kind::order || !leaving_) return;
  if (prng_.chance(static_cast<std::uint64_t>(orders_[index].gone_permille), 1000)) {
    schedule_.after(Duration::micros(prng_.between(0, 50'000)), [this, id] { leave(id); });
  }
  if (prng_.chance(static_cast<std::uint64_t>(orders_[index].twin_permille), 1000)) {
    schedule_.after(Duration::micros(prng_.between(0, 20'000)), [this, index] { ask(index); });
  }
}

// Where the HTTP server asks: at a head, before anything else is made of it.
std::optional<call::Reply> SimClients::ask_at_door(Open& open, const call::IncomingHead& head) {
  if (door_ == nullptr) return std::nullopt;
  auto word = door_->on_head(head);
  open.stay = std::move(word.stay);
  open.refused = word.refused.has_value();
  return std::move(word.refused);
}

// And before the call is made, with the body where it was read whole.
std::optional<call::Reply> SimClients::ask_with_body(ExchangeId id, const call::IncomingHead& head,
                                                     std::string_view body) {
  const auto open = open_.find(id);
  if (open == open_.end()) return std::nullopt;
  if (open->second.stay) {
    auto refused = door_->on_body(head, body, *open->second.stay);
    open->second.refused = refused.has_value();
    if (refused) return refused;
  }
  let_in_.insert(open->second.body_sent);
  if (const Field* name = find_field(head.fields, "X-Order")) let_in_.insert(name->value);
  return std::nullopt;
}

// What the HTTP server does with a request that was let in.
void SimClients::hand_in(ExchangeId id, const call::IncomingHead& head, const std::string& body) {
  call::HeadVerdict verdict = intake_->on_head(head);
  if (auto* refused = std::get_if<call::Reply>(&verdict)) return reply(id, std::move(*refused));
  if (auto* question = std::get_if<call::CallAsk>(&verdict)) {
    return events_->on_ask(id, std::move(*question));
  }
  auto* streamed = std::get_if<call::Streamed>(&verdict);
  std::shared_ptr<Body> source;
  if (streamed != nullptr && head.has_body) {
    source = std::make_shared<Body>(body, prng_.chance(3, 4));
    if (const auto open = open_.find(id); open != open_.end()) open->second.source = source;
  }
  if (auto refused = ask_with_body(id, head, streamed != nullptr ? "" : std::string_view(body))) {
    return reply(id, std::move(*refused));
  }
  if (streamed != nullptr) return events_->on_call(id, std::move(streamed->call), source);
  call::CallVerdict call = intake_->on_request(head, make_body(body));
  if (auto* refusal = std::get_if<call::Reply>(&call)) return reply(id, std::move(*refusal));
  events_->on_call(id, std::move(std::get<call::NewCall>(call)), nullptr);
}

void SimClients::leave(ExchangeId id) {
  const auto found = open_.find(id);
  if (found == open_.end() || events_ == nullptr) return;
  const std::size_t of = found->second.order;
  if (found->second.source) found->second.source->abort();
  open_.erase(found);
  orders_[of].open_exchanges -= 1;
  orders_[of].left_at = schedule_.now();
  events_->on_gone(id);
  again(of);
}

void SimClients::again(std::size_t index) {
  Order& order = orders_[index];
  if (order.done) return;
  // Whoever has no key and no word that it is safe can only ask a person.
  const bool doubtful = order.careful && order.tries > 0 && order.last_told_none.empty();
  if (order.tries >= kTriesMax || doubtful) {
    order.done = true;
    // Whoever gave it a deadline does not ask again: that would be a new one.
    if (order.comes_back && !doubtful && !order.came_back && !order.deadline) come_back(index);
    return;
  }
  const std::int64_t wait = std::min<std::int64_t>(200 * (order.tries + 1), 30'000);
  schedule_.after(Duration::millis(prng_.between(wait / 2, wait)), [this, index] { ask(index); });
}

// Somebody is curious about this order, or careless with it.
void SimClients::aside_perhaps(std::size_t index) {
  Order& order = orders_[index];
  if (!order.call || !order.keyed || order.asides >= kAsidesMax) return;
  if (!prng_.chance(static_cast<std::uint64_t>(order.nosy_permille), 1000)) return;
  order.asides += 1;
  constexpr Kind kKinds[] = {Kind::status,          Kind::response,        Kind::changed_body,
                             Kind::other_owner,     Kind::stranger_status, Kind::stranger_cancel,
                             Kind::stranger_status, Kind::cancel,          Kind::status};
  const Kind kind = kKinds[prng_.below(9)];
  schedule_.after(Duration::micros(prng_.between(0, prng_.chance(1, 2) ? 20'000 : 20'000'000)),
                  [this, index, kind] { go(index, kind); });
}

void SimClients::cut_all() {
  events_ = nullptr;
  door_ = nullptr;
  crowd_.clear();
  crowd_shed_.clear();
  const auto cut = std::exchange(open_, {});
  for (const auto& [id, exchange] : cut) {
    orders_[exchange.order].open_exchanges -= 1;
    if (exchange.source) exchange.source->abort();
    if (exchange.kind == Kind::order) again(exchange.order);
  }
}

void SimClients::reply(ExchangeId id, call::Reply reply) {
  auto node = open_.extract(id);
  if (node.empty()) {
    if (over_.contains(id)) violation_("one-reply: an exchange was answered twice");
    return;
  }
  over_.insert(id);
  const Open& over = node.mapped();
  orders_[over.order].open_exchanges -= 1;
  if (over.stay) door_->on_answer(*over.stay, reply.status, reply.fields);
  told(over, reply.status, reply.fields, std::string(view(reply.body)));
}

std::shared_ptr<ports::AnswerSink> SimClients::begin(ExchangeId id, call::AnswerHead head) {
  const auto found = open_.find(id);
  if (found == open_.end()) return nullptr;
  if (found->second.streaming) violation_("one-reply: an exchange was begun twice");
  found->second.streaming = true;
  found->second.status = head.status;
  if (found->second.stay) door_->on_answer(*found->second.stay, head.status, head.fields);
  found->second.fields = std::move(head.fields);
  return std::make_shared<Sink>(*this, id);
}

void SimClients::finish(ExchangeId id, bool complete) {
  auto node = open_.extract(id);
  if (node.empty()) return;
  const Open& over = node.mapped();
  over_.insert(id);
  orders_[over.order].open_exchanges -= 1;
  if (complete) {
    told(over, over.status, over.fields, over.body);
  } else {
    again(over.order);
  }
}

}  // namespace hf::sim
