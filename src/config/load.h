// Configuration: text in, call::Settings and findings out. Nothing here throws, reads the
// environment or resolves a secret; load_file reads the one file it is given.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "call/settings.h"
#include "config/finding.h"
#include "config/places.h"

namespace hf::config {

struct Loaded {
  std::shared_ptr<const call::Settings> settings;  // null when there are errors
  std::vector<Finding> findings;                   // in the order of the text
  Places places;                                   // of the settings' values
};

// At most 1 MiB. A file that cannot be read is a finding too.
Loaded load_file(const std::string& path);
// `file_name` only stands in findings.
Loaded load_text(std::string_view yaml, std::string file_name);

// What `serve` may be told without a file.
struct RouteOptions {
  std::string listen{};        // empty: the default
  std::string admin{};         // empty: none
  std::string health{};        // empty: none
  std::string journal_path{};  // empty: the default
};
// Specs such as "/stripe/=https://api.stripe.com": the prefix is taken off, and the preset of a
// known host applies. Findings carry the spec in place of a file name.
Loaded from_routes(const std::vector<std::string>& specs, const RouteOptions& options = {});

// `check --strict`: warnings become errors, and with any the settings are gone.
Loaded strict(Loaded loaded);

// Deep equality: Settings hold pointers.
bool same_settings(const call::Settings& a, const call::Settings& b);

}  // namespace hf::config
