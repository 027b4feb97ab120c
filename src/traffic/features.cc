#include "traffic/features.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hf::traffic {
namespace {

policy::DimmerConfig dimmer_config(const call::FeatureSettings& settings) {
  policy::DimmerConfig out;
  out.steps = static_cast<int>(settings.flags.size());
  return out;
}

}  // namespace

Features::Features(call::FeatureSettings settings)
    : settings_(std::move(settings)), dimmer_(dimmer_config(settings_)) {
  HF_CHECK(settings_.flags.size() <= kFlagsMax);
}

bool Features::observe(Pressure pressure, const Now& now) {
  pressure_ = std::move(pressure);
  const int before = dimmer_.level();
  bool changed = dimmer_.observe(pressure_.permille, now.mono);
  if (dimmer_.level() > before) ++dims_;
  changed =
      std::erase_if(words_, [&](const auto& word) { return word.second.until <= now.wall; }) > 0 ||
      changed;
  if (changed) ++version_;
  return changed;
}

bool Features::set(std::string_view name, Override word) {
  if (!find(name)) return false;
  words_.insert_or_assign(std::string(name), std::move(word));
  ++version_;
  return true;
}

bool Features::release(std::string_view name) {
  const auto found = words_.find(name);
  if (found == words_.end()) return false;
  words_.erase(found);
  ++version_;
  return true;
}

std::optional<std::size_t> Features::find(std::string_view name) const {
  const auto at = std::find_if(settings_.flags.begin(), settings_.flags.end(),
                               [&](const call::FeatureFlag& flag) { return flag.name == name; });
  if (at == settings_.flags.end()) return std::nullopt;
  return static_cast<std::size_t>(at - settings_.flags.begin());
}

FeatureState Features::state(std::size_t flag) const {
  FeatureState out;
  out.dimmed = flag < static_cast<std::size_t>(dimmer_.level());
  const auto word = words_.find(settings_.flags[flag].name);
  if (word != words_.end()) out.word = word->second;
  out.on = out.word ? out.word->on : !out.dimmed;
  return out;
}

}  // namespace hf::traffic
