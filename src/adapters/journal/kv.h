// An ordered key-value store as the readers of this directory see it: two functions, so that a map
// and a database with a batch on top look alike.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hf::adapters {

enum class Direction { ascending, descending };

struct KvView {
  // False from `visit` ends the walk.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;

  std::function<Result<std::optional<std::string>>(std::string_view key)> get;
  // Visits keys in [from, until). The views live as long as the visit.
  std::function<Result<void>(std::string_view from, std::string_view until, Direction direction,
                             const Visit& visit)>
      scan;
};

}  // namespace hf::adapters
