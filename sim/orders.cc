// What the clients of a world want: its orders.
#include <algorithm>
#include <iterator>
#include <utility>

#include "sim/world.h"

namespace hf::sim {
namespace {

// Long after the troubles are over: pauses, open breakers and backlogs of them are gone.
constexpr Duration kWellAgain = Duration::hours(3);

}  // namespace

struct World::Way {
  const char* path;
  bool keyed;
  bool header_key;
};

void World::place(Order order, Duration starts_after) {
  order.agreed_202 = order.target.starts_with("/async/") ||
                     settings_->routes.front()->held_answer == call::HeldAnswer::accepted;
  if (plan_.limits) draw_asker(order);
  if (only_.empty() || only_.contains(order.name)) clients_->add(std::move(order), starts_after);
}

void World::place_orders(Prng& prng) {
  if (edition_ == Edition::full) {
    place_all_kinds(prng);
  } else {
    place_few(prng);
  }
}

// At least 200, over a minute, of every kind; and some at the end, which everything must be well
// again for.
void World::place_all_kinds(Prng& prng) {
  constexpr Way kWays[] = {
      {"/pay/", true, false},        {"/pay/", true, false},       {"/live/", true, true},
      {"/plain/", true, false},      {"/plain-live/", true, true}, {"/async/", true, false},
      {"/unstable/", true, true},    {"/unstable/", true, true},   {"/made/", false, false},
      {"/made/", false, false},      {"/stream/", false, false},   {"/stream/", false, false},
      {"/llm/", false, false},       {"/asked/", true, false},     {"/asked/", true, false},
      {"/asked-live/", true, false}, {"/async/", true, false},     {"/calm/", true, false}};
  const auto count = static_cast<std::size_t>(prng.between(200, 240));
  for (std::size_t i = 0; i < count; ++i) {
    Order order = draw_order(prng, kWays[prng.below(std::size(kWays))], i);
    const bool calm = order.target.starts_with("/calm/");
    if (order.keyed && !calm) ask_more(prng, order);
    order.careful = !order.keyed && !order.repeatable && prng.chance(1, 2);
    if (calm) order.gone_permille = order.nosy_permille = 0;
    if (prng.chance(1, 4)) order.owner = "market";
    if (order.keyed && order.method == "POST" && prng.chance(1, 8)) order.fickle_permille = 300;
    if (order.keyed && prng.chance(1, 5)) {
      order.comes_back = Duration::seconds(prng.between(10, 2400));
    }
    const bool live = order.target.starts_with("/live/") || order.target.starts_with("/pay/");
    order.crowd = live && order.method == "POST" && i < 40 && prng.chance(1, 40);
    place(std::move(order), Duration::millis(prng.between(0, 60'000)));
  }
  place_crowd(prng.fork("crowd"));
  if (plan_.limits) place_shop(prng.fork("shop"));
  constexpr Way kLast[] = {{"/live/", true, true},
                           {"/plain-live/", true, true},
                           {"/asked-live/", true, false},
                           {"/llm/", false, false}};
  for (std::size_t i = 0; i < std::size(kLast); ++i) {
    Order order;
    order.name = "last-" + std::to_string(i);
    order.target = kLast[i].path + order.name;
    order.keyed = kLast[i].keyed;
    order.repeatable = !order.keyed;
    if (kLast[i].header_key) order.header_key = "key-" + order.name;
    order.fresh_keys = order.keyed && order.header_key.empty();
    order.must_succeed_within = Duration::minutes(2);
    order.patient = true;
    place(std::move(order), kWellAgain);
  }
  verdict_.calls = count + std::size(kLast);
}

// In half of the worlds, once or twice: more in a second or two than a crowded upstream bears.
void World::place_crowd(Prng prng) {
  const auto bursts = prng.chance(1, 2) ? 0 : prng.between(1, 2);
  for (std::int64_t burst = 0; burst < bursts; ++burst) {
    const std::int64_t from = prng.between(1'000, 50'000);
    const std::int64_t lasts = prng.between(300, 3'000);
    const auto count = prng.between(30, 120);
    for (std::int64_t i = 0; i < count; ++i) {
      Order order;
      order.name = "crowd-" + std::to_string(burst) + "-" + std::to_string(i);
      order.target = "/crowd/" + order.name;
      order.keyed = false;
      order.repeatable = true;
      order.importance = static_cast<int>(prng.between(0, 3));
      if (prng.chance(1, 3)) order.owner = "market";
      place(std::move(order), Duration::millis(from + prng.between(0, lasts)));
    }
  }
}

// Who it comes from, unless that is known.
void World::draw_asker(Order& order) {
  Prng& prng = callers_prng_;
  const std::uint64_t most = forgets(declared_->traffic) ? 120 : 8;
  if (order.caller_number == 0) order.caller_number = 1 + prng.below(most);
  order.caller = draw_caller(prng, order.caller_number);
  order.patient = order.patient || prng.chance(1, 2);
  constexpr const char* kClients[] = {"", "app-1", "app-2", "app-3"};
  constexpr const char* kCosts[] = {"", "1", "2", "3", "0", "99", "-1", "much"};
  order.client = kClients[prng.below(std::size(kClients))];
  order.cost = kCosts[prng.below(std::size(kCosts))];
}

// Bursts that are mostly of one client, and of many where there is room for few.
void World::place_shop(Prng prng) {
  const bool many = forgets(declared_->traffic);
  const auto bursts = many ? prng.between(2, 3) : prng.between(2, 5);
  for (std::int64_t burst = 0; burst < bursts; ++burst) {
    const std::int64_t from = prng.between(1'000, 90'000);
    const std::int64_t lasts = prng.between(0, many ? 8'000 : 2'000);
    const auto count = many ? prng.between(30, 80) : prng.between(5, 25);
    const std::uint64_t first = 1 + prng.below(8);
    for (std::int64_t i = 0; i < count; ++i) {
      Order order;
      order.name = "shop-" + std::to_string(burst) + "-" + std::to_string(i);
      order.target = "/shop/desk-" + std::to_string(prng.below(3)) + "/" + order.name;
      order.keyed = false;
      if (prng.chance(1, 3)) order.method = "GET";
      if (prng.chance(1, 3)) order.owner = "market";
      if (!many && prng.chance(2, 3)) order.caller_number = first;
      place(std::move(order), Duration::millis(from + prng.between(0, lasts)));
    }
  }
}

void World::place_few(Prng& prng) {
  constexpr Way kWays[] = {
      {"/pay/", true, false},       {"/live/", true, true},   {"/plain/", true, false},
      {"/plain-live/", true, true}, {"/async/", true, false}, {"/unstable/", true, true},
      {"/unstable/", true, true},   {"/made/", false, false}, {"/stream/", false, false},
      {"/llm/", false, false},      {"/pay/", true, false}};
  constexpr Way kAsked[] = {{"/asked/", true, false},
                            {"/asked/", true, false},
                            {"/asked-live/", true, false},
                            {"/async/", true, false}};
  Prng more = prng.fork("asking");
  const auto count = static_cast<std::size_t>(prng.between(20, 50));
  for (std::size_t i = 0; i < count; ++i) {
    Order order = draw_order(prng, kWays[prng.below(std::size(kWays))], i);
    if (order.keyed) ask_more(more, order);
    place(std::move(order), Duration::millis(prng.between(0, 60'000)));
  }
  const std::size_t asked = asking_ ? more.below(30) : 0;
  for (std::size_t i = count; i < count + asked; ++i) {
    Order order = draw_order(more, kAsked[more.below(std::size(kAsked))], i);
    if (order.keyed) ask_more(more, order);
    place(std::move(order), Duration::millis(more.between(0, 60'000)));
  }
  verdict_.calls = count + asked;
}

Order World::draw_order(Prng& prng, const Way& way, std::size_t number) const {
  Order order;
  order.name = "order-" + std::to_string(number);
  // A lookup may ask by the path.
  order.target = std::string(way.path) + (way.keyed && asking_ ? order.name : "charges");
  order.keyed = way.keyed;
  order.repeatable = order.target.starts_with("/llm/");
  if (way.header_key) order.header_key = "key-" + order.name;
  // The business key replaces what the SDK invents.
  order.fresh_keys = way.keyed && !way.header_key;
  if (prng.chance(1, 12)) {
    order.method = "GET";
    order.keyed = false;
  }
  if (way.keyed && prng.chance(1, 3)) {
    const std::string wait = "wait=" + std::to_string(prng.between(0, 8));
    const std::string prefers[] = {"respond-async", wait, "respond-async, " + wait};
    order.prefer = prefers[prng.below(3)];
  }
  order.gone_permille = plan_.client_gone_permille;
  order.twin_permille = order.keyed ? plan_.duplicate_permille : 0;
  order.nosy_permille = plan_.nosy_permille;
  return order;
}

// What a caller may ask of a call that Holdfast keeps.
void World::ask_more(Prng& prng, Order& order) const {
  const auto chance = [&prng](int permille) {
    return prng.chance(static_cast<std::uint64_t>(permille), 1000);
  };
  // A line is of one upstream.
  const std::string upstream = upstream_of_target(order.target);
  if (chance(plan_.line_permille)) {
    order.line = upstream + "-" + std::to_string(prng.between(0, 2));
  }
  if (chance(plan_.timed_permille)) order.urgency = static_cast<int>(prng.between(0, 7));
  const bool live = order.target.find("live") != std::string::npos;
  if (chance(plan_.timed_permille) && !live && !order.target.starts_with("/unstable/")) {
    order.not_before = Duration::seconds(prng.between(1, 120));
  }
  if (chance(plan_.timed_permille)) {
    // One that is asked for again would get a new deadline, so it is asked for once.
    const std::int64_t least = order.not_before ? order.not_before->ceil_seconds() + 1 : 1;
    order.deadline = Duration::seconds(prng.between(least, least + 120));
    order.twin_permille = 0;
    order.nosy_permille = 0;
  }
}

}  // namespace hf::sim
