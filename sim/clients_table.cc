// What may be told to whom: the key table of DESIGN section 3, and everybody's share, judged from
// what the simulated applications asked and heard.
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "sim/clients.h"

namespace hf::sim {
namespace {

// One that is well answers within this time, whatever the others do.
constexpr Duration kCalmWithin = Duration::millis(1500);
// So many held attempts in a row may start while a live request waits for its first one.
constexpr int kHeldInARow = 40;
constexpr Duration kWaitsLong = Duration::seconds(3);
constexpr int kCrowd = 80;

std::string value_of(const Fields& fields, std::string_view name) {
  const Field* field = find_field(fields, name);
  return field == nullptr ? std::string() : field->value;
}

bool among(const std::string& code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

std::string upstream_of_target(const std::string& target) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kRoutes = {{
      {"/shop/", "calm"},
      {"/plain", "plain"},
      {"/stream/", "plain"},
      {"/asked", "asked"},
      {"/llm/", "llm"},
      {"/calm/", "calm"},
      {"/crowd/", "crowded"},
      {"/", "keyed"},
  }};
  for (const auto& [prefix, upstream] : kRoutes) {
    if (target.starts_with(prefix)) return std::string(upstream);
  }
  return {};
}

void SimClients::check_key_table(const Order& order, const Told& told) {
  const auto wrong = [&](const std::string& what) {
    violation_("key-table: " + order.name + " " + what + ": " + std::to_string(told.status) + " " +
               told.code + " " + told.effect);
  };
  if (told.status == 202 && !told.open.prefers_async && !order.agreed_202) {
    wrong("had not agreed to a 202");
  }
  const bool marked = !value_of(told.fields, "Holdfast-Replayed").empty();
  if (marked && (told.status >= 500 || told.status == 409)) {
    wrong("was given what is not final from the journal");
  }
  if (!order.keyed || order.operator_touched || order.method != "POST") return;
  // What is not looked up in the journal says nothing of the key.
  if (among(told.code, {"journal-unavailable", "draining", "not-supported", "overloaded"})) return;
  // Its patience was over before the journal was asked: no call is named.
  if (told.code == "in-progress" && value_of(told.fields, "Holdfast-Call").empty()) return;
  if (told.open.had_final) {
    told_final_of_key(order, told);
  } else if (told.open.had_cancelled && !among(told.code, {"cancelled", "key-expired"})) {
    wrong("was told cancelled, and then");
  }
}

// It had its answer when it asked again: the same comes, marked, or a word of where it went.
void SimClients::told_final_of_key(const Order& order, const Told& told) {
  if (among(told.code, {"answer-not-kept", "key-expired", "outcome-applied"})) return;
  const bool marked = !value_of(told.fields, "Holdfast-Replayed").empty() &&
                      value_of(told.fields, "Idempotent-Replayed") == "true";
  if (told.code.empty() && marked) return;  // that it is the same is judged as one-answer-per-key
  violation_("key-table: " + order.name + " had its answer, and asked again it was told " +
             std::to_string(told.status) + " " + told.code + (marked ? "" : ", unmarked"));
}

void SimClients::check_calm(const Order& order, const Told& told) {
  const Duration took = schedule_.now() - told.open.since;
  const bool well = told.code.empty() && told.status == 200 && took <= kCalmWithin;
  // The key table has its own words for one that a crash cut, or that is under way.
  const bool by_table = told.open.had_final || among(told.code, {"outcome-unknown", "in-progress"});
  // Its sender never heard the answer, and when it came back its body or its key had been kept
  // long enough.
  const bool too_late = retires_ && order.came_back && *order.comes_back >= kKeptAtLeast &&
                        among(told.code, {"answer-not-kept", "key-expired"}) &&
                        told.effect == "applied";
  if (well || by_table || too_late || order.operator_touched || !questions_.well_since) return;
  if (!questions_.well_since(told.open.since - Duration::seconds(1))) return;
  violation_("isolation: " + order.name + ", whose upstream is well, was told " +
             std::to_string(told.status) + " " + told.code + " after " + std::to_string(took.ms()) +
             " ms");
}

// An attempt of an order starts. Held ones do not go for ever before a live one that waits.
void SimClients::note_turn(const std::string& body) {
  const Order* order = order_of(body);
  if (order == nullptr) return;
  const std::string upstream = upstream_of_target(order->target);
  const bool held = order->acknowledged && order->open_exchanges == 0;
  int& row = held_in_a_row_[upstream];
  row = held ? row + 1 : 0;
  if (row <= kHeldInARow || !questions_.well_since) return;
  const Instant long_ago = schedule_.now() - kWaitsLong;
  for (const Order& other : orders_) {
    // That a GET was sent is not seen: it has no body to be known by.
    const bool waits = other.method == "POST" && other.open_exchanges > 0 && !other.acknowledged &&
                       !other.first_sent && other.line.empty() && !other.not_before &&
                       other.asked_at < long_ago;
    if (!waits || upstream_of_target(other.target) != upstream) continue;
    if (!questions_.well_since(other.asked_at)) continue;
    violation_("fair-share: " + std::to_string(row) + " held attempts in a row at " + upstream +
               ", while " + other.name + " waits for its first");
    return;
  }
}

// Many of one at once.
void SimClients::come_as_a_crowd(std::size_t index) {
  orders_[index].crowd = false;
  for (int i = 0; i < kCrowd; ++i) {
    schedule_.after(Duration::micros(prng_.between(0, 1000)),
                    [this, index] { go(index, Kind::order); });
  }
  schedule_.after(Duration::seconds(1), [this, index] { count_crowd(index); });
}

void SimClients::count_crowd(std::size_t index) {
  const Instant before = schedule_.now() - Duration::millis(900);
  if (!questions_.well_since || !questions_.well_since(before)) return;
  const auto waiting = std::count_if(open_.begin(), open_.end(), [&](const auto& open) {
    return open.second.order == index && open.second.since <= before;
  });
  // The first request, and those that may wait for its answer.
  if (waiting > questions_.waiters_max + 1) {
    violation_("bounds: " + std::to_string(waiting) + " requests wait for the answer of " +
               orders_[index].name);
  }
}

}  // namespace hf::sim
