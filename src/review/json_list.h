// A JSON array of finished values, beside call/reply_json.h.
#pragma once

#include <string>
#include <string_view>

#include "call/reply_json.h"

namespace hf::review {

// `one` makes a finished JSON value of each item.
template <typename Items, typename One>
std::string json_list(const Items& items, One one) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += one(item);
  }
  return out + "]";
}

}  // namespace hf::review
