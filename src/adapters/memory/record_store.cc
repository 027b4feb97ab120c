#include "adapters/memory/record_store.h"

#include <utility>

#include "base/check.h"

namespace hf::adapters {

KvView view_of(const Records& records) {
  KvView out;
  out.get = [&records](std::string_view key) -> Result<std::optional<std::string>> {
    const auto found = records.find(std::string(key));
    if (found == records.end()) return std::optional<std::string>{};
    return std::optional<std::string>{found->second};
  };
  out.scan = [&records](std::string_view from, std::string_view until, Direction direction,
                        const KvView::Visit& visit) -> Result<void> {
    const auto first = records.lower_bound(std::string(from));
    const auto last = records.lower_bound(std::string(until));
    if (direction == Direction::ascending) {
      for (auto it = first; it != last && visit(it->first, it->second);)
        ++it;
      return {};
    }
    for (auto it = last; it != first;) {
      --it;
      if (!visit(it->first, it->second)) break;
    }
    return {};
  };
  return out;
}

void apply_to(Records& records, const std::vector<call::KvOp>& ops) {
  for (const call::KvOp& op : ops) {
    if (op.value) {
      records[op.key] = *op.value;
    } else {
      records.erase(op.key);
    }
  }
}

RecordStore::RecordStore(call::RecordCodec codec, NowSource now, call::Retention retention)
    : codec_(std::move(codec)),
      now_(std::move(now)),
      ages_(retention),
      view_(view_of(records_)),
      reads_(view_, codec_),
      retention_(view_, codec_, ages_) {}

Result<call::Recovered> RecordStore::open() {
  HF_TRY(auto recovered, reads_.recover());
  const Now now = now_();
  if (recovered.fresh) apply_to(records_, {codec_.put_meta(call::kMetaMade, now.wall, now)});
  newest_ = recovered.newest;
  return recovered;
}

std::optional<std::vector<call::KvOp>> RecordStore::write(const call::Batch& batch) {
  const Now now = now_();
  call::KvOps made = codec_.encode(batch, now);
  const auto met = holds(view_, made, {});
  HF_CHECK_MSG(met.ok(), "a record in memory has lost its head");
  if (!*met) return std::nullopt;
  if (!newest_ || made.newest > *newest_) {
    newest_ = made.newest;
    made.ops.push_back(codec_.put_meta(call::kMetaNewest, made.newest, now));
  }
  apply_to(records_, made.ops);
  return std::move(made.ops);
}

Result<RetentionTurn> RecordStore::sweep(std::size_t limit) {
  HF_TRY(RetentionTurn turn, retention_.sweep(now_(), newest_, limit));
  apply_to(records_, turn.ops);
  return turn;
}

Result<RetentionTurn> RecordStore::evict(std::uint64_t bytes, std::size_t limit) {
  HF_TRY(RetentionTurn turn, retention_.evict(bytes, limit));
  apply_to(records_, turn.ops);
  return turn;
}

}  // namespace hf::adapters
