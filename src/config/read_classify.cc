#include "config/read_classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/address.h"

namespace hf::config {
namespace {

using call::AnswerRule;
using call::AnswerTest;
using call::Meaning;
using Kind = call::AnswerTest::Kind;

// An upstream's answer is looked at for each of these, on the one I/O thread.
constexpr std::size_t kMaxRules = 32;
constexpr std::size_t kMaxTests = 8;
constexpr std::size_t kMaxValues = 64;
constexpr std::size_t kMaxText = 256;
constexpr Within<Duration> kPause{Duration::seconds(1), Duration::hours(24)};

const std::vector<Word<Meaning>>& meanings() {
  static const std::vector<Word<Meaning>> kMeanings{{"refused", Meaning::refused},
                                                    {"in_progress", Meaning::in_progress},
                                                    {"credentials", Meaning::credentials},
                                                    {"unresolved", Meaning::unresolved},
                                                    {"error", Meaning::error}};
  return kMeanings;
}

bool is_text(const Node& node) {
  return node.kind == Node::Kind::scalar && !node.text.empty() && node.text.size() <= kMaxText;
}

// One text or a list of them; empty when it is anything else.
std::vector<std::string> texts_of(const Node& node) {
  if (is_text(node)) return {node.text};
  std::vector<std::string> out;
  if (node.kind != Node::Kind::sequence || node.items.size() > kMaxValues) return out;
  for (const auto& item : node.items) {
    if (!is_text(item)) return {};
    out.push_back(item.text);
  }
  return out;
}

// `value`, `[value, value]`, `{ ends: value }`, `{ exists: true }`; false for what is none of them.
bool read_test(const Node& node, AnswerTest& out) {
  const Node* value = &node;
  if (node.kind == Node::Kind::mapping) {
    if (node.keys.size() != 1) return false;
    value = &node.items.front();
    if (node.keys.front().text == "exists") {
      const bool yes = value->text == "true";
      out.kind = yes ? Kind::present : Kind::absent;
      return value->kind == Node::Kind::scalar && (yes || value->text == "false");
    }
    if (node.keys.front().text != "ends") return false;
    out.kind = Kind::ends;
  }
  out.values = texts_of(*value);
  return !out.values.empty();
}

// What names the place that is looked at, and how that is said.
struct Place {
  std::string_view key;
  bool (*good)(std::string_view);
  std::string_view expected;
  std::string_view example;
};

bool is_form_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxText;
}

constexpr Place kHeaders{"headers", is_token, "a header field",
                         "such as X-RateLimit-Remaining: \"0\""};
constexpr Place kJson{"json", is_json_pointer, "a JSON pointer",
                      "such as /error: [ratelimited, rate_limited]"};
constexpr Place kForm{"form", is_form_name, "a form field", "such as ACK: Failure"};

void read_tests(Section& in, const Place& place, std::vector<AnswerTest>& out) {
  const Node* node = in.raw(place.key);
  if (node == nullptr) return;
  Section fields(node, in.path_of(place.key), in.findings());
  if (fields.node() == nullptr) return;
  if (node->keys.size() > kMaxTests) {
    return in.add(Rule::out_of_range, place.key, fmt::format("{} conditions", node->keys.size()),
                  fmt::format("at most {} of a kind", kMaxTests));
  }
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    AnswerTest test;
    test.where = node->keys[i].text;
    if (place.good(test.where) && read_test(node->items[i], test)) {
      out.push_back(std::move(test));
      continue;
    }
    in.findings().add(Rule::bad_value, node->keys[i].at, fields.path(),
                      fmt::format("expected {} and a value, a list of values, `{{ ends: VALUE }}` "
                                  "or `{{ exists: true }}`",
                                  place.expected),
                      std::string(place.example));
  }
}

void read_status(Section& in, std::vector<int>& out) {
  const Node* node = in.raw("status");
  if (node == nullptr) return;
  for (const auto& text : texts_of(*node)) {
    int status = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    if (!whole || status < 200 || status > 599) {
      out.clear();
      break;
    }
    if (std::find(out.begin(), out.end(), status) == out.end()) out.push_back(status);
  }
  if (out.empty()) {
    in.add(Rule::bad_value, "status", "expected a final status, or a list of them",
           "such as 200, or [200, 403]");
  }
}

