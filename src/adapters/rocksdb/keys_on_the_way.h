// Which keys are about to be written: what is not told yet may be in no table. And which of them
// the tables were asked for and do not have, so that the journal's thread need not ask them again.
#pragma once

#include <array>
#include <cstddef>

#include "base/hash_map.h"
#include "call/batch.h"
#include "call/digest.h"

namespace hf::adapters {

// The keys of commits that were asked for and not told yet. On the caller's thread, in the order
// of asking: that order is what makes brings_new_key() true.
class KeysOnTheWay {
 public:
  // The tables do not have it, and contain() does not either. Some of these are forgotten:
  // brings_new_key() says less then.
  void lacked(const call::Digest& key) { place_of(key) = key; }
  // Of a batch that is about to be asked for. True: no table has the one key that it brings, nor
  // has anything that was asked for before it.
  [[nodiscard]] bool brings_new_key(const call::Batch& batch) const {
    if (batch.calls.size() != 1) return false;
    const auto& key = batch.calls.front().after->key;
    return key && key->identity != call::Digest{} && place_of(key->identity) == key->identity;
  }
  // From here on nobody else brings these keys as new ones.
  void asked(const call::Batch& batch) {
    for (const call::CallWrite& write : batch.calls) {
      if (!write.after->key) continue;
      const call::Digest& key = write.after->key->identity;
      ++count_.insert(key);
      if (call::Digest& place = place_of(key); place == key) place = {};
    }
  }
  // The same as was asked for.
  void told(const call::Batch& batch) {
    for (const call::CallWrite& write : batch.calls) {
      if (!write.after->key) continue;
      const call::Digest& key = write.after->key->identity;
      std::size_t* const count = count_.find(key);
      if (count != nullptr && --*count == 0) count_.erase(key);
    }
  }
  [[nodiscard]] bool contain(const call::Digest& key) const { return count_.contains(key); }

 private:
  // Of calls that were let in and are not written yet; one takes the place of another.
  static constexpr std::size_t kLacking = 1024;
  [[nodiscard]] static std::size_t index_of(const call::Digest& key) {
    return call::DigestHash{}(key) % kLacking;
  }
  [[nodiscard]] call::Digest& place_of(const call::Digest& key) { return lacking_[index_of(key)]; }
  [[nodiscard]] const call::Digest& place_of(const call::Digest& key) const {
    return lacking_[index_of(key)];
  }

  HashMap<call::Digest, std::size_t, call::DigestHash> count_;
  std::array<call::Digest, kLacking> lacking_{};
};

}  // namespace hf::adapters
