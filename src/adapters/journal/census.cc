#include "adapters/journal/census.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hf::adapters {
namespace {

constexpr std::array kIndexes{call::Prefix::due, call::Prefix::sending, call::Prefix::unknown};

// The due index holds two kinds of calls; its value says which.
call::State state_of(call::Prefix index, std::string_view value) {
  if (index == call::Prefix::sending) return call::State::sending;
  if (index == call::Prefix::unknown) return call::State::unknown;
  const bool open = !value.empty() && static_cast<call::State>(value.front()) == call::State::open;
  return open ? call::State::open : call::State::waiting;
}

}  // namespace

void Census::count(call::State state, std::string_view key) {
  Standing& standing = counted_[state];
  standing.calls += 1;
  auto id = call::call_of_key(key);
  if (!id.ok()) return;
  const WallTime born = id->born();
  if (!standing.oldest || born < *standing.oldest) standing.oldest = born;
}

Result<bool> Census::turn(std::size_t limit) {
  busy_ = true;
  for (std::size_t left = limit; index_ < kIndexes.size();) {
    const call::Prefix index = kIndexes[index_];
    const std::string first(1, static_cast<char>(index));
    const std::string end(1, static_cast<char>(static_cast<char>(index) + 1));
    std::size_t seen = 0;
    // From just behind the last one.
    const std::string from = after_.empty() ? first : after_ + '\0';
    HF_TRY_VOID(view_.scan(from, end, Direction::ascending,
                           [&](std::string_view key, std::string_view value) {
                             count(state_of(index, value), key);
                             after_.assign(key);
                             seen += 1;
                             return seen < left;
                           }));
    if (seen >= left) return false;
    left -= seen;
    index_ += 1;
    after_.clear();
  }
  last_ = std::exchange(counted_, {});
  index_ = 0;
  busy_ = false;
  return true;
}

}  // namespace hf::adapters
