// The lines of `holdfast calls export` (docs/formats/export.md): one call a line, for other tools
// to read. What may be a secret, or a client's data, is left out or given as a hash; a second
// object, `clear`, holds it for who may see it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "call/hasher.h"
#include "call/settings.h"
#include "ports/journal.h"

namespace hf::control {

inline constexpr int kExportVersion = 1;

struct ClearParts {
  bool bodies = false;
  bool credentials = false;  // values of fields whose names say so; else only their names
};

// `detail.call` is there. One JSON object, without a line's end.
std::string export_line(const ports::CallDetail& detail, const call::Hasher& hasher);
// Instead of a call whose records cannot be read.
std::string export_unreadable(const CallId& call, const std::string& why);
// What the line leaves out, as another object. Bodies only if they were read.
std::string export_clear(const ports::CallDetail& detail, const ClearParts& parts);
// What is sealed for one call is bound to this name.
std::string export_part_name(const CallId& call);

struct ExportBegin {
  WallTime made_at;
  std::string by;  // "holdfast 0.1.0"
  std::string selection;
  std::optional<CallId> after;
  bool clear = false;
  ClearParts parts;
  std::string upstreams;  // see upstreams_json; empty: not known
};
std::string export_begin(const ExportBegin& begin);

// {"bank": ["https://bank.example"]}: scheme and authority, to put in front of a target.
std::string upstreams_json(const call::Settings& settings);

// Counts what was written; its last line tells a whole export from one that was cut.
class ExportEnd {
 public:
  void add(const std::string& state, const CallId& id) {
    calls_ += 1;
    states_[state] += 1;
    last_ = id;
  }
  void add_unreadable(const CallId& id) {
    unreadable_ += 1;
    last_ = id;
  }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] std::uint64_t unreadable() const { return unreadable_; }
  [[nodiscard]] const std::optional<CallId>& last() const { return last_; }
  [[nodiscard]] std::string line() const;

 private:
  std::uint64_t calls_ = 0;
  std::uint64_t unreadable_ = 0;
  std::map<std::string, std::int64_t> states_;
  std::optional<CallId> last_;
};

}  // namespace hf::control
