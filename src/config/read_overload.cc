#include "config/read_overload.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"
#include "config/address.h"

namespace hf::config {
namespace {

constexpr Within<int> kSlots{1, 100'000};
constexpr std::size_t kRulesMax = 16;

const std::vector<Word<call::CallClass>>& classes() {
  using call::CallClass;
  static const std::vector<Word<CallClass>> kClasses{{"critical", CallClass::critical},
                                                     {"normal", CallClass::normal},
                                                     {"low", CallClass::low},
                                                     {"optional", CallClass::optional}};
  return kClasses;
}

void read_adaptive(Section in, call::UpstreamSettings& out) {
  call::AdaptiveSettings limits;
  bool adaptive = false;
  int max = 1000;
  in.flag("adaptive", adaptive);
  if (!adaptive) {
    in.add(Rule::missing, "adaptive", "a mapping is for a limit that is learnt",
           "add `adaptive: true`, or write a number: `concurrency: 64`");
  }
  in.integer("min", limits.min, kSlots);
  in.integer("max", max, kSlots);
  if (!in.has("start"))
    limits.start = std::clamp(limits.start, limits.min, std::max(max, limits.min));
  in.integer("start", limits.start, kSlots);
  in.close();
  if (limits.min > limits.start || limits.start > max) {
    in.add(Rule::out_of_range, "start",
           fmt::format("min {}, start {}, max {}", limits.min, limits.start, max),
           "min <= start <= max");
    return;
  }
  out.adaptive = limits;
  out.concurrency = max;
}

void read_overload(Section& in, call::UpstreamSettings& out) {
  const Node* node = in.raw("overload");
  if (out.adaptive) out.overload.emplace();
  if (node == nullptr) return;
  if (node->kind == Node::Kind::scalar) {
    bool off = false;
    in.word<bool>("overload", off, {{"off", true}});
    out.overload.reset();
    return;
  }
  call::OverloadSettings limits;
  Section rule(node, in.path_of("overload"), in.findings());
  rule.duration("target", limits.target, {Duration::millis(1), Duration::seconds(60)});
  rule.duration("interval", limits.interval, {Duration::millis(10), Duration::seconds(60)});
  rule.duration("calm", limits.calm, {Duration::millis(100), Duration::minutes(10)});
  rule.close();
  out.overload = limits;
}

std::optional<call::ClassRule> read_rule(const Node& node, const std::string& path,
                                         call::CallClass at_most, Findings& findings) {
  call::ClassRule out;
  Section in(&node, path, findings);
  if (in.node() == nullptr) return std::nullopt;
  in.text("header", out.header);
  in.texts("values", out.values, "[report, export]");
  out.importance = std::min(out.importance, at_most);
  in.word("class", out.importance, classes());
  in.close();
  if (!in.has("header") || !is_token(out.header)) {
    in.add(Rule::missing, "header", "a rule needs the name of a header field",
           "such as { header: X-Kind, values: [report], class: low }");
    return std::nullopt;
  }
  if (out.importance > at_most) {
    in.add(Rule::mode_mismatch, "class",
           fmt::format("`{}` is above `at_most: {}`: a request can only lower its class",
                       call::to_string(out.importance), call::to_string(at_most)),
           "raise `at_most`, and lower the others");
    return std::nullopt;
  }
  return out;
}

}  // namespace

void read_concurrency(Section& in, call::UpstreamSettings& out) {
  const Node* node = in.raw("concurrency");
  if (node != nullptr && node->kind == Node::Kind::mapping) {
    read_adaptive(in.section("concurrency"), out);
  } else {
    in.integer("concurrency", out.concurrency, kSlots);
  }
  read_overload(in, out);
}

void read_class(Section& in, call::ClassSettings& out) {
  const Node* node = in.raw("class");
  if (node == nullptr) return;
  if (node->kind != Node::Kind::mapping) return in.word("class", out.at_most, classes());
  Section rule = in.section("class");
  rule.word("at_most", out.at_most, classes());
  rule.flag("by_priority", out.by_priority);
  const Node* match = rule.raw("match");
  if (match != nullptr && match->kind != Node::Kind::sequence) {
    rule.add(Rule::wrong_type, "match", "expected a list of rules, " + found(*match),
             "such as [ { header: X-Kind, values: [report], class: low } ]");
  } else if (match != nullptr && match->items.size() > kRulesMax) {
    rule.add(Rule::out_of_range, "match", fmt::format("{} rules", match->items.size()),
             fmt::format("at most {}", kRulesMax));
  } else if (match != nullptr) {
    for (std::size_t i = 0; i < match->items.size(); ++i) {
      auto one = read_rule(match->items[i], fmt::format("{}[{}]", rule.path_of("match"), i),
                           out.at_most, rule.findings());
      if (one) out.match.push_back(std::move(*one));
    }
  }
  rule.close();
}

}  // namespace hf::config
