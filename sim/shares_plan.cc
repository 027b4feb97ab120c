// Which limits a world has, and where its clients stand.
#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/fields.h"
#include "base/ip_address.h"
#include "sim/shares.h"
#include "sim/upstream.h"

namespace hf::sim {
namespace {

using Kind = call::LimitPart::Kind;

constexpr std::string_view kNetwork = "2001:db8:0:";  // a client's own follows
constexpr std::uint64_t kFew = 256;                   // clients that there is room for

Network network_of(std::string_view text) {
  const auto network = parse_network(text);
  HF_CHECK(network.has_value());
  return *network;
}

call::LimitBan draw_ban(Prng& prng) {
  call::LimitBan ban;
  ban.after = static_cast<int>(prng.between(1, 4));
  ban.within = Duration::seconds(ban.after * prng.between(1, 10));
  ban.lasts = Duration::seconds(prng.between(1, 30));
  return ban;
}

// Each divides its time without rest.
void draw_rate(Prng& prng, call::LimitSettings& limit) {
  constexpr std::pair<std::int64_t, std::int64_t> kRates[] = {{1, 1},  {2, 1}, {5, 1}, {10, 1},
                                                              {5, 20}, {1, 5}, {4, 10}};
  const auto& [count, seconds] = kRates[prng.below(std::size(kRates))];
  limit.rate = Rate{count, Duration::seconds(seconds)};
  limit.burst = prng.chance(1, 2) ? count : prng.between(1, 2 * count);
}

call::LimitSettings draw_shop_limit(Prng& prng) {
  call::LimitSettings limit;
  limit.match.path = "/shop/";
  switch (prng.below(7)) {
    case 0:
      break;  // everybody together
    case 1:
      limit.by = {{Kind::header, "X-Client"}};
      break;
    case 2:
      limit.by = {{Kind::address, {}}, {Kind::header, "Authorization"}};
      break;
    case 3:
      limit.match.path = "/shop/{desk}";
      limit.by = {{Kind::path, "desk"}};
      break;
    case 4:
      limit.by = {{Kind::body, "/client"}};
      break;
    default:
      limit.by = {{Kind::address, {}}};
  }
  draw_rate(prng, limit);
  if (prng.chance(1, 5)) limit.match.methods = {"POST"};
  if (prng.chance(1, 5)) limit.cost = prng.between(2, 4);
  if (prng.chance(1, 4)) limit.cost_header = "X-Cost";
  if (prng.chance(1, 3)) limit.ban = draw_ban(prng);
  if (prng.chance(1, 3)) limit.mode = call::LimitMode::observe;
  if (prng.chance(1, 8)) limit.announce = false;
  if (prng.chance(1, 8)) limit.allow = {network_of("192.0.2.1")};
  if (prng.chance(1, 8)) limit.block = {network_of("192.0.2.2")};
  return limit;
}

// For all requests, of which most are well within it.
call::LimitSettings draw_wide_limit(Prng& prng) {
  call::LimitSettings limit;
  limit.by = {{Kind::address, {}}};
  if (prng.chance(1, 3)) limit.by.push_back({Kind::header, "Authorization"});
  limit.rate = Rate{prng.chance(1, 2) ? 5 : 10, Duration::seconds(1)};
  limit.burst = prng.between(5, 20);
  if (prng.chance(1, 4)) limit.ban = draw_ban(prng);
  if (prng.chance(1, 4)) limit.mode = call::LimitMode::observe;
  return limit;
}

// Whoever is answered so again and again has to stay away.
call::LimitSettings draw_guessing_limit(Prng& prng) {
  call::LimitSettings limit;
  limit.by = {{Kind::address, {}}};
  limit.ban = draw_ban(prng);
  limit.ban->within = Duration::seconds(limit.ban->after * prng.between(5, 30));
  limit.ban->lasts = Duration::seconds(prng.between(1, 5));
  limit.ban->on = {400, 401, 500, 502, 503};
  if (prng.chance(1, 4)) limit.mode = call::LimitMode::observe;
  return limit;
}

void draw_limits(Prng& prng, call::TrafficSettings& traffic) {
  traffic.keys_max = 10'000;
  const auto many = prng.between(1, 3);
  for (std::int64_t i = 0; i < many; ++i)
    traffic.limits.push_back(draw_shop_limit(prng));
  if (prng.chance(1, 3)) traffic.limits.push_back(draw_wide_limit(prng));
  if (prng.chance(1, 4)) traffic.limits.push_back(draw_guessing_limit(prng));
}

// One place in each part of the table, and more clients than that.
void draw_few_places(Prng& prng, call::TrafficSettings& traffic) {
  traffic.keys_max = kFew;
  const auto many = prng.between(1, 3);
  for (std::int64_t i = 0; i < many; ++i) {
    call::LimitSettings limit;
    limit.match.path = "/shop/";
    limit.by = {{Kind::address, {}}};
    if (prng.chance(1, 3)) limit.by.push_back({Kind::header, "Authorization"});
    limit.rate = Rate{1, Duration::seconds(prng.between(1, 10))};
    limit.burst = prng.between(1, 3);
    traffic.limits.push_back(std::move(limit));
  }
}

}  // namespace

bool forgets(const call::TrafficSettings& traffic) {
  return traffic.keys_max <= kFew;
}

Caller draw_caller(Prng& prng, std::uint64_t number) {
  const auto port = prng.between(1024, 65'535);
  switch (number % 3) {
    case 0:
      return {fmt::format("[{}{:x}::{:x}]:{}", kNetwork, number, prng.between(1, 65'535), port),
              {}};
    case 1:
      return {fmt::format("192.0.2.{}:{}", number, port), {}};
    default:
      // What its client wrote there itself says nothing.
      return {fmt::format("10.0.0.{}:{}", prng.between(1, 3), port),
              fmt::format("192.0.2.{}, 192.0.2.{}", prng.below(4), number)};
  }
}

std::string caller_of(const call::IncomingHead& head) {
  const Field* forwarded = find_field(head.fields, "X-Forwarded-For");
  if (forwarded != nullptr) return forwarded->value.substr(forwarded->value.rfind(' ') + 1);
  const std::string& from = head.client_address;
  if (from.starts_with('[')) return from.substr(1, from.find("::") - 1);
  return from.substr(0, from.rfind(':'));
}

std::shared_ptr<const call::Settings> with_limits(Prng prng, const call::Settings& settings) {
  auto out = std::make_shared<call::Settings>(settings);
  out->traffic.client_address.trusted = {network_of("10.0.0.0/8")};
  if (prng.chance(1, 3)) {
    draw_few_places(prng, out->traffic);
  } else {
    draw_limits(prng, out->traffic);
  }
  for (std::size_t i = 0; i < out->traffic.limits.size(); ++i)
    out->traffic.limits[i].name = fmt::format("limit-{}", i + 1);
  auto route = std::make_shared<call::RouteSettings>();
  route->path = "/shop/";
  route->upstream = std::string(kCalm);
  out->routes.push_back(std::move(route));
  return out;
}

}  // namespace hf::sim
