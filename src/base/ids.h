// Strong ids. ExchangeId and AttemptId live as long as the process; a CallId is for ever.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/front_word.h"
#include "base/result.h"
#include "base/time.h"

namespace hf {

// One request of one client connection, from its head to its answer.
enum class ExchangeId : std::uint64_t {};
// One try at the upstream.
enum class AttemptId : std::uint64_t {};
// For a HashMap: they are counted, so that each has a place of its own.
struct AttemptIdHash {
  std::uint64_t operator()(AttemptId id) const { return static_cast<std::uint64_t>(id); }
};
// A journal commit, in order of submission.
enum class CommitId : std::uint64_t {};
// An operator's request over the admin API.
enum class CommandId : std::uint64_t {};

template <typename Id>
constexpr std::uint64_t raw(Id id) {
  return static_cast<std::uint64_t>(id);
}

// 48 bits of milliseconds, then 128 that nobody can guess, as random as their maker has them (see
// CallIds): sorts by time of birth. As text 36 characters of lower-case Crockford base32.
struct CallId {
  static constexpr std::size_t kSize = 22;
  static constexpr std::size_t kTextSize = 36;
  std::array<unsigned char, kSize> bytes{};

  static CallId make(WallTime born, std::uint64_t random_high, std::uint64_t random_low);
  static Result<CallId> parse(std::string_view text);
  static Result<CallId> from_bytes(std::string_view raw);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string_view raw() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  [[nodiscard]] WallTime born() const;
  bool operator==(const CallId&) const = default;
  // As the bytes are ordered; the time and the count within it decide almost always.
  std::strong_ordering operator<=>(const CallId& other) const {
    const std::uint64_t mine = front_word(bytes.data());
    const std::uint64_t its = front_word(other.bytes.data());
    return mine != its ? mine <=> its : bytes <=> other.bytes;
  }
};

// Makes ids in the order of its calls: of the 128 bits the first 16 count within a millisecond, 112
// are random. What is written in the order of ids lies in tables that do not overlap, which are
// never put together (ADR 0021). A clock that is set back, or more than 65,536 in a millisecond,
// cost that order and nothing else.
class CallIds {
 public:
  CallId next(WallTime born, std::uint64_t random_high, std::uint64_t random_low);

 private:
  WallTime last_;
  std::uint64_t within_ = 0;
};

}  // namespace hf
