#include "adapters/telemetry/log_line.h"

#include <fmt/format.h>

#include <string_view>

#include "base/quantity.h"
#include "call/reply_json.h"

namespace hf::adapters {
namespace {

constexpr std::string_view kReset = "\033[0m";
constexpr std::string_view kDim = "\033[2m";

std::string_view name_of(LogLevel level) {
  return level == LogLevel::info ? "info" : level == LogLevel::warning ? "warning" : "error";
}
std::string_view short_name_of(LogLevel level) {
  return level == LogLevel::info ? "info " : level == LogLevel::warning ? "WARN " : "ERROR";
}
std::string_view colour_of(LogLevel level) {
  return level == LogLevel::info      ? "\033[32m"
         : level == LogLevel::warning ? "\033[33m"
                                      : "\033[1;31m";
}

// JSON's own escapes, without its quotes: valid UTF-8 with no control character in it. The control
// characters of Unicode's second block (as terminals understand them) go as well.
std::string escaped(std::string_view text) {
  const std::string quoted = call::json_string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    const auto byte = static_cast<unsigned char>(quoted[i]);
    const auto next = static_cast<unsigned char>(quoted[i + 1]);
    if (byte == 0xC2 && next < 0xA0) {
      out += fmt::format("\\u{:04x}", next);
      ++i;
    } else if (byte == '\\' && (next == '"' || next == '\\')) {
      out += quoted[++i];
    } else {
      out += quoted[i];
    }
  }
  return out;
}

void add(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out += fmt::format(" {}={}", name, escaped(value));
}

}  // namespace

std::string json_line(const LogLine& line, WallTime at, std::uint64_t left_out) {
  call::JsonObject out;
  out.text("ts", format_rfc3339(at)).text("level", name_of(line.level)).text("what", line.what);
  const auto text = [&out](std::string_view name, const std::string& value) {
    if (!value.empty()) out.text(name, value);
  };
  text("call", line.call);
  text("route", line.route);
  text("upstream", line.upstream);
  text("rule", line.rule);
  text("evidence", line.evidence);
  text("cause", line.cause);
  if (line.status != 0) out.number("status", line.status);
  if (line.attempts != 0) out.number("attempts", line.attempts);
  text("detail", line.detail);
  if (left_out != 0) out.number("left_out", static_cast<std::int64_t>(left_out));
  return out.done();
}

std::string plain_line(const LogLine& line, WallTime at, std::uint64_t left_out, bool colour) {
  const auto paint = [colour](std::string_view code) { return colour ? code : std::string_view{}; };
  const std::string clock = format_rfc3339(at).substr(11, 12);  // hh:mm:ss.mmm
  std::string out = fmt::format("{}{}{} {}{}{} {}", paint(kDim), clock, paint(kReset),
                                paint(colour_of(line.level)), short_name_of(line.level),
                                paint(kReset), escaped(line.what));
  if (!line.detail.empty()) out += ": " + escaped(line.detail);
  std::string facts;
  add(facts, "call", line.call);
  add(facts, "route", line.route);
  add(facts, "upstream", line.upstream);
  add(facts, "rule", line.rule);
  add(facts, "evidence", line.evidence);
  add(facts, "cause", line.cause);
  if (line.status != 0) facts += fmt::format(" status={}", line.status);
  if (line.attempts != 0) facts += fmt::format(" attempts={}", line.attempts);
  if (left_out != 0) facts += fmt::format(" left_out={}", left_out);
  if (!facts.empty()) out += fmt::format("{}{}{}", paint(kDim), facts, paint(kReset));
  return out;
}

}  // namespace hf::adapters
