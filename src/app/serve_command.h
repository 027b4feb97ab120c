// `holdfast serve` and `holdfast check`.
#pragma once

#include <string>
#include <vector>

namespace hf::app {

struct ServeOptions {
  std::string config;               // -c FILE
  std::vector<std::string> routes;  // --route PATH=URL
  std::string listen;               // overrides
  std::string journal;              // overrides journal.path
  // A sample of the traffic for `holdfast load --requests`; empty: none.
  std::string record;
  std::string record_share = "100%";
  std::vector<std::string> record_headers;
};
int serve(const ServeOptions& options);

struct CheckOptions {
  std::string config;
  bool print = false;
  bool strict = false;
  bool json = false;
};
int check(const CheckOptions& options);

}  // namespace hf::app
