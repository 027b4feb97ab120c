#include "base/ids.h"

#include <algorithm>

#include "base/bytes.h"

namespace hf {

CallId CallId::make(WallTime born, std::uint64_t random_high, std::uint64_t random_low) {
  CallId id;
  const auto ms = static_cast<std::uint64_t>(born.ms);
  for (std::size_t i = 0; i < 6; ++i) {
    id.bytes[i] = static_cast<unsigned char>(ms >> (40 - 8 * i));
  }
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[6 + i] = static_cast<unsigned char>(random_high >> (56 - 8 * i));
    id.bytes[14 + i] = static_cast<unsigned char>(random_low >> (56 - 8 * i));
  }
  return id;
}

CallId CallIds::next(WallTime born, std::uint64_t random_high, std::uint64_t random_low) {
  constexpr std::uint64_t kMost = 0xffff;
  within_ = born == last_ ? std::min(within_ + 1, kMost) : 0;
  last_ = born;
  return CallId::make(born, within_ << 48 | random_high >> 16, random_low);
}

Result<CallId> CallId::parse(std::string_view text) {
  HF_TRY(const std::string raw, from_base32(text, kSize));
  return from_bytes(raw);
}

Result<CallId> CallId::from_bytes(std::string_view raw) {
  if (raw.size() != kSize) return fail(ErrorKind::invalid, "a call id has 22 bytes");
  CallId id;
  std::copy(raw.begin(), raw.end(), reinterpret_cast<char*>(id.bytes.data()));
  return id;
}

std::string CallId::text() const {
  return to_base32(raw());
}

WallTime CallId::born() const {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i)
    ms = (ms << 8) | bytes[i];
  return {ms};
}

}  // namespace hf
