#include "config/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace hf::config {
namespace {

constexpr std::string_view kDuration = "a duration such as 10s or 1h30m";
constexpr std::string_view kSize = "a size such as 64KiB or 10GiB";
constexpr std::string_view kRange = "a range of durations such as 100ms..2s";
constexpr std::string_view kRate = "a rate such as 100/s";
constexpr std::string_view kPercent = "a percentage such as 20%";
constexpr std::string_view kInteger = "a whole number";
constexpr std::string_view kStatuses = "a list of statuses such as [421, 429]";
constexpr std::string_view kDurations = "a list of durations such as [5s, 2m, 1h]";
constexpr Within<int> kStatus{400, 599};
constexpr std::size_t kMaxList = 200;

Result<int> parse_integer(std::string_view text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return fail(ErrorKind::invalid, "not a whole number");
  }
  return out;
}

std::string format_integer(int value) {
  return std::to_string(value);
}

}  // namespace

std::string found(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "found nothing";
    case Node::Kind::scalar:
      return "found " + in_quotes(node.text);
    case Node::Kind::sequence:
      return "found a list";
    case Node::Kind::mapping:
      return "found a mapping";
  }
  return {};
}

Section::Section(const Node* node, std::string path, Findings& findings)
    : node_(node),
      at_(node == nullptr ? Position{} : node->at),
      path_(std::move(path)),
      findings_(findings) {
  if (node_ == nullptr || node_->kind == Node::Kind::mapping) return;
  // `key:` with nothing behind it, say with its lines commented out, is an empty mapping.
  if (node_->kind != Node::Kind::null) {
    findings_.add(Rule::wrong_type, node_->at, path_,
                  "expected a mapping of keys and values, " + found(*node_));
  }
  node_ = nullptr;
}

const Node* Section::raw(std::string_view key) {
  asked_.push_back(key);
  return node_ == nullptr ? nullptr : node_->find(key);
}

bool Section::has(std::string_view key) const {
  return node_ != nullptr && node_->find(key) != nullptr;
}

