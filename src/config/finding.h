// What is wrong or unwise in a configuration, and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/rules.h"

namespace hf::config {

struct Position {
  int line = 0;  // from 1; 0: no position
  int column = 0;
  bool operator==(const Position&) const = default;
};

struct Finding {
  using Level = config::Level;
  Level level = Level::error;
  std::string file;
  int line = 0;      // from 1; 0: of the file as a whole
  int column = 0;    // from 1, in bytes
  std::string path;  // routes[0].retry.budget; empty: the whole
  std::string message;
  std::string suggestion;  // what to write instead; may be empty
  std::string rule;        // stable id, see rules.h
};

// "holdfast.yaml:12:5: error: unknown key `tiemouts`; did you mean `timeouts`? [unknown-key]"
std::string format(const Finding& finding);

inline constexpr std::size_t kMaxFindings = 200;  // of each level

// Collects the findings of one text. Holds at most kMaxFindings of each level, and one that
// says so when there were more.
class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}

  void add(Rule rule, Position at, std::string path, std::string message,
           std::string suggestion = {});
  [[nodiscard]] bool failed() const { return failed_; }
  // In the order of the text.
  std::vector<Finding> take();

 private:
  std::string file_;
  std::vector<Finding> findings_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
  bool failed_ = false;
  bool cut_ = false;
};

// Not called "quoted": with <iomanip> that would find std::quoted.
// `text` for a message: cut to a readable length, control characters and bad bytes as \xNN, in
// backquotes.
std::string in_quotes(std::string_view text);

// The candidate that `word` was probably meant to be; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates);

// "did you mean `x`?", or "known: a, b, c" where none is near.
std::string suggest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace hf::config
