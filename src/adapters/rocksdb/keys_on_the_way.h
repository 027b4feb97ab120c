// Which keys are about to be written: what is not told yet may be in no table.
#pragma once

#include <cstddef>

#include "base/hash_map.h"
#include "call/batch.h"
#include "call/digest.h"

namespace hf::adapters {

// The keys of commits that were asked for and not told yet.
class KeysOnTheWay {
 public:
  void asked(const call::Batch& batch) {
    for (const call::CallWrite& write : batch.calls) {
      if (write.after->key) ++count_.insert(write.after->key->identity);
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
  HashMap<call::Digest, std::size_t, call::DigestHash> count_;
};

}  // namespace hf::adapters
