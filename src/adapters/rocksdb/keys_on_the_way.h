// Which keys are about to be written: what is not told yet may be in no table.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "adapters/journal/commands.h"
#include "base/hash_map.h"
#include "call/digest.h"

namespace hf::adapters {

// The keys of commits that were asked for and not told yet.
class KeysOnTheWay {
 public:
  void asked(const CommitCommand& commit) {
    std::vector<call::Digest> keys;
    for (const call::CallWrite& write : commit.batch.calls) {
      if (write.after->key) keys.push_back(write.after->key->identity);
    }
    if (keys.empty()) return;
    for (const call::Digest& key : keys)
      ++count_.insert(key);
    commits_.emplace_back(commit.id, std::move(keys));
  }
  // In the order of asking.
  void told(CommitId commit) {
    if (commits_.empty() || commits_.front().first != commit) return;
    for (const call::Digest& key : commits_.front().second) {
      if (--*count_.find(key) == 0) count_.erase(key);
    }
    commits_.pop_front();
  }
  [[nodiscard]] bool contain(const call::Digest& key) const { return count_.contains(key); }

 private:
  HashMap<call::Digest, std::size_t, call::DigestHash> count_;
  std::deque<std::pair<CommitId, std::vector<call::Digest>>> commits_;
};

}  // namespace hf::adapters
