#include "adapters/rocksdb/sending_marks.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/journal/reads.h"

namespace hf::adapters {

using call::Prefix;

Result<bool> SendingMarks::complete(Database& database, const call::RecordCodec& codec) {
  const std::string stored = call::meta_key(call::kMetaUnmarked);
  HF_TRY(const auto mark, database.view().get(stored));
  if (!mark) return false;  // every entry was written at once
  auto floor = codec.open_meta(stored, *mark);
  if (!floor.ok()) return floor.take_error().in("the journal's mark of calls being sent");
  std::vector<CallId> young;
  Result<void> seen;
  const std::string heads(1, static_cast<char>(Prefix::call_head));
  HF_TRY_VOID(database.view().scan(call::call_key(Prefix::call_head, call::first_born(*floor)),
                                   call::end_of(heads), Direction::ascending,
                                   [&](std::string_view key, std::string_view) {
                                     const auto id = call::call_of_key(key);
                                     if (!id.ok()) {
                                       seen = id.error();
                                       return false;
                                     }
                                     young.push_back(id.value());
                                     return true;
                                   }));
  HF_TRY_VOID(seen);
  bool any = false;
  for (const CallId& id : young) {
    HF_TRY(const auto opened, read_head(database.view(), codec, id));
    if (!opened || opened->call->state != call::State::sending) continue;
    std::string entry = call::call_key(Prefix::sending, id);
    HF_TRY(const auto written, database.view().get(entry));
    if (written) continue;
    database.stage(std::move(entry), std::string());
    any = true;
  }
  return any;
}

bool SendingMarks::take(call::KvOp& op) {
  const auto kind = static_cast<Prefix>(op.key.front());
  if (kind != Prefix::call_head && kind != Prefix::sending) return false;
  const auto id = call::call_of_key(op.key);
  if (!id.ok()) return false;
  if (kind == Prefix::call_head) {
    // Only a new call's head is put together with an entry of that call.
    if (op.value) fresh_ = id.value();
    if (op.value) newest_ = std::max(newest_.value_or(id->born()), id->born());
    return false;
  }
  if (!op.value) return database_.forget_delayed(op.key);
  if (fresh_ != id.value() || !floor_ || id->born() < *floor_) return false;
  database_.delay(std::move(op.key));
  return true;
}

std::optional<WallTime> SendingMarks::turn(SteadyClock::time_point now) {
  if (now < next_) return std::nullopt;
  next_ = now + kWait;
  database_.stage_delayed();
  // What the life before has stored goes on to hold: an earlier one would have the next start read
  // every head there is.
  if (!newest_) return std::nullopt;
  WallTime floor = *newest_;
  if (const auto first = database_.first_delayed()) {
    const auto id = call::call_of_key(*first);
    if (id.ok()) floor = std::min(floor, id->born());
  }
  if (floor_ && floor <= *floor_) return std::nullopt;
  floor_ = floor;
  return floor_;
}

}  // namespace hf::adapters
