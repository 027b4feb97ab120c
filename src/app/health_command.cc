#include "app/health_command.h"

#include <cstdio>

#include "app/admin_client.h"

namespace hf::app {
namespace {

constexpr Duration kPatience = Duration::seconds(3);  // probes do not wait longer

int failed(const Error& error) {
  std::fputs(("health: " + error.context + "\n").c_str(), stderr);
  return 1;
}

}  // namespace

int health(const HealthOptions& options) {
  const auto place = find_health(options.config, options.address);
  if (!place.ok()) return failed(place.error());
  const auto answer = ask_admin(*place, "GET", "/readyz", {}, kPatience);
  if (!answer.ok()) return failed(answer.error());
  std::fputs((*answer).body.c_str(), stdout);
  return (*answer).status == 200 ? 0 : 1;
}

}  // namespace hf::app
