// The real clock, the real timer and the real dice. Nothing else in the program reads them.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>

#include "ports/clock.h"

namespace hf::adapters {

// CLOCK_BOOTTIME for intervals (it counts suspended time, and processes of one boot agree on it),
// CLOCK_REALTIME for people. Any thread.
class SystemClock final : public ports::Clock {
 public:
  SystemClock();
  Now read() noexcept override;

 private:
  BootId boot_;
};

// One timer on the io_context; the io_context's thread only.
class AsioTimer final : public ports::WakeTimer {
 public:
  AsioTimer(boost::asio::io_context& io, SystemClock& clock);
  void set_target(std::function<void()> on_wake) { on_wake_ = std::move(on_wake); }
  void wake_at(std::optional<Instant> when) override;

 private:
  boost::asio::steady_timer timer_;
  SystemClock& clock_;
  std::function<void()> on_wake_;
  std::optional<Instant> armed_;
};

// From the kernel's generator; for ids that must not be guessed.
std::uint64_t random_u64();

// An array of bytes for a key of this process.
template <class Bytes>
Bytes random_bytes() {
  Bytes out{};
  static_assert(sizeof(out[0]) == 1 && sizeof(out) % sizeof(std::uint64_t) == 0);
  for (std::size_t i = 0; i < out.size(); i += sizeof(std::uint64_t)) {
    const std::uint64_t word = random_u64();
    std::memcpy(out.data() + i, &word, sizeof word);
  }
  return out;
}

// The same, a page at a time: one call into the kernel for some hundred ids. One thread.
class Dice {
 public:
  std::uint64_t next();

 private:
  std::array<std::uint64_t, 512> page_{};
  std::size_t used_ = 512;
};

}  // namespace hf::adapters
