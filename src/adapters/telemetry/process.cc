#include "adapters/telemetry/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

namespace hf::adapters {
namespace {

std::uint64_t micros_of(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(time.tv_usec);
}

// Since the boot, in clock ticks: field 22 of /proc/self/stat, counted behind the name, which may
// hold anything (proc(5)).
std::uint64_t start_ticks() {
  std::ifstream in("/proc/self/stat");
  std::string text;
  std::getline(in, text);
  auto at = text.rfind(')');
  for (int field = 2; at != std::string::npos && field < 22; ++field)
    at = text.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 1, nullptr, 10);
}

WallTime start_time() {
  std::ifstream in("/proc/uptime");
  double uptime = 0;
  in >> uptime;
  const auto ticks = ::sysconf(_SC_CLK_TCK);
  const double age = uptime - static_cast<double>(start_ticks()) / static_cast<double>(ticks);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return WallTime{std::chrono::duration_cast<std::chrono::milliseconds>(now).count() -
                  static_cast<std::int64_t>(age * 1000)};
}

std::uint64_t count_fds() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error))
    ++count;
  return count == 0 ? 0 : count - 1;  // the one that reads the directory
}

}  // namespace

ProcessReading read_process() {
  static const WallTime kStarted = start_time();
  ProcessReading out;
  out.started = kStarted;
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  out.resident_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  out.open_fds = count_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    out.cpu_micros = micros_of(usage.ru_utime) + micros_of(usage.ru_stime);
  }
  return out;
}

}  // namespace hf::adapters
