#include "load/capacity.h"

#include <fmt/format.h>

#include <cmath>

#include "load/words.h"

namespace hf::load {
namespace {

constexpr double kMillion = 1e6;

void add_headroom(Capacity& out, double kept, const CapacityAsked& asked) {
  if (!asked.traffic || *asked.traffic <= 0) return;
  out.headroom = kept / *asked.traffic;
  std::string sentence =
      fmt::format("Headroom: {} kept is {:.3g} times the traffic of {} ({}).", per_second(kept),
                  *out.headroom, per_second(*asked.traffic), asked.traffic_from);
  if (*out.headroom < 1) {
    sentence += " It is less than there is already.";
  } else if (asked.growth > 0) {
    out.months = std::log(*out.headroom) / std::log(1 + asked.growth);
    sentence += fmt::format(" Growing by {} a month, that is used up in {:.2g} months.",
                            percent(asked.growth), *out.months);
  }
  out.sentences.push_back(std::move(sentence));
}

void add_price(Capacity& out, double kept, const Prices& prices,
               const std::map<std::string, double>& attempts_per_call) {
  double call = prices.per_call + prices.hourly / 3600 / kept;
  std::string parts = fmt::format("machines {:.4g}", prices.hourly / 3600 / kept * kMillion);
  if (prices.per_call > 0) parts += fmt::format(", calls {:.4g}", prices.per_call * kMillion);
  for (const auto& [upstream, price] : prices.per_attempt) {
    const auto found = attempts_per_call.find(upstream);
    const double attempts = found == attempts_per_call.end() ? 1 : found->second;
    call += attempts * price;
    parts +=
        fmt::format(", {} {:.4g} ({:.3g} attempts a call{})", upstream, attempts * price * kMillion,
                    attempts, found == attempts_per_call.end() ? ", assumed" : "");
  }
  out.million = call * kMillion;
  out.currency = prices.currency;
  out.sentences.push_back(fmt::format("A million calls at {} cost {:.4g} {}: {}.", per_second(kept),
                                      *out.million, prices.currency, parts));
}

}  // namespace

Capacity capacity_of(double kept, const CapacityAsked& asked,
                     const std::map<std::string, double>& attempts_per_call) {
  Capacity out;
  if (kept <= 0) return out;
  add_headroom(out, kept, asked);
  if (asked.prices) add_price(out, kept, *asked.prices, attempts_per_call);
  return out;
}

}  // namespace hf::load
