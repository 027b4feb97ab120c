// What a record leaves out because the rest of it implies it (docs/formats/journal.md, Payloads).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "call/digest.h"
#include "call/hasher.h"

namespace hf::call {

class Implied {
 public:
  // Of records whose digests `hasher` makes.
  explicit Implied(Hasher hasher);

  // call::limit_key_of(). Most callers come again and again, so they are remembered. Lasts until
  // this thread's next question. Any thread.
  [[nodiscard]] const std::string& limit_key(std::string_view upstream, const Digest& owner) const;
  [[nodiscard]] const Hasher& hasher() const { return hasher_; }
  // One of its own among all of this process, for what a thread remembers. Copies share it.
  [[nodiscard]] std::uint64_t serial() const { return serial_; }

 private:
  Hasher hasher_;
  std::uint64_t serial_;
};

}  // namespace hf::call
