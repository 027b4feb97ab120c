// What `features` of the configuration says: optional parts of an application that are switched off
// while it is overloaded. Plain data; traffic/features.h decides.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"

namespace hf::call {

// A flag as OpenFeature SDKs know it. Values are JSON: true, false, a number or a string, both of
// one kind.
struct FeatureFlag {
  std::string name;
  std::string on = "true";
  std::string off = "false";
  bool operator==(const FeatureFlag&) const = default;
};

struct FeatureSettings {
  std::string listen;                // OFREP; empty: there are no features
  std::string token;                 // may hold ${file:...} and ${env:...}; empty: anybody may ask
  std::vector<std::string> origins;  // web pages that may ask (CORS); "*": any
  std::vector<std::string> watch;    // upstreams whose load counts; empty: all
  Duration target = Duration::millis(100);  // of queueing, where an upstream has none of its own
  // The first goes off first.
  std::vector<FeatureFlag> flags;
  bool operator==(const FeatureSettings&) const = default;
};

}  // namespace hf::call
