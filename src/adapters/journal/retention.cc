#include "adapters/journal/retention.h"

#include <algorithm>
#include <utility>

#include "adapters/journal/reads.h"
#include "base/planted.h"

namespace hf::adapters {

using call::Prefix;
using call::Retire;

Result<std::vector<Retention::Entry>> Retention::entries(Retire what, std::optional<WallTime> until,
                                                         std::size_t limit) const {
  const std::string from = call::retire_prefix(what);
  std::string end = call::end_of(from);
  if (until) end = call::retire_key(what, WallTime{until->ms + 1}, CallId{});
  std::vector<Entry> out;
  Result<void> seen;
  HF_TRY_VOID(
      kv_.scan(from, end, Direction::ascending, [&](std::string_view key, std::string_view value) {
        if (out.size() == limit) return false;
        auto parsed = call::parse_retire_key(key);
        if (!parsed.ok()) {
          seen = parsed.take_error();
          return false;
        }
        out.push_back({std::string(key), std::string(value), *parsed});
        return true;
      }));
  if (!seen.ok()) return seen.error();
  return out;
}

Result<void> Retention::drop(std::string key, RetentionTurn& turn) const {
  HF_TRY(const auto value, kv_.get(key));
  if (!value) return {};
  turn.bytes_freed += key.size() + value->size();
  turn.ops.push_back({std::move(key), std::nullopt});
  return {};
}

Result<void> Retention::drop_bodies(const call::Call& call, RetentionTurn& turn) const {
  HF_TRY_VOID(drop(call::call_key(Prefix::request_body, call.id), turn));
  HF_TRY_VOID(drop(call::call_key(Prefix::answer_body, call.id), turn));
  HF_TRY_VOID(strip(call::call_key(Prefix::call_head, call.id), call::Strip::body, turn));
  if (!call.answer || call.answer->body_epoch == 0) return {};
  return strip(call::change_key(call.id, call.answer->body_epoch), call::Strip::body, turn);
}

// What stands in a record besides goes, the record stays.
Result<void> Retention::strip(const std::string& key, call::Strip what, RetentionTurn& turn) const {
  HF_TRY(const auto value, kv_.get(key));
  if (!value) return {};
  HF_TRY(auto smaller, codec_.stripped(key, *value, what));
  if (!smaller) return {};
  turn.bytes_freed += value->size() - std::min(value->size(), smaller->value->size());
  turn.ops.push_back(*std::move(smaller));
  return {};
}

Result<void> Retention::drop_all(const std::string& prefix, RetentionTurn& turn) const {
  return kv_.scan(prefix, call::end_of(prefix), Direction::ascending,
                  [&](std::string_view key, std::string_view value) {
                    turn.bytes_freed += key.size() + value.size();
                    turn.ops.push_back({std::string(key), std::nullopt});
                    return true;
                  });
}

Result<void> Retention::drop_head(const CallId& id, RetentionTurn& turn) const {
  HF_TRY_VOID(drop(call::call_key(Prefix::call_head, id), turn));
  HF_TRY_VOID(drop(call::call_key(Prefix::amended_head, id), turn));
  HF_TRY_VOID(drop_all(call::call_key(Prefix::change, id), turn));
  return drop_all(call::timeline_prefix(id), turn);
}

// All changes but the last, which says how the call stands.
Result<void> Retention::drop_timeline(const CallId& id, RetentionTurn& turn) const {
  HF_TRY_VOID(drop_all(call::timeline_prefix(id), turn));
  HF_TRY_VOID(strip(call::call_key(Prefix::call_head, id), call::Strip::body_and_events, turn));
  std::string last;
  const std::string changes = call::call_key(Prefix::change, id);
  HF_TRY_VOID(kv_.scan(changes, call::end_of(changes), Direction::ascending,
                       [&](std::string_view key, std::string_view) {
                         if (!last.empty()) turn.ops.push_back({last, std::nullopt});
                         last = std::string(key);
                         return true;
                       }));
  if (last.empty()) return {};
  return strip(last, call::Strip::body_and_events, turn);
}

Result<std::shared_ptr<call::Call>> Retention::ended_call(const Entry& entry,
                                                          call::Stamp& since) const {
  HF_TRY(auto opened, read_head(kv_, codec_, entry.parsed.call));
  if (!opened) return std::shared_ptr<call::Call>{};
  since = opened->call->ended.value_or(call::Stamp{opened->written, {}, {}});
  if (!call::terminal(opened->call->state) || since.wall != entry.parsed.since) {
    return std::shared_ptr<call::Call>{};
  }
  return std::move(opened->call);
}

// The key becomes a tombstone: owner and verdict stay, so that a late repeat is told the truth.
Result<void> Retention::bury_key(const call::Call& call, const Now& now,
                                 RetentionTurn& turn) const {
  if (!call::has_key_entry(call)) return {};
  const std::string key = call::key_key(call.key->identity);
  HF_TRY(const auto value, kv_.get(key));
  if (!value) return {};
  HF_TRY(call::KeyEntry entry, codec_.open_key_entry(key, *value));
  if (entry.call != call.id || entry.tombstone) return {};
  entry.tombstone = true;
  entry.owner = call.owner;
  entry.fingerprint = {};
  entry.verdict = call.verdict == call::Effect::none ? call::effect_of(call) : call.verdict;
  turn.ops.push_back(codec_.put_key_entry(call.key->identity, entry, now));
  turn.ops.push_back({call::retire_key(Retire::tombstone, now.wall, call.id), key});
  return {};
}

Result<bool> Retention::retire_call(const Entry& entry, Duration age, const Now& now,
                                    RetentionTurn& turn) const {
  call::Stamp since;
  HF_TRY(const auto call, ended_call(entry, since));
  if (!call) {  // the entry outlived its reason
    HF_PROBE("a-revived-call-was-not-swept");
    turn.ops.push_back({entry.key, std::nullopt});
    return true;
  }
  // The monotonic clock may know better than the wall; later entries ended later still.
  if (call::elapsed_at_least(since, now) < age) return false;
  turn.ops.push_back({entry.key, std::nullopt});
  if (entry.parsed.what != Retire::ended) {
    HF_TRY_VOID(take(entry.parsed.what, *call, now, turn));
    return true;
  }
  for (call::KvOp& stage : call::retirements(*call, entry.parsed.since)) {
    HF_TRY(const call::RetireEntry parsed, call::parse_retire_key(stage.key));
    if (call::elapsed_at_least(since, now) < age_of(parsed.what)) {
      turn.ops.push_back(std::move(stage));
    } else {
      HF_TRY_VOID(take(parsed.what, *call, now, turn));
    }
  }
  return true;
}

Result<void> Retention::take(Retire what, const call::Call& call, const Now& now,
                             RetentionTurn& turn) const {
  ++turn.retired;
  switch (what) {
    case Retire::bodies:
      HF_PROBE("swept-bodies");
      HF_TRY_VOID(drop_bodies(call, turn));
      break;
    case Retire::key:
      HF_PROBE("swept-a-key");
      HF_TRY_VOID(bury_key(call, now, turn));
      break;
    case Retire::timeline:
    case Retire::head:
      HF_TRY_VOID(bury_key(call, now, turn));
      HF_TRY_VOID(drop(call::call_key(Prefix::request_body, call.id), turn));
      HF_TRY_VOID(drop(call::call_key(Prefix::answer_body, call.id), turn));
      HF_TRY_VOID(drop_head(call.id, turn));
      for (call::KvOp& posting : codec_.postings(call))
        turn.ops.push_back({std::move(posting.key), std::nullopt});
      break;
    case Retire::ended:
    case Retire::tombstone:
    case Retire::pause:
      break;
  }
  return {};
}

Result<void> Retention::drop_tombstone(const Entry& entry, RetentionTurn& turn) const {
  HF_TRY(const auto value, kv_.get(entry.value));
  if (value) {
    HF_TRY(const call::KeyEntry found, codec_.open_key_entry(entry.value, *value));
    // A revived call has taken its key back; it will be buried again in its time.
    if (found.tombstone && found.call == entry.parsed.call) {
      HF_PROBE("swept-a-tombstone");
      HF_TRY_VOID(drop(entry.value, turn));
      ++turn.retired;
    }
  }
  turn.ops.push_back({entry.key, std::nullopt});
  return {};
}

Result<void> Retention::drop_pause(const Entry& entry, RetentionTurn& turn) const {
  HF_TRY(const auto value, kv_.get(entry.value));
  if (value) {
    HF_TRY(const call::PauseWrite pause, codec_.open_pause(entry.value, *value));
    if (pause.until == entry.parsed.since) {
      HF_PROBE("swept-a-pause");
      HF_TRY_VOID(drop(entry.value, turn));
      ++turn.retired;
    }
  }
  turn.ops.push_back({entry.key, std::nullopt});
  return {};
}

// False: this entry and those after it are not old enough.
Result<bool> Retention::retire(const Entry& entry, Duration age, const Now& now,
                               RetentionTurn& turn) const {
  if (entry.parsed.what == Retire::tombstone) {
    HF_TRY_VOID(drop_tombstone(entry, turn));
    return true;
  }
  if (entry.parsed.what == Retire::pause) {
    HF_TRY_VOID(drop_pause(entry, turn));
    return true;
  }
  return retire_call(entry, age, now, turn);
}

Result<void> Retention::sweep_kind(Retire what, Duration age, const Now& now, std::size_t limit,
                                   RetentionTurn& turn) const {
  const WallTime until{now.wall.ms - std::min(age.ms(), now.wall.ms)};
  HF_TRY(const auto found, entries(what, until, limit));
  for (const Entry& entry : found) {
    HF_TRY(const bool old, retire(entry, age, now, turn));
    if (!old) return {};
  }
  turn.more = turn.more || found.size() == limit;
  return {};
}

Result<RetentionTurn> Retention::sweep(const Now& now, std::optional<WallTime> newest,
                                       std::size_t limit) const {
  RetentionTurn turn;
  if (newest && now.wall < *newest) {
    HF_PROBE("no-sweep-behind-the-journals-time");
    return turn;
  }
  for (const Retire what : {Retire::ended, Retire::bodies, Retire::key, Retire::timeline,
                            Retire::head, Retire::tombstone, Retire::pause}) {
    HF_TRY_VOID(sweep_kind(what, age_of(what), now, limit, turn));
  }
  return turn;
}

Duration Retention::age_of(Retire what) const {
  if (HF_BUG("sweep-the-young")) return {};
  switch (what) {
    case Retire::ended:
      return std::min({ages_.keys, ages_.bodies, ages_.timeline});
    case Retire::bodies:
      return ages_.bodies;
    case Retire::key:
      return ages_.keys;
    case Retire::timeline:
    case Retire::head:
      // A head is needed as long as its key or its bodies are.
      return std::max({ages_.timeline, ages_.keys, ages_.bodies});
    case Retire::tombstone:
      return ages_.tombstones;
    case Retire::pause:
      break;
  }
  return {};
}

Result<RetentionTurn> Retention::evict(std::uint64_t bytes, std::size_t limit) const {
  RetentionTurn turn;
  std::size_t looked = 0;
  for (const Retire what : {Retire::bodies, Retire::ended, Retire::timeline}) {
    HF_TRY(const auto found, entries(what, std::nullopt, limit - looked));
    looked += found.size();
    for (const Entry& entry : found) {
      if (turn.bytes_freed >= bytes) {
        turn.more = true;
        return turn;
      }
      call::Stamp since;
      HF_TRY(const auto call, ended_call(entry, since));
      turn.ops.push_back({entry.key, std::nullopt});
      if (!call) continue;
      ++turn.retired;
      turn.first = std::min(turn.first.value_or(call->id), call->id);
      turn.last = std::max(turn.last.value_or(call->id), call->id);
      if (what == Retire::ended) {
        for (call::KvOp& stage : call::retirements(*call, entry.parsed.since)) {
          if (stage.key.starts_with(call::retire_prefix(Retire::bodies))) continue;
          turn.ops.push_back(std::move(stage));
        }
        turn.more = true;  // its timeline can go in another turn
      }
      if (what != Retire::timeline) {
        HF_TRY_VOID(drop_bodies(*call, turn));
      } else {
        HF_TRY_VOID(drop_timeline(call->id, turn));
        turn.ops.push_back(
            {call::retire_key(Retire::head, entry.parsed.since, call->id), std::string()});
      }
    }
    if (looked == limit) {
      turn.more = true;
      return turn;
    }
  }
  return turn;
}

}  // namespace hf::adapters
