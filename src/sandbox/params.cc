#include "sandbox/params.h"

#include <openssl/sha.h>

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/fields.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] == '%' && i + 2 < text.size() && from_hex(text.substr(i + 1, 2)).ok()) {
      out += from_hex(text.substr(i + 1, 2)).value();
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Depth is bounded by the JSON parser's own limit.
void flatten(const std::string& name, const json::value& value, Params& out) {
  if (out.size() >= kMaxParams) return;
  const auto child = [&name](std::string_view key) {
    return name.empty() ? std::string(key) : name + '[' + std::string(key) + ']';
  };
  if (const auto* object = value.if_object()) {
    for (const auto& member : *object) {
      flatten(child({member.key().data(), member.key().size()}), member.value(), out);
    }
  } else if (const auto* array = value.if_array()) {
    std::size_t index = 0;
    for (const auto& item : *array)
      flatten(child(std::to_string(index++)), item, out);
  } else if (const auto* text = value.if_string()) {
    out.push_back({name, std::string(text->data(), text->size())});
  } else {
    out.push_back({name, json::serialize(value)});
  }
}

}  // namespace

Params parse_form(std::string_view text) {
  Params out;
  while (!text.empty() && out.size() < kMaxParams) {
    const auto end = text.find('&');
    const auto item = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (item.empty()) continue;
    const auto equals = item.find('=');
    const auto value =
        equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1);
    out.push_back({percent_decode(item.substr(0, equals)), percent_decode(value)});
  }
  return out;
}

Params parse_json_params(std::string_view text) {
  json::error_code error;
  const auto value = json::parse({text.data(), text.size()}, error);
  Params out;
  if (!error && value.is_object()) flatten({}, value, out);
  return out;
}

Params parse_body_params(std::string_view content_type, std::string_view body) {
  if (body.empty()) return {};
  const auto type = lower_ascii(content_type);
  if (type.find("json") != std::string::npos) return parse_json_params(body);
  if (type.empty() || type.find("form-urlencoded") != std::string::npos) return parse_form(body);
  return {};
}

const std::string* find_param(const Params& params, std::string_view name) {
  for (const auto& param : params) {
    if (param.name == name) return &param.value;
  }
  return nullptr;
}

std::string param_or(const Params& params, std::string_view name, std::string_view fallback) {
  const auto* found = find_param(params, name);
  return found != nullptr ? *found : std::string(fallback);
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace hf::sandbox
