#include "call/hasher.h"

#include <array>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/check.h"

namespace hf::call {
namespace {

// Raised when what is hashed, or how, changes; old and new digests then never meet.
constexpr char kVersion = 1;
constexpr std::size_t kDomainMax = 59;

}  // namespace

Digest Hasher::digest(std::string_view domain, std::string_view bytes) const {
  // With its length (as put_string() puts it), so that no domain runs into the bytes behind it.
  std::array<char, 5 + kDomainMax> prefix{kVersion};
  HF_CHECK(domain.size() <= kDomainMax);
  prefix[1] = static_cast<char>(domain.size());
  std::memcpy(prefix.data() + 5, domain.data(), domain.size());
  return mac_.of({prefix.data(), 5 + domain.size()}, bytes);
}

std::string sha256(std::string_view bytes) {
  const auto out = sha256_of(bytes);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string public_key_value(std::string_view parts) {
  return "hf1-" + to_hex(sha256(parts).substr(0, 20));
}

}  // namespace hf::call
