// What a measured rate means for whoever pays: headroom over the traffic there is, and the price of
// a million calls.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hf::load {

// A price file (docs/load.md).
struct Prices {
  std::string currency = "USD";
  double hourly = 0;                          // of everything that served the load, together
  double per_call = 0;                        // of one request
  std::map<std::string, double> per_attempt;  // by upstream
};

struct CapacityAsked {
  std::optional<double> traffic;  // requests a second that there are now
  std::string traffic_from;       // where that number comes from
  double growth = 0;              // a month: 0.2 is 20 %
  std::optional<Prices> prices;
};

struct Capacity {
  std::optional<double> headroom;  // kept rate over traffic
  std::optional<double> months;    // until growth has used it up
  std::optional<double> million;   // price of a million calls at the kept rate
  std::string currency;
  std::vector<std::string> sentences;
};

// Of a rate that was kept (0: none); `attempts_per_call` by upstream, 1 where it is not known.
Capacity capacity_of(double kept, const CapacityAsked& asked,
                     const std::map<std::string, double>& attempts_per_call);

}  // namespace hf::load
