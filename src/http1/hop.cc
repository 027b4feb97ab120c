#include "http1/hop.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace hf::http1 {
namespace {

constexpr std::array<std::string_view, 9> kHopByHop = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
};

bool starts_with_name(std::string_view name, std::string_view prefix) {
  return same_name(name.substr(0, prefix.size()), prefix);
}

bool is_one_of(std::string_view name, const auto& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view other) { return same_name(name, other); });
}

bool is_protected(std::string_view name, std::span<const std::string> keep) {
  return same_name(name, "idempotency-key") || same_name(name, "authorization") ||
         same_name(name, "host") || starts_with_name(name, "content-") || is_one_of(name, keep);
}

}  // namespace

void drop_hop_by_hop(Fields& fields, std::span<const std::string> keep) {
  // Copies: the views of list_elements die with the Connection field while others are erased.
  std::vector<std::string> named;
  for (const auto element : list_elements(fields, "connection")) {
    if (!is_one_of(element, kHopByHop)) named.emplace_back(element);
  }
  std::erase_if(fields, [&](const Field& field) {
    if (is_one_of(field.name, kHopByHop)) return true;
    return !named.empty() && is_one_of(field.name, named) && !is_protected(field.name, keep);
  });
}

void drop_holdfast_fields(Fields& fields) {
  std::erase_if(fields, [](const Field& f) { return starts_with_name(f.name, "holdfast-"); });
}

}  // namespace hf::http1
