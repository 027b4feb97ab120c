#include "app/progress.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace hf::app {
namespace {

constexpr Duration kOnTerminal = Duration::millis(100);
constexpr Duration kElsewhere = Duration::seconds(5);

volatile std::sig_atomic_t g_stop = 0;

extern "C" void note_stop(int signal) {
  g_stop = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

Progress::Progress(bool quiet)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1), last_(mono_now()) {
  if (terminal_) last_.reset();
}

void Progress::show(const std::string& line) {
  if (quiet_) return;
  const Instant now = mono_now();
  if (last_ && now - *last_ < (terminal_ ? kOnTerminal : kElsewhere)) return;
  last_ = now;
  if (!terminal_) {
    std::fputs((line + "\n").c_str(), stderr);
    return;
  }
  std::fputs(("\r" + line + "\033[K").c_str(), stderr);
  std::fflush(stderr);
  shown_ = true;
}

void Progress::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

void catch_stop() {
  struct sigaction action {};
  action.sa_handler = note_stop;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool stop_asked() {
  return g_stop != 0;
}

bool rest(Duration how_long) {
  const Instant until = mono_now() + how_long;
  while (!stop_asked()) {
    const Duration left = until - mono_now();
    if (left <= Duration{}) return true;
    const timespec wait{left.ns / 1'000'000'000, left.ns % 1'000'000'000};
    ::ppoll(nullptr, 0, &wait, nullptr);  // a signal ends it early
  }
  return false;
}

Instant mono_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()};
}

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string shortly(Duration length) {
  const std::int64_t seconds = length.ceil_seconds();
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

}  // namespace hf::app