void read_contains(Section& in, std::vector<std::string>& out) {
  const Node* node = in.raw("contains");
  if (node == nullptr) return;
  out = texts_of(*node);
  if (!out.empty()) return;
  in.add(Rule::bad_value, "contains",
         fmt::format("expected a text of at most {} bytes, or a list of them", kMaxText),
         "such as \"<Code>Throttling</Code>\"");
}

// A condition was written, even if it was refused.
bool asks_more_than_status(const Section& in) {
  return in.has("headers") || in.has("json") || in.has("form") || in.has("contains");
}

// What a status by itself says is in RFC 9110, and `refused` at the upstream may add to it; a rule
// that overrules it has to see something that the upstream wrote for the purpose.
void judge_proof(Section& in, const AnswerRule& rule, call::Mode mode) {
  if (rule.means == Meaning::in_progress && mode != call::Mode::key) {
    in.add(Rule::mode_mismatch, "means",
           fmt::format("`in_progress` means nothing with `mode: {}`", to_string(mode)),
           "an earlier request can only be known by its key");
  }
  for (const std::string_view key : {"pause", "pause_until"}) {
    if (!in.has(key) || rule.means == Meaning::refused) continue;
    in.add(Rule::mode_mismatch, key, fmt::format("`{}` belongs to `means: refused`", key),
           "leave it out");
  }
  if (asks_more_than_status(in)) return;
  if (!in.has("status")) {
    return in.add(Rule::missing, "means", "a rule without a condition would fit every answer",
                  "status, headers, json, form or contains");
  }
  const bool doubted = rule.means == Meaning::refused || rule.means == Meaning::error;
  const bool weak = std::any_of(rule.status.begin(), rule.status.end(), [&](int status) {
    return status == 408 || status >= 500 || (status < 400 && rule.means == Meaning::refused);
  });
  if (doubted && weak) {
    in.add(
        Rule::classify_proof, "means",
        fmt::format("a status alone does not show that an answer is `{}`", to_string(rule.means)),
        "add what the upstream writes into such an answer: headers, json or contains");
  }
}

void read_rule(Section in, call::Mode mode, std::vector<AnswerRule>& out) {
  if (in.node() == nullptr) return;
  AnswerRule rule;
  read_status(in, rule.status);
  read_tests(in, kHeaders, rule.headers);
  read_tests(in, kJson, rule.json);
  read_tests(in, kForm, rule.form);
  read_contains(in, rule.contains);
  in.word("means", rule.means, meanings());
  if (!in.has("means")) {
    in.add(Rule::missing, "means", "what such an answer means",
           "means: refused, in_progress, credentials, unresolved or error");
  }
  in.text("pause_until", rule.pause_until);
  if (!rule.pause_until.empty() && !is_token(rule.pause_until)) {
    in.add(Rule::bad_value, "pause_until",
           fmt::format("{} is not a header field's name", in_quotes(rule.pause_until)));
  }
  if (in.has("pause")) {
    Duration pause = Duration::seconds(1);
    in.duration("pause", pause, kPause);
    rule.pause = pause;
  } else {
    in.raw("pause");
  }
  judge_proof(in, rule, mode);
  in.close();
  out.push_back(std::move(rule));
}

}  // namespace

void read_classify(Section& in, call::UpstreamSettings& out) {
  const Node* node = in.raw("classify");
  // Nothing can be in progress under a key that is not declared.
  if (out.idempotency.mode != call::Mode::key) {
    std::erase_if(out.classify,
                  [](const AnswerRule& rule) { return rule.means == Meaning::in_progress; });
  }
  if (node == nullptr || node->kind == Node::Kind::null) return;
  if (node->kind != Node::Kind::sequence) {
    return in.add(Rule::wrong_type, "classify", "expected a list of rules, " + found(*node),
                  "- { status: 200, json: { /error: ratelimited }, means: refused }");
  }
  if (node->items.size() > kMaxRules) {
    return in.add(Rule::out_of_range, "classify", fmt::format("{} rules", node->items.size()),
                  fmt::format("at most {}", kMaxRules));
  }
  std::vector<AnswerRule> rules;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    read_rule({&node->items[i], fmt::format("{}[{}]", in.path_of("classify"), i), in.findings()},
              out.idempotency.mode, rules);
  }
  // A preset's stand behind; what is printed has them already.
  for (auto& rule : out.classify) {
    if (std::find(rules.begin(), rules.end(), rule) == rules.end())
      rules.push_back(std::move(rule));
  }
  out.classify = std::move(rules);
}

}  // namespace hf::config
