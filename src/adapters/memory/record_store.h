// The records of a journal in a map: sealed as on disk, written a batch at a time with its
// preconditions, and read as every journal is. One thread; deterministic when its nonces and clock
// are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapters/journal/kv.h"
#include "adapters/journal/reads.h"
#include "adapters/journal/retention.h"
#include "call/record.h"
#include "call/settings.h"

namespace hf::adapters {

// What is stored under which key.
using Records = std::map<std::string, std::string>;

// A view of records, which outlive it.
KvView view_of(const Records& records);
void apply_to(Records& records, const std::vector<call::KvOp>& ops);

class RecordStore {
 public:
  using NowSource = std::function<Now()>;

  RecordStore(call::RecordCodec codec, NowSource now, call::Retention retention);
  RecordStore(const RecordStore&) = delete;
  RecordStore& operator=(const RecordStore&) = delete;

  // What a start must know; a fresh store gets its first record.
  Result<call::Recovered> open();
  // What it wrote, the whole batch; none: a precondition does not hold, and nothing was written.
  std::optional<std::vector<call::KvOp>> write(const call::Batch& batch);
  // One turn of retention by age, and one of making room: written, and told.
  Result<RetentionTurn> sweep(std::size_t limit);
  Result<RetentionTurn> evict(std::uint64_t bytes, std::size_t limit);

  [[nodiscard]] const call::RecordCodec& codec() const { return codec_; }
  [[nodiscard]] const JournalReads& reads() const { return reads_; }
  // For oracles, for damage, and to put another state in place before open().
  [[nodiscard]] Records& records() { return records_; }
  [[nodiscard]] const Records& records() const { return records_; }

 private:
  call::RecordCodec codec_;
  NowSource now_;
  call::Retention ages_;
  Records records_;
  KvView view_;
  JournalReads reads_;
  Retention retention_;
  std::optional<WallTime> newest_;
};

}  // namespace hf::adapters
