// YAML as a small tree of our own that knows the place of every key and value. The only file beside
// its .cc that knows yaml-cpp is there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/finding.h"

namespace hf::config {

// One value. Of a mapping, keys[i] belongs to items[i].
struct Node {
  enum class Kind { null, scalar, sequence, mapping };
  struct Key {
    std::string text;
    Position at;
  };
  Kind kind = Kind::null;
  Position at;
  std::string text;  // of a scalar
  std::vector<Node> items;
  std::vector<Key> keys;

  // The value of `key`; null when this is no mapping or has none.
  [[nodiscard]] const Node* find(std::string_view key) const;
  // The value below a dotted path of keys, "retry.live.attempts"; null when any is missing.
  [[nodiscard]] const Node* find_path(std::string_view dotted) const;
  // Where to point for a dotted path: the value if it is a scalar, else its key, else the same for
  // as much of the path as is there.
  [[nodiscard]] Position place(std::string_view dotted) const;
};

inline constexpr std::size_t kMaxText = std::size_t{1} << 20;
inline constexpr std::size_t kMaxDepth = 16;
inline constexpr std::size_t kMaxNodes = 50'000;
inline constexpr std::size_t kMaxKeys = 2'000;  // of one mapping

// The one document of `text`. Nothing, with a finding, when it is not YAML, not UTF-8, beyond the
// bounds above, or uses what can make a small text large or surprising: anchors, aliases, tags,
// several documents. An empty text is an empty mapping. A repeated key is a finding and left out.
// Never throws.
std::optional<Node> parse_tree(std::string_view text, Findings& findings);

}  // namespace hf::config
