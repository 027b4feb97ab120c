// What a review can find: one row a rule, with the id that tools and people may rely on.
// docs/review.md lists the same rows, and a test compares the two.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hf::review {

enum class Level : std::uint8_t { note, warning, error };  // in this order

// What an engineer asks of every route before it goes to production.
enum class Question : std::uint8_t { retries, answer_lost, restart, told, traffic, journal_full };
inline constexpr std::size_t kQuestions = 6;

enum class Rule : std::uint8_t {
  // retries
  repeat_doubles,
  key_optional,
  fresh_key,
  key_never,
  route_unreached,
  owner_anyone,
  derive_window,
  limit_final,
  method_idempotent,
  // answer_lost
  doubt_needs_person,
  settles_nothing,
  lookup_never,
  verify_outlasts_wait,
  // restart
  open_forgotten,
  journal_volatile,
  journal_relative,
  // told
  nobody_told,
  no_admin,
  no_health,
  // traffic
  bodies_fill_memory,
  budget_high,
  // journal_full
  journal_small,
  // where less would do
  less_safe_only,
  less_client_enough,
  less_journal,
  less_key_repeatable,
  less_callbacks,
  less_credentials,
  // about the review itself
  accept_stale,
};

struct RuleRow {
  Rule rule;
  std::string_view id;  // stable
  Level level;
  std::optional<Question> question;
  std::string_view title;  // what is wrong, in one line
  std::string_view help;   // why it matters, and what to do
};

// All rules, in the order of the enum.
std::span<const RuleRow> rules();
const RuleRow& row_of(Rule rule);
const RuleRow* find_rule(std::string_view id);  // null: there is none

std::string_view to_string(Level level);
std::optional<Level> parse_level(std::string_view text);
std::string_view to_string(Question question);  // "answer-lost"
std::string_view text_of(Question question);  // "Is the outcome known if only the answer is lost?"

}  // namespace hf::review