Section Section::section(std::string_view key) {
  return {raw(key), path_of(key), findings_};
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void Section::add(Rule rule, std::string_view key, std::string message, std::string suggestion) {
  const Position at = node_ == nullptr ? at_ : node_->place(key);
  findings_.add(rule, at, path_of(key), std::move(message), std::move(suggestion));
}

const Node* Section::scalar(std::string_view key, std::string_view expected) {
  const Node* node = raw(key);
  if (node == nullptr || node->kind == Node::Kind::scalar) return node;
  add(Rule::wrong_type, key, fmt::format("expected {}, {}", expected, found(*node)),
      node->kind == Node::Kind::null ? "leave the key out for its default" : "");
  return nullptr;
}

const Node* Section::list(std::string_view key, std::string_view expected) {
  const Node* node = raw(key);
  if (node == nullptr) return nullptr;
  if (node->kind != Node::Kind::sequence) {
    add(Rule::wrong_type, key, fmt::format("expected {}, {}", expected, found(*node)));
    return nullptr;
  }
  if (node->items.size() > kMaxList) {
    add(Rule::out_of_range, key, fmt::format("a list of {} is too long", node->items.size()),
        fmt::format("at most {}", kMaxList));
    return nullptr;
  }
  return node;
}

void Section::wrong_word(std::string_view key, const Node& node,
                         const std::vector<std::string_view>& known) {
  findings_.add(Rule::bad_value, node.at, path_of(key),
                fmt::format("{} is not one of the words that go here", in_quotes(node.text)),
                suggest(node.text, known));
}

template <typename T, typename Parse, typename Format>
void Section::quantity(std::string_view key, const Node& node, T& out, Within<T> within,
                       std::string_view expected, Parse parse, Format format) {
  if (node.kind != Node::Kind::scalar) {
    findings_.add(Rule::wrong_type, node.at, path_of(key),
                  fmt::format("expected {}, {}", expected, found(node)));
    return;
  }
  const auto value = parse(node.text);
  if (!value.ok()) {
    findings_.add(Rule::wrong_type, node.at, path_of(key),
                  fmt::format("expected {}, {}", expected, found(node)));
    return;
  }
  if (*value < within.low || within.high < *value) {
    findings_.add(Rule::out_of_range, node.at, path_of(key),
                  fmt::format("{} is out of range", in_quotes(node.text)),
                  fmt::format("{} to {}", format(within.low), format(within.high)));
    return;
  }
  out = *value;
}

void Section::text(std::string_view key, std::string& out) {
  const Node* node = scalar(key, "a text");
  if (node == nullptr) return;
  if (node->text.empty()) {
    return add(Rule::bad_value, key, "expected a text, found an empty one",
               "leave the key out for its default");
  }
  out = node->text;
}

void Section::flag(std::string_view key, bool& out) {
  const Node* node = scalar(key, "true or false");
  if (node == nullptr) return;
  if (node->text == "true" || node->text == "false") {
    out = node->text == "true";
    return;
  }
  const bool yes = node->text == "yes" || node->text == "on" || node->text == "True";
  const bool no = node->text == "no" || node->text == "off" || node->text == "False";
  add(Rule::wrong_type, key, "expected true or false, " + found(*node),
      yes ? "write `true`" : (no ? "write `false`" : ""));
}

void Section::integer(std::string_view key, int& out, Within<int> within) {
  const Node* node = scalar(key, kInteger);
  if (node != nullptr) quantity(key, *node, out, within, kInteger, parse_integer, format_integer);
}

void Section::size(std::string_view key, std::uint64_t& out, Within<std::uint64_t> within) {
  const Node* node = scalar(key, kSize);
  if (node != nullptr) quantity(key, *node, out, within, kSize, parse_size, format_size);
}

void Section::duration(std::string_view key, Duration& out, Within<Duration> within) {
  const Node* node = scalar(key, kDuration);
  if (node != nullptr) {
    quantity(key, *node, out, within, kDuration, parse_duration, format_duration);
  }
}

void Section::range(std::string_view key, DurationRange& out, Within<Duration> within) {
  const Node* node = scalar(key, kRange);
  if (node == nullptr) return;
  auto value = parse_duration_range(node->text);
  if (!value.ok()) {
    return add(Rule::wrong_type, key, fmt::format("expected {}, {}", kRange, found(*node)));
  }
  if (value->low < within.low || within.high < value->high) {
    return add(Rule::out_of_range, key, fmt::format("{} is out of range", in_quotes(node->text)),
               fmt::format("{} to {}", format_duration(within.low), format_duration(within.high)));
  }
  out = *value;
}

void Section::rate(std::string_view key, Rate& out) {
  const Node* node = scalar(key, kRate);
  if (node == nullptr) return;
  auto value = parse_rate(node->text);
  if (!value.ok()) {
    return add(Rule::wrong_type, key, fmt::format("expected {}, {}", kRate, found(*node)));
  }
  if (value->count < 1 || value->per < Duration::millis(1)) {
    return add(Rule::out_of_range, key,
               fmt::format("{} lets nothing through", in_quotes(node->text)),
               "leave the key out for no limit, and pause an upstream to stop it");
  }
  out = *value;
}

void Section::permille(std::string_view key, int& out, Within<int> within) {
  const Node* node = scalar(key, kPercent);
  if (node != nullptr) {
    quantity(key, *node, out, within, kPercent, parse_permille, format_permille);
  }
}

void Section::durations(std::string_view key, std::vector<Duration>& out, Within<Duration> within) {
  const Node* node = list(key, kDurations);
  if (node == nullptr) return;
  std::vector<Duration> read;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    Duration one;
    quantity(fmt::format("{}[{}]", key, i), node->items[i], one, within,
             "a duration such as 10s or 1h30m", parse_duration, format_duration);
    read.push_back(one);
  }
  out = std::move(read);
}

void Section::statuses(std::string_view key, std::vector<int>& out) {
  const Node* node = list(key, kStatuses);
  if (node == nullptr) return;
  std::vector<int> read;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    int status = kStatus.low;
    const auto item_key = fmt::format("{}[{}]", key, i);
    quantity(item_key, node->items[i], status, kStatus, "an error status such as 429",
             parse_integer, format_integer);
    if (std::find(read.begin(), read.end(), status) == read.end()) read.push_back(status);
  }
  out = std::move(read);
}

void Section::texts(std::string_view key, std::vector<std::string>& out, std::string_view example) {
  const auto expected = fmt::format("a list such as {}", example);
  const Node* node = list(key, expected);
  if (node == nullptr) return;
  std::vector<std::string> read;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const Node& item = node->items[i];
    if (item.kind != Node::Kind::scalar || item.text.empty()) {
      findings_.add(Rule::wrong_type, item.at, fmt::format("{}[{}]", path_of(key), i),
                    fmt::format("expected {}, {} in it", expected, found(item)));
      continue;
    }
    read.push_back(item.text);
  }
  out = std::move(read);
}

void Section::close() {
  if (node_ == nullptr) return;
  for (const auto& key : node_->keys) {
    if (std::find(asked_.begin(), asked_.end(), key.text) != asked_.end()) continue;
    findings_.add(Rule::unknown_key, key.at, path_,
                  fmt::format("unknown key {}", in_quotes(key.text)), suggest(key.text, asked_));
  }
}

bool is_json_pointer(std::string_view text) {
  if (!text.starts_with('/')) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto next = text.substr(i + 1, 1);
    if (text[i] == '~' && next != "0" && next != "1") return false;
  }
  return true;
}

}  // namespace hf::config
