#include "call/implied.h"

#include <atomic>
#include <utility>
#include <vector>

#include "call/owner.h"

namespace hf::call {
namespace {

// One for each value of an owner's first byte.
constexpr std::size_t kPlaces = 256;

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

}  // namespace

Implied::Implied(Hasher hasher) : hasher_(std::move(hasher)), serial_(next_serial()) {}

const std::string& Implied::limit_key(std::string_view upstream, const Digest& owner) const {
  struct Place {
    std::uint64_t serial = 0;
    Digest owner;
    std::string upstream;
    std::string limit_key;
  };
  thread_local std::vector<Place> places(kPlaces);
  Place& place = places[owner.bytes.front()];
  if (place.serial != serial_ || place.owner != owner || place.upstream != upstream) {
    place = {serial_, owner, std::string(upstream), limit_key_of(upstream, owner, hasher_)};
  }
  return place.limit_key;
}

}  // namespace hf::call
