#include "sandbox/fault.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace hf::sandbox {
namespace {

enum class ArgKind { none, millis, text, choice, status };

struct FaultRule {
  FaultKind kind;
  std::string_view name;
  ArgKind arg;
  std::string_view fallback;
  std::string_view choices;  // separated by '|'
};

constexpr std::array<FaultRule, 20> kRules{{
    {FaultKind::none, "none", ArgKind::none, "", ""},
    {FaultKind::reset_before, "reset_before", ArgKind::none, "", ""},
    {FaultKind::reset_after, "reset_after", ArgKind::none, "", ""},
    {FaultKind::late_apply, "late_apply", ArgKind::millis, "1000", ""},
    {FaultKind::listed_pending, "listed_pending", ArgKind::millis, "1000", ""},
    {FaultKind::listed_failed, "listed_failed", ArgKind::none, "", ""},
    {FaultKind::cut, "cut", ArgKind::choice, "fin", "fin|rst"},
    {FaultKind::hang, "hang", ArgKind::choice, "after", "after|before"},
    {FaultKind::slow, "slow", ArgKind::millis, "1000", ""},
    {FaultKind::in_progress, "in_progress", ArgKind::none, "", ""},
    {FaultKind::s429, "s429", ArgKind::text, "", ""},
    {FaultKind::s500, "s500", ArgKind::none, "", ""},
    {FaultKind::s503, "s503", ArgKind::text, "", ""},
    {FaultKind::s500_stored, "s500_stored", ArgKind::choice, "none", "none|applied"},
    {FaultKind::apply_then_503, "apply_then_503", ArgKind::none, "", ""},
    {FaultKind::idle_close, "idle_close", ArgKind::millis, "0", ""},
    {FaultKind::close_on_reuse, "close_on_reuse", ArgKind::choice, "read", "read|unread"},
    {FaultKind::body, "body", ArgKind::choice, "html", "html|torn|other"},
    {FaultKind::invalid, "invalid", ArgKind::choice, "status", "status|header|length|chunk"},
    {FaultKind::status, "status", ArgKind::status, "500", ""},
}};

constexpr std::int64_t kMaxMillis = 24 * 3600 * 1000LL;

const FaultRule& rule_of(FaultKind kind) {
  for (const auto& rule : kRules) {
    if (rule.kind == kind) return rule;
  }
  HF_CHECK(false);
  return kRules[0];
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_choice(std::string_view choices, std::string_view arg) {
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == arg) return true;
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return false;
}

Result<Fault> make_fault(std::string_view name, std::string_view arg) {
  for (const auto& rule : kRules) {
    if (rule.name != name) continue;
    if (arg.empty()) arg = rule.fallback;
    const auto number = whole_number(arg);
    bool good = true;
    switch (rule.arg) {
      case ArgKind::none:
        good = arg.empty();
        break;
      case ArgKind::millis:
        good = number && *number >= 0 && *number <= kMaxMillis;
        break;
      case ArgKind::status:
        good = number && *number >= 200 && *number <= 599;
        break;
      case ArgKind::choice:
        good = is_choice(rule.choices, arg);
        break;
      case ArgKind::text:
        // It becomes a field value of the answer.
        good = arg.size() <= 100 && arg.find_first_of("\r\n") == std::string_view::npos;
        break;
    }
    if (!good) {
      return fail(ErrorKind::invalid, fmt::format("fault {} does not take \"{}\"", name, arg));
    }
    return Fault{rule.kind, std::string(arg)};
  }
  return fail(ErrorKind::invalid, fmt::format("no such fault: \"{}\"", name));
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  return rule_of(kind).name;
}

std::int64_t Fault::number() const {
  return whole_number(arg).value_or(0);
}

std::string Fault::text() const {
  return arg.empty() ? std::string(to_string(kind)) : fmt::format("{}={}", to_string(kind), arg);
}

Result<Fault> parse_fault(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return make_fault(text, {});
  return make_fault(text.substr(0, equals), text.substr(equals + 1));
}

Result<std::vector<FaultOdds>> parse_odds(std::string_view text) {
  std::vector<FaultOdds> odds;
  int sum = 0;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto equals = item.rfind('=');
    const auto permille =
        equals == std::string_view::npos ? std::nullopt : whole_number(item.substr(equals + 1));
    if (!permille || *permille < 0 || *permille > 1000) {
      return fail(ErrorKind::invalid,
                  fmt::format("\"{}\" is not name[:arg]=parts per thousand", item));
    }
    const auto head = item.substr(0, equals);
    const auto colon = head.find(':');
    const auto arg = colon == std::string_view::npos ? std::string_view{} : head.substr(colon + 1);
    HF_TRY(auto fault, make_fault(head.substr(0, colon), arg));
    sum += static_cast<int>(*permille);
    odds.push_back({std::move(fault), static_cast<int>(*permille)});
  }
  if (sum > 1000) {
    return fail(ErrorKind::invalid, fmt::format("the odds add up to {} of 1000", sum));
  }
  return odds;
}

std::string format_odds(const std::vector<FaultOdds>& odds) {
  std::string out;
  for (const auto& [fault, permille] : odds) {
    if (!out.empty()) out += ',';
    out += to_string(fault.kind);
    if (!fault.arg.empty()) out += ':' + fault.arg;
    out += fmt::format("={}", permille);
  }
  return out;
}

FaultPlan::FaultPlan(std::uint64_t seed) : seed_(seed), root_(seed) {}

Result<Fault> FaultPlan::decide(const FaultQuery& query) {
  if (!query.header.empty()) return parse_fault(query.header);
  if (query.effectful && !next_.empty()) {
    auto fault = std::move(next_.front());
    next_.pop_front();
    return fault;
  }
  if (query.lookup && !lookup_odds_.empty()) return draw(lookup_odds_, query.identity);
  if (!query.effectful && !fault_safe_) return Fault{};
  if (always_) return *always_;
  return draw(odds_, query.identity);
}

void FaultPlan::set_seed(std::uint64_t seed) {
  seed_ = seed;
  root_ = Prng(seed);
  clear_attempts();
}

Result<void> FaultPlan::enqueue(Fault fault) {
  if (next_.size() >= kMaxQueued) return fail(ErrorKind::full, "too many faults queued");
  next_.push_back(std::move(fault));
  return {};
}

void FaultPlan::clear_attempts() {
  ordinal_ = 0;
  attempts_.clear();
  oldest_.clear();
}

std::uint64_t FaultPlan::count_attempt(std::string_view identity) {
  if (const auto found = attempts_.find(identity); found != attempts_.end()) {
    return ++found->second;
  }
  if (oldest_.size() >= kMaxIdentities) {
    attempts_.erase(oldest_.front());
    oldest_.pop_front();
  }
  oldest_.emplace_back(identity);
  attempts_.emplace(identity, 1);
  return 1;
}

Fault FaultPlan::draw(const std::vector<FaultOdds>& odds, std::string_view identity) {
  if (odds.empty()) return {};
  std::string label;
  if (identity.empty()) {
    label = fmt::format("ordinal/{}", ++ordinal_);
  } else {
    const auto attempt = count_attempt(identity);
    if (max_faulted_attempts_ > 0 && attempt > static_cast<std::uint64_t>(max_faulted_attempts_)) {
      return {};
    }
    label = fmt::format("attempt/{}/{}", attempt, identity);
  }
  auto roll = static_cast<int>(root_.fork(label).below(1000));
  for (const auto& [fault, permille] : odds) {
    if (roll < permille) return fault;
    roll -= permille;
  }
  return {};
}

}  // namespace hf::sandbox
