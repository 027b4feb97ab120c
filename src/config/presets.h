// What is known about some providers: `preset: NAME` at an upstream. docs/presets.md has the same
// rows for people, with the provider's page for each.
#pragma once

#include <string_view>
#include <vector>

#include "call/settings.h"

namespace hf::config {

struct Preset {
  std::string_view name;
  std::string_view host;  // of its public API; empty: it has many
  call::Idempotency idempotency;
  std::vector<call::AnswerRule> classify;
  call::Timeouts timeouts;
  std::vector<call::Part> scope;  // default of key.scope on routes to it
  // How long the provider's SDKs wait for an answer by themselves; zero: without end.
  Duration sdk_timeout;
};

const std::vector<Preset>& presets();
// Null: there is none of that name, or for that host.
const Preset* find_preset(std::string_view name);
const Preset* preset_for_host(std::string_view host);

}  // namespace hf::config
