// Where the due calls of each upstream and class begin in the store: what was before has been taken
// out, and a store that keeps marks of what it deleted passes over every one of them on its way to
// the first that is there. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace hf::adapters {

class DueFronts {
 public:
  // From where to look for keys with this prefix: nothing lies before it.
  [[nodiscard]] std::string front(std::string_view prefix) const {
    const auto found = fronts_.find(prefix);
    return found == fronts_.end() ? std::string(prefix) : found->second;
  }
  // A walk from the front has found this as the first key, or none before it.
  void found(std::string_view prefix, std::string_view first) {
    fronts_.insert_or_assign(std::string(prefix), std::string(first));
  }
  // A key is put, now or soon. Every put is told before the next walk.
  void put(std::string_view key) {
    auto at = fronts_.upper_bound(key);
    if (at == fronts_.begin()) return;
    --at;
    if (key.starts_with(at->first) && key < at->second) at->second = key;
  }

 private:
  std::map<std::string, std::string, std::less<>> fronts_;  // by prefix
};

}  // namespace hf::adapters
