// Reads one mapping: every getter takes a key, fills the value in when it is there and right, and
// leaves a finding when it is there and wrong. Keys that no getter asked for are unknown.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "base/result.h"
#include "config/finding.h"
#include "config/yaml_tree.h"

namespace hf::config {

template <typename E>
struct Word {
  std::string_view text;
  E value;
};

// What a value must be between, both included.
template <typename T>
struct Within {
  T low;
  T high;
};

class Section {
 public:
  // `node` may be null (nothing written). Anything but a mapping is a finding, and reads as empty.
  // The node, the findings and the string literals given to getters must outlive the section.
  Section(const Node* node, std::string path, Findings& findings);

  // The value as it is, for what has a shape of its own; null when it is not there.
  const Node* raw(std::string_view key);
  [[nodiscard]] bool has(std::string_view key) const;
  Section section(std::string_view key);
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Node* node() const { return node_; }
  [[nodiscard]] Findings& findings() { return findings_; }
  void add(Rule rule, std::string_view key, std::string message, std::string suggestion = {});

  void text(std::string_view key, std::string& out);  // not empty
  void flag(std::string_view key, bool& out);
  void integer(std::string_view key, int& out, Within<int> within);
  void size(std::string_view key, std::uint64_t& out, Within<std::uint64_t> within);
  void duration(std::string_view key, Duration& out, Within<Duration> within);
  void range(std::string_view key, DurationRange& out, Within<Duration> within);
  void rate(std::string_view key, Rate& out);
  void permille(std::string_view key, int& out, Within<int> within);
  void durations(std::string_view key, std::vector<Duration>& out, Within<Duration> within);
  void statuses(std::string_view key, std::vector<int>& out);
  void texts(std::string_view key, std::vector<std::string>& out, std::string_view example);

  template <typename E>
  void word(std::string_view key, E& out, const std::vector<Word<E>>& words) {
    const Node* node = scalar(key, "one word");
    if (node == nullptr) return;
    std::vector<std::string_view> known;
    for (const auto& word : words) {
      known.push_back(word.text);
      if (word.text == node->text) {
        out = word.value;
        return;
      }
    }
    wrong_word(key, *node, known);
  }

  // Reports what is left over. To be called once, when everything has been asked for.
  void close();

 private:
  // The value of `key` if it is a scalar; a finding that says what was expected if it is not.
  const Node* scalar(std::string_view key, std::string_view expected);
  const Node* list(std::string_view key, std::string_view expected);
  void wrong_word(std::string_view key, const Node& node,
                  const std::vector<std::string_view>& known);
  template <typename T, typename Parse, typename Format>
  void quantity(std::string_view key, const Node& node, T& out, Within<T> within,
                std::string_view expected, Parse parse, Format format);

  const Node* node_;
  Position at_;  // where the section begins, if it is there at all
  std::string path_;
  Findings& findings_;
  std::vector<std::string_view> asked_;
};

// RFC 6901, but for the empty pointer.
bool is_json_pointer(std::string_view text);

// "found a list", "found `ten`": the second half of a sentence about a wrong type.
std::string found(const Node& node);

}  // namespace hf::config
