// Parameters of a request as a flat list, whether they came in a form, in JSON or in the query:
// nested members are written as a form writes them, metadata[order].
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hf::sandbox {

struct Param {
  std::string name;
  std::string value;
  bool operator==(const Param&) const = default;
};

using Params = std::vector<Param>;

constexpr std::size_t kMaxParams = 512;

// Never fails: what cannot be decoded stays as it is. At most kMaxParams.
Params parse_form(std::string_view text);
// Empty unless `text` is a JSON object.
Params parse_json_params(std::string_view text);
// By the content type: JSON, else a form.
Params parse_body_params(std::string_view content_type, std::string_view body);

// The first value of that name, or nullptr.
const std::string* find_param(const Params& params, std::string_view name);
std::string param_or(const Params& params, std::string_view name, std::string_view fallback);

std::string sha256_hex(std::string_view bytes);

}  // namespace hf::sandbox
