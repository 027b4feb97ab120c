// How many calls stand where, and since when: counted from the indexes, a bounded stretch at a
// time, because reading a backlog of millions at once would keep commits waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "adapters/journal/kv.h"
#include "base/result.h"
#include "call/record.h"

namespace hf::adapters {

struct Standing {
  std::uint64_t calls = 0;
  std::optional<WallTime> oldest;  // when the oldest of them was accepted
};
// Waiting (held), sending (and verifying), unknown, open.
using StandingByState = std::map<call::State, Standing>;

class Census {
 public:
  explicit Census(KvView view) : view_(std::move(view)) {}

  // Goes on by at most `limit` entries; true when a pass has ended and standing() is new.
  Result<bool> turn(std::size_t limit);
  // A pass is under way.
  [[nodiscard]] bool busy() const { return busy_; }
  // Of the last whole pass; empty before the first.
  [[nodiscard]] const StandingByState& standing() const { return last_; }

 private:
  void count(call::State state, std::string_view key);

  KvView view_;
  bool busy_ = false;
  std::size_t index_ = 0;  // which index is being read
  std::string after_;      // the last key seen in it
  StandingByState counted_;
  StandingByState last_;
};

}  // namespace hf::adapters
