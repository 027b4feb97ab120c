// The effective configuration as YAML.
#pragma once

#include <string>

#include "call/settings.h"

namespace hf::config {

// Every value, defaults and presets filled in, as YAML that load_text reads back to the same
// Settings. References to secrets stay references. A secret that was written into the configuration
// itself is shown as "(hidden)": only such a value does not read back. Nor does a text that filling
// in made larger than a configuration may be, which takes hundreds of routes.
std::string print(const call::Settings& settings);

}  // namespace hf::config
