#include "sim/clients.h"

#include <utility>

namespace hf::sim {
namespace {

constexpr int kTriesMax = 60;

std::string problem_code(const Fields& fields, const std::string& body) {
  const Field* type = find_field(fields, "Content-Type");
  if (type == nullptr || type->value != "application/problem+json") return {};
  constexpr std::string_view kUrn = "urn:holdfast:problem:";
  const auto at = body.find(kUrn);
  if (at == std::string::npos) return "?";
  const auto end = body.find('"', at);
  return body.substr(at + kUrn.size(), end - at - kUrn.size());
}

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

SimClients::SimClients(Schedule& schedule, Prng prng, const call::Intake& intake,
                       std::function<void(std::string)> violation,
                       std::function<std::size_t(const std::string&)> effects_of)
    : schedule_(schedule),
      prng_(std::move(prng)),
      intake_(intake),
      violation_(std::move(violation)),
      effects_of_(std::move(effects_of)) {}

void SimClients::add(Order order, Duration starts_after) {
  orders_.push_back(std::move(order));
  const std::size_t index = orders_.size() - 1;
  schedule_.after(starts_after, [this, index] { ask(index); });
}

bool SimClients::all_done() const {
  for (const Order& order : orders_) {
    if (!order.done) return false;
  }
  return true;
}

void SimClients::ask(std::size_t index) {
  Order& order = orders_[index];
  if (order.done) return;
  if (events_ == nullptr) {  // nobody listens: connection refused
    again(index);
    return;
  }
  order.tries += 1;
  call::IncomingHead head;
  head.method = order.method;
  head.target = order.target;
  head.fields = {{"Host", "holdfast.test"},
                 {"Authorization", "Bearer shop"},
                 {"Content-Type", "text/plain"},
                 {"X-Order", order.name}};
  if (order.fresh_keys) {
    head.fields.push_back({"Idempotency-Key", "sdk-" + order.name + std::to_string(order.tries)});
  } else if (!order.header_key.empty()) {
    head.fields.push_back({"Idempotency-Key", order.header_key});
  }
  if (order.async) head.fields.push_back({"Prefer", "respond-async"});
  head.client_address = "127.0.0.1:1";
  head.has_body = order.method == "POST";
  if (head.has_body) head.length = order.name.size();
  const ExchangeId id{next_++};
  open_.emplace(id, Open{index, false, 0, {}});
  order.open_exchanges += 1;
  call::HeadVerdict verdict = intake_.on_head(head);
  if (auto* refused = std::get_if<call::Reply>(&verdict)) {
    reply(id, std::move(*refused));
  } else if (auto* streamed = std::get_if<call::Streamed>(&verdict)) {
    events_->on_call(id, std::move(streamed->call), nullptr);
  } else {
    call::CallVerdict call = intake_.on_request(head, make_body(order.name));
    if (auto* refusal = std::get_if<call::Reply>(&call)) {
      reply(id, std::move(*refusal));
    } else {
      events_->on_call(id, std::move(std::get<call::NewCall>(call)), nullptr);
    }
  }
  if (leaving_ && prng_.chance(static_cast<std::uint64_t>(order.gone_permille), 1000)) {
    schedule_.after(Duration::micros(prng_.between(0, 50'000)), [this, id] {
      const auto found = open_.find(id);
      if (found == open_.end() || events_ == nullptr) return;
      const std::size_t of = found->second.order;
      open_.erase(found);
      orders_[of].open_exchanges -= 1;
      events_->on_gone(id);
      again(of);
    });
  }
  if (leaving_ && prng_.chance(static_cast<std::uint64_t>(order.twin_permille), 1000)) {
    schedule_.after(Duration::micros(prng_.between(0, 20'000)), [this, index] { ask(index); });
  }
}

void SimClients::again(std::size_t index) {
  Order& order = orders_[index];
  if (order.done) return;
  if (order.tries >= kTriesMax) {
    order.done = true;
    return;
  }
  const std::int64_t wait = std::min<std::int64_t>(200 * (order.tries + 1), 30'000);
  schedule_.after(Duration::millis(prng_.between(wait / 2, wait)), [this, index] { ask(index); });
}

void SimClients::cut_all() {
  events_ = nullptr;
  const auto cut = std::exchange(open_, {});
  for (const auto& [id, exchange] : cut) {
    orders_[exchange.order].open_exchanges -= 1;
    again(exchange.order);
  }
}

void SimClients::reply(ExchangeId id, call::Reply reply) {
  const auto found = open_.find(id);
  if (found == open_.end()) {
    if (over_.contains(id)) violation_("exchange answered twice");
    return;
  }
  const std::size_t order = found->second.order;
  open_.erase(found);
  over_.insert(id);
  orders_[order].open_exchanges -= 1;
  told(order, reply.status, reply.fields, std::string(view(reply.body)));
}

std::shared_ptr<ports::AnswerSink> SimClients::begin(ExchangeId id, call::AnswerHead head) {
  const auto found = open_.find(id);
  if (found == open_.end()) return nullptr;
  if (found->second.streaming) violation_("exchange begun twice");
  found->second.streaming = true;
  found->second.status = head.status;
  return std::make_shared<Sink>(*this, id);
}

void SimClients::finish(ExchangeId id, bool complete) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  const Open over = found->second;
  open_.erase(found);
  over_.insert(id);
  orders_[over.order].open_exchanges -= 1;
  if (complete) {
    told(over.order, over.status, {}, over.body);
  } else {
    again(over.order);
  }
}

void SimClients::told(std::size_t index, int status, const Fields& fields,
                      const std::string& body) {
  Order& order = orders_[index];
  const std::string code = problem_code(fields, body);
  const Field* effect = find_field(fields, "Holdfast-Effect");
  order.last_told_none = effect != nullptr && effect->value == "none";
  if (order.last_told_none && code != "key-owned-by-another" && code != "key-reused" &&
      effects_of_(order.name) > 0) {
    violation_("attribution: " + order.name + " was told effect none (" + code +
               ") but the upstream has it");
  }
  if (status == 202 || code == "held") {
    const Field* id = find_field(fields, "Holdfast-Call");
    if (id != nullptr) {
      if (auto call = CallId::parse(id->value); call.ok()) acknowledged_.insert(*call);
    } else {
      violation_("acknowledged without a call id");
    }
    order.async = false;
    again(index);
    return;
  }
  const bool final =
      code.empty() && effect == nullptr && status < 500 && status != 429 && status != 409;
  if (final) {
    const std::string answer = std::to_string(status) + " " + body;
    if (order.method == "POST" && status == 200 && effects_of_(order.name) == 0) {
      violation_("attribution: " + order.name + " was told success without an effect");
    }
    if (order.final_answer && *order.final_answer != answer && order.method == "POST") {
      violation_("one-answer-per-key: " + order.name + " got '" + *order.final_answer +
                 "' and then '" + answer + "'");
    }
    const bool first = !order.final_answer.has_value();
    order.final_answer = answer;
    if (first && prng_.chance(300, 1000)) {
      again(index);  // asks once more: the same answer must come
      return;
    }
    order.done = true;
    return;
  }
  if (code == "outcome-unknown" || (effect != nullptr && effect->value == "unknown" &&
                                    find_field(fields, "x-should-retry") != nullptr)) {
    order.told_unknown = true;
    if (order.final_answer) {
      violation_("one-answer-per-key: " + order.name + " became unknown after its answer");
    }
    // A person may still try again under the same key: it must never be sent.
    if (prng_.chance(500, 1000) && order.tries < kTriesMax) {
      again(index);
      return;
    }
    order.done = true;
    return;
  }
  again(index);
}

}  // namespace hf::sim
