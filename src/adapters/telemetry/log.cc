#include "adapters/telemetry/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

namespace hf::adapters {
namespace {

Now real_now() {
  const auto mono = std::chrono::steady_clock::now().time_since_epoch();
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {Instant{std::chrono::duration_cast<std::chrono::nanoseconds>(mono).count()},
          WallTime{std::chrono::duration_cast<std::chrono::milliseconds>(wall).count()},
          {}};
}

// What makes two lines repeats of each other. The detail often carries a number or an address.
std::string kind_of(const LogLine& line) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", static_cast<int>(line.level), line.what,
                     line.route, line.upstream, line.rule, line.evidence, line.cause, line.status);
}

// A call's fate is told of each call, but not of those that were refused before anything was sent
// and whose clients were told so: under ten times the traffic they would be most of the log.
bool matters_by_itself(const LogLine& line) {
  if (line.call.empty()) return false;
  return line.what != "call_failed" || line.evidence != "nothing_sent";
}

}  // namespace

class Log::Impl {
 public:
  explicit Impl(LogOptions options) : options_(std::move(options)) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const char* no_colour = std::getenv("NO_COLOR");
    colour_ = !options_.sink && terminal && (no_colour == nullptr || *no_colour == '\0');
    json_ = options_.format == LogFormat::json ||
            (options_.format == LogFormat::automatic && !terminal);
    if (!options_.now) options_.now = real_now;
    if (!options_.sink) {
      auto out = std::make_shared<spdlog::logger>(
          "holdfast", std::make_shared<spdlog::sinks::stderr_sink_mt>());
      out->set_pattern("%v");
      out->flush_on(spdlog::level::trace);
      options_.sink = [out](const std::string& line) { out->info("{}", line); };
    }
  }

  void write(const LogLine& line) {
    if (line.level < options_.least) return;
    const std::lock_guard lock(mutex_);
    const Now now = options_.now();
    std::uint64_t missed = 0;
    if (!matters_by_itself(line) && !admit(kind_of(line), now.mono, missed)) {
      left_out_ += 1;
      return;
    }
    options_.sink(json_ ? json_line(line, now.wall, missed)
                        : plain_line(line, now.wall, missed, colour_));
  }

  std::uint64_t left_out() {
    const std::lock_guard lock(mutex_);
    return left_out_;
  }

 private:
  struct Kind {
    Instant since;
    int written = 0;
    std::uint64_t missed = 0;
  };

  bool admit(std::string name, Instant now, std::uint64_t& missed) {
    if (kinds_.size() >= options_.kinds_max && kinds_.count(name) == 0) forget(now);
    auto [at, fresh] = kinds_.try_emplace(std::move(name));
    Kind& kind = at->second;
    if (fresh || now - kind.since >= options_.window) {
      missed = std::exchange(kind.missed, 0);
      kind.since = now;
      kind.written = 0;
    }
    if (kind.written >= options_.burst) {
      kind.missed += 1;
      return false;
    }
    kind.written += 1;
    return true;
  }

  // Makes room: kinds whose window is over, or all of them in a flood of kinds.
  void forget(Instant now) {
    for (auto at = kinds_.begin(); at != kinds_.end();) {
      at = now - at->second.since >= options_.window ? kinds_.erase(at) : std::next(at);
    }
    if (kinds_.size() >= options_.kinds_max) kinds_.clear();
  }

  LogOptions options_;
  bool json_ = true;
  bool colour_ = false;
  std::mutex mutex_;
  std::map<std::string, Kind> kinds_;
  std::uint64_t left_out_ = 0;
};

namespace {

// From spdlog's default logger into ours.
template <typename Target>
class Funnel final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Funnel(std::shared_ptr<Target> target) : target_(std::move(target)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    LogLine line;
    line.level = message.level >= spdlog::level::err    ? LogLevel::error
                 : message.level >= spdlog::level::warn ? LogLevel::warning
                                                        : LogLevel::info;
    line.what = "message";
    line.detail = std::string(message.payload.data(), message.payload.size());
    target_->write(line);
  }
  void flush_() override {}

 private:
  std::shared_ptr<Target> target_;
};

}  // namespace

Log::Log(LogOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}
Log::~Log() = default;

void Log::write(const LogLine& line) {
  impl_->write(line);
}
std::uint64_t Log::left_out() const {
  return impl_->left_out();
}

void Log::take_over_spdlog() {
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<Funnel<Impl>>(impl_)));
}

}  // namespace hf::adapters
