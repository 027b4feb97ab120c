#include "adapters/system/clock.h"

#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <string>

#include "base/check.h"

namespace hf::adapters {
namespace {

BootId read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  // Unreadable: a boot of its own, so that no stored monotonic time is compared with ours.
  if (!std::getline(file, text) || text.empty()) return {random_u64()};
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a; only equality matters
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return {hash};
}

std::int64_t read_ns(clockid_t id) noexcept {
  timespec now{};
  ::clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

SystemClock::SystemClock() : boot_(read_boot_id()) {}

Now SystemClock::read() noexcept {
  return {Instant{read_ns(CLOCK_BOOTTIME)}, WallTime{read_ns(CLOCK_REALTIME) / 1'000'000}, boot_};
}

AsioTimer::AsioTimer(boost::asio::io_context& io, SystemClock& clock) : timer_(io), clock_(clock) {}

void AsioTimer::wake_at(std::optional<Instant> when) {
  if (when == armed_) return;
  armed_ = when;
  if (!when) {
    timer_.cancel();
    return;
  }
  // Never more than a minute ahead: a suspended machine must not sleep through its alarms.
  const Duration left = *when - clock_.read().mono;
  const std::int64_t ns = std::clamp<std::int64_t>(left.ns, 0, Duration::minutes(1).ns);
  timer_.expires_after(std::chrono::nanoseconds(ns));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    armed_.reset();
    if (on_wake_) on_wake_();
  });
}

std::uint64_t Dice::next() {
  if (used_ == page_.size()) {
    HF_CHECK(sodium_init() >= 0);
    randombytes_buf(page_.data(), sizeof page_);
    used_ = 0;
  }
  const std::uint64_t drawn = page_[used_];
  page_[used_] = 0;  // an id that was given away is nobody's to read here
  used_ += 1;
  return drawn;
}

std::uint64_t random_u64() {
  HF_CHECK(sodium_init() >= 0);
  std::uint64_t value = 0;
  randombytes_buf(&value, sizeof value);
  return value;
}

}  // namespace hf::adapters
