// What the simulated applications make of an answer, and what must be true of it.
#include <string_view>
#include <utility>

#include "sim/clients.h"

namespace hf::sim {
namespace {

// Patience, a live attempt that ends with its head timeout, and a slow journal on top.
constexpr Duration kAnswerWithin = Duration::seconds(90);
constexpr int kShopTriesMax = 12;

std::string value_of(const Fields& fields, std::string_view name) {
  const Field* field = find_field(fields, name);
  return field == nullptr ? std::string() : field->value;
}

std::string problem_code(const Fields& fields, const std::string& body) {
  if (value_of(fields, "Content-Type") != "application/problem+json") return {};
  constexpr std::string_view kUrn = "urn:holdfast:problem:";
  const auto at = body.find(kUrn);
  if (at == std::string::npos) return "?";
  const auto end = body.find('"', at);
  return body.substr(at + kUrn.size(), end - at - kUrn.size());
}

// A text member of a flat JSON object that we wrote ourselves.
std::string member(const std::string& json, const std::string& name) {
  auto at = json.find("\"" + name + "\":");
  if (at == std::string::npos) return {};
  at = json.find('"', at + name.size() + 3);
  if (at == std::string::npos) return {};
  return json.substr(at + 1, json.find('"', at + 1) - at - 1);
}

bool busy(const std::string& code) {
  return code == "journal-unavailable" || code == "draining" || code == "in-progress";
}

}  // namespace

void SimClients::told(const Open& open, int status, const Fields& fields, const std::string& body) {
  const Told told{
      open, status, fields, body, problem_code(fields, body), value_of(fields, "Holdfast-Effect")};
  if (trace_) {
    trace_("told " + open.body_sent + " kind " + std::to_string(static_cast<int>(open.kind)) +
           ": " + std::to_string(status) + " " + (told.code.empty() ? body : told.code) +
           " effect " + told.effect + " call " + value_of(fields, "Holdfast-Call"));
  }
  if (questions_.heard) questions_.heard(std::to_string(status) + body);
  const Duration took = schedule_.now() - open.since;
  if (took > kAnswerWithin) {
    violation_("patience: " + orders_[open.order].name + " waited " +
               std::to_string(took.ceil_seconds()) + " s for an answer");
  }
  if (open.refused) {
    told_of_limit(told);
  } else if (open.kind == Kind::order) {
    told_of_order(told);
  } else {
    told_of_aside(told);
  }
  aside_perhaps(open.order);
}

// Effect none means none, at the moment of saying so and for the request it was said of.
void SimClients::check_effect(Order& order, const Told& told) {
  // These are said of a request that was not looked at further.
  const bool refused = told.code == "key-owned-by-another" || told.code == "key-reused" ||
                       told.code == "not-supported";
  const bool none = told.effect == "none" && !refused;
  // While another request of its is under way, that one may still send it: one that is open, or
  // one that its client left a moment ago.
  const bool alone = order.open_exchanges == 0 &&
                     (!order.left_at || schedule_.now() - *order.left_at > kAnswerWithin);
  order.last_told_none = none && alone ? told.open.body_sent : std::string();
  if (none && effects_of_(told.open.body_sent) > 0) {
    violation_("attribution: " + order.name + " was told effect none (" + told.code +
               ") but the upstream has it");
  }
  // DESIGN section 3: an answer that is gone counts as applied, with its status beside it.
  const bool gone = told.code == "key-expired" || told.code == "answer-not-kept";
  const bool rejected = gone && questions_.rejected && questions_.rejected(told.open.body_sent);
  if (told.effect == "applied" && effects_of_(told.open.body_sent) == 0 && !rejected &&
      !order.operator_touched) {
    violation_("attribution: " + order.name + " was told effect applied (" + told.code +
               ") and the upstream does not have it");
  }
  if (told.code == "cancelled") order.told_cancelled = true;
}

// Replies that name a call which is on disk.
void SimClients::learn_call(Order& order, const Told& told) {
  auto call = CallId::parse(value_of(told.fields, "Holdfast-Call"));
  const bool promised = told.status == 202 || told.code == "held";
  if (promised && !call.ok()) violation_("never-lost: acknowledged without a call id");
  if (!call.ok()) return;
  if (promised) {
    acknowledged_.insert(*call);
    if (!order.acknowledged) order.acknowledged = true_now();
  }
  if (order.keyed && !busy(told.code)) order.call = *call;
}

void SimClients::told_of_order(const Told& told) {
  const std::size_t index = told.open.order;
  Order& order = orders_[index];
  check_effect(order, told);
  check_key_table(order, told);
  if (order.target.starts_with("/calm/")) check_calm(order, told);
  if (order.importance) check_crowd(order, told.open.body_sent, told.body, told.effect);
  check_durable(told);
  const bool by_lookup = told.status == 200 && told.effect == "applied";
  const bool final = told.code.empty() && (told.effect.empty() || by_lookup) && told.status < 500 &&
                     told.status != 429 && told.status != 409;
  if (order.method == "POST" && (final || !told.code.empty() || told.status == 202)) {
    learn_call(order, told);
  }
  if (by_lookup || told.code == "outcome-applied") found_ += 1;
  if (final) {
    const bool first = !order.final_answer.has_value();
    if (first) order.done_at = schedule_.now();
    told_final(order, told);
    if (first && prng_.chance(300, 1000)) {
      again(index);  // asks once more: the same answer must come
    } else {
      order.done = true;
    }
    if (first && order.comes_back && !order.came_back) come_back(index);
    return;
  }
  const bool ended = told.code == "cancelled" || told.code == "key-expired" ||
                     told.code == "answer-not-kept" || told.code == "outcome-applied";
  const bool unknown =
      told.code == "outcome-unknown" ||
      (told.effect == "unknown" && find_field(told.fields, "x-should-retry") != nullptr);
  if (unknown) {
    order.told_unknown = true;
    if (order.final_answer && order.keyed) {
      violation_("one-answer-per-key: " + order.name + " became unknown after its answer");
    }
  }
  if (told.status == 202 || told.code == "held") order.prefer.clear();
  if (order.fickle_permille > 0 && order.call && told.effect == "unknown" &&
      prng_.chance(static_cast<std::uint64_t>(order.fickle_permille), 1000)) {
    schedule_.after(Duration::millis(prng_.between(0, 5000)),
                    [this, index] { go(index, Kind::cancel); });
  }
  // Whoever gave it a deadline does not ask again: that would be a new one.
  if (order.deadline && order.acknowledged) {
    order.done = true;
    return;
  }
  // A person may still try again under the same key: it must never be sent.
  if ((ended || unknown) && (prng_.chance(500, 1000) || order.tries >= kTriesMax)) {
    order.done = true;
    return;
  }
  again(index);
}

// Nothing was done with it. Some wait for as long as they are told.
void SimClients::told_of_limit(const Told& told) {
  if (told.open.kind != Kind::order) return;
  const std::size_t index = told.open.order;
  Order& order = orders_[index];
  check_effect(order, told);
  const bool tired =
      told.status == 403 || (order.target.starts_with("/shop/") && order.tries >= kShopTriesMax);
  if (tired || (order.deadline && order.acknowledged)) order.done = true;
  const std::string wait = value_of(told.fields, "Retry-After");
  if (!order.patient || wait.empty() || order.done || order.tries >= kTriesMax) {
    again(index);
    return;
  }
  schedule_.after(Duration::seconds(std::stoll(wait)), [this, index] { ask(index); });
}

// Much later somebody has the same order sent once more.
void SimClients::come_back(std::size_t index) {
  orders_[index].came_back = true;
  schedule_.after(*orders_[index].comes_back, [this, index] {
    orders_[index].done = false;
    ask(index);
  });
}

// What was told is synced: no crash makes it untrue.
void SimClients::check_durable(const Told& told) {
  auto call = CallId::parse(value_of(told.fields, "Holdfast-Call"));
  if (!call.ok() || !questions_.not_durable) return;
  // What is not plainly final promises nothing.
  if (told.code.empty() && told.status != 202 && !told.effect.empty()) return;
  const std::string why = questions_.not_durable(*call, told.code, told.status);
  if (!why.empty()) {
    violation_("durable-before-visible: " + orders_[told.open.order].name + " was told " +
               std::to_string(told.status) + " " + told.code + ", and " + why);
  }
  if (told.code == "paused" && questions_.pause_asked &&
      !questions_.pause_asked(orders_[told.open.order])) {
    violation_("isolation: " + orders_[told.open.order].name +
               " was paused, and nobody had asked that of its owner");
  }
}

void SimClients::told_final(Order& order, const Told& told) {
  const std::string answer = std::to_string(told.status) + " " + told.body;
  if (order.method != "POST") {
    order.final_answer = answer;
    return;
  }
  if (told.status == 200 && effects_of_(told.open.body_sent) == 0) {
    violation_("attribution: " + order.name + " was told success without an effect");
  }
  // Where something may have been done before, what comes from in front of the upstream ends
  // nothing.
  if (told.status >= 300 && effects_of_(told.open.body_sent) > 0 && order.keyed &&
      !order.operator_touched && !(questions_.forgot && questions_.forgot(order.name))) {
    violation_("attribution: " + order.name + " was given " + std::to_string(told.status) +
               " as its answer, and took effect");
  }
  if (order.keyed && order.final_answer && *order.final_answer != answer) {
    violation_("one-answer-per-key: " + order.name + " got '" + *order.final_answer +
               "' and then '" + answer + "'");
  }
  if (!order.final_answer) order.final_answer = answer;
}

void SimClients::told_status(const Told& told) {
  Order& order = orders_[told.open.order];
  const std::string state = member(told.body, "state");
  if (state == "answered") {
    go(told.open.order, Kind::response, true);
  } else if (order.final_answer) {
    violation_("truth: " + order.name + " has its answer and its status says " + state);
  }
  if (state == "cancelled") order.told_cancelled = true;
  if ((state == "dead" || state == "cancelled") && told.effect != "none") {
    violation_("truth: " + order.name + " is " + state + " with effect " + told.effect);
  }
}

void SimClients::told_of_aside(const Told& told) {
  Order& order = orders_[told.open.order];
  const auto wrong = [&](const std::string& what) {
    violation_("truth: " + order.name + ", " + what + ": " + std::to_string(told.status) + " " +
               told.code + " " + told.effect);
  };
  const bool shows = told.body.find("receipt") != std::string::npos ||
                     told.body.find(order.name) != std::string::npos;
  switch (told.open.kind) {
    case Kind::stranger_status:
    case Kind::stranger_cancel:
      if ((told.code != "no-such-call" && !busy(told.code)) || shows) wrong("a stranger asked");
      return;
    case Kind::other_owner:
      if ((told.code != "key-owned-by-another" && told.code != "not-supported" &&
           !busy(told.code)) ||
          shows) {
        wrong("another owner used its key");
      }
      return;
    case Kind::changed_body:
      // What it asks may not be offered any more under another configuration.
      if (told.code == "not-supported") return;
      if (told.code != "key-reused" && told.code != "key-expired" && !busy(told.code)) {
        wrong("its key came with another body");
      }
      return;
    default:
      break;
  }
  if (told.effect == "none" && effects_of_(order.name) > 0) wrong("said to have no effect");
  if (told.code == "cancelled") order.told_cancelled = true;
  if (told.code == "no-such-call") {
    wrong("its owner asked");
    return;
  }
  if (told.open.kind == Kind::response) {
    if (told.code.empty() && (told.effect.empty() || told.effect == "applied")) {
      told_final(order, told);
    } else if (told.open.must_be_answered && !busy(told.code) && told.code != "answer-not-kept" &&
               told.code != "outcome-applied") {
      wrong("its status was answered and its response is not");
    } else if (told.code == "answer-not-kept" && !retires_ && !order.operator_touched) {
      wrong("its answer should have been kept");
    }
    return;
  }
  if (told.open.kind == Kind::cancel && told.status == 202) order.told_last_try = true;
  if (told.status == 200) told_status(told);
}

}  // namespace hf::sim
