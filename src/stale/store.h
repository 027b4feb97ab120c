// Kept answers in bounded memory; who was not asked for the longest goes first. Pure; knows nothing
// of what may be kept (stale/rules.h).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "call/digest.h"
#include "stale/rules.h"

namespace hf::stale {

// Answers of one target that differ by what their requests said.
inline constexpr std::size_t kVariantsMax = 32;

// What a request says in the fields of these names, as a digest: credentials are among them.
using Selector = std::function<call::Digest(const std::vector<std::string>& names)>;

class Store {
 public:
  // Bytes of answers and of copies under way, together.
  explicit Store(std::uint64_t max_bytes) : max_(max_bytes) {}

  // The newest answer that fits the request; null: none does. It counts as asked for.
  std::shared_ptr<const Kept> find(const call::Digest& target, const Selector& selector);
  // In the place of those that fit the same request, unless one of them was asked for later: an
  // answer may overtake another. False: there is no room even without the others.
  bool put(const call::Digest& target, const Selector& selector, std::vector<std::string> names,
           std::shared_ptr<const Kept> kept);
  // All of the target: something has changed it (RFC 9111 section 4.4).
  void forget(const call::Digest& target);
  // What fits the request; `personal`: only if it depends on what the request says.
  void forget_fitting(const call::Digest& target, const Selector& selector, bool personal);

  // For a copy under way; half of the memory at most, so that answers in transit do not drive out
  // those that are there. Others are forgotten to make room. False: nothing was taken.
  bool reserve(std::uint64_t bytes);
  void release(std::uint64_t bytes);

  [[nodiscard]] std::uint64_t bytes() const { return used_ + reserved_; }
  [[nodiscard]] std::uint64_t copying() const { return reserved_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }
  // What an answer takes, allocations around it included.
  [[nodiscard]] static std::uint64_t cost_of(const Kept& kept,
                                             const std::vector<std::string>& names);

 private:
  struct Entry {
    call::Digest target;
    std::vector<std::string> names;
    call::Digest selected;
    std::shared_ptr<const Kept> kept;
    std::uint64_t cost = 0;
  };
  using Entries = std::list<Entry>;  // the last asked for stands first

  void erase(Entries::iterator entry);
  void evict(Entries::iterator entry);
  bool make_room(std::uint64_t bytes);
  template <typename Each>
  void each_fitting(const call::Digest& target, const Selector& selector, Each each);

  std::uint64_t max_;
  std::uint64_t used_ = 0;
  std::uint64_t reserved_ = 0;
  std::uint64_t evicted_ = 0;
  Entries entries_;
  std::map<call::Digest, std::vector<Entries::iterator>> by_target_;
};

}  // namespace hf::stale
