#include "review/json_tree.h"

#include <algorithm>

#include "call/reply_json.h"

namespace hf::review {
namespace {

constexpr std::size_t kIndexDigits = 2;  // a longer "index" is the name of a member

std::string unescaped(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      ++i;
      out += token[i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

bool is_index(std::string_view name) {
  return !name.empty() && name.size() <= kIndexDigits && (name == "0" || name.front() != '0') &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool JsonTree::put(std::string_view pointer, std::string_view value) {
  return put_json(pointer, call::json_string(value));
}

bool JsonTree::put_json(std::string_view pointer, std::string json) {
  if (value_) return false;
  if (pointer.empty()) {
    if (!members_.empty()) return false;
    value_ = std::move(json);
    return true;
  }
  pointer.remove_prefix(1);  // its slash
  const auto end = std::min(pointer.find('/'), pointer.size());
  return members_[unescaped(pointer.substr(0, end))].put_json(pointer.substr(end), std::move(json));
}

std::string JsonTree::text() const {
  if (value_) return *value_;
  const bool array =
      !members_.empty() && std::all_of(members_.begin(), members_.end(),
                                       [](const auto& member) { return is_index(member.first); });
  if (!array) {
    call::JsonObject out;
    for (const auto& [name, member] : members_)
      out.raw(name, member.text());
    return out.done();
  }
  std::size_t size = 0;
  for (const auto& member : members_)
    size = std::max(size, static_cast<std::size_t>(std::stoi(member.first)) + 1);
  std::string out = "[";
  for (std::size_t i = 0; i < size; ++i) {
    if (i > 0) out += ',';
    const auto found = members_.find(std::to_string(i));
    out += found == members_.end() ? "null" : found->second.text();
  }
  return out + "]";
}

}  // namespace hf::review
