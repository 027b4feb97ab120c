#include "adapters/journal/reads.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/planted.h"

namespace hf::adapters {

using call::Prefix;

namespace {

std::string one_letter(Prefix prefix) {
  return {static_cast<char>(prefix)};
}

}  // namespace

Result<std::optional<call::OpenedCall>> JournalReads::open_head(const CallId& id) const {
  return read_head(kv_, codec_, id);
}

Result<std::shared_ptr<call::Call>> JournalReads::head(const CallId& id) const {
  HF_TRY(auto opened, open_head(id));
  return opened ? std::move(opened->call) : nullptr;
}

Result<void> JournalReads::add_bodies(call::Call& call) const {
  if (call.request && call.has_body && !call.request->body) {
    const std::string key = call::call_key(Prefix::request_body, call.id);
    HF_TRY(const auto value, kv_.get(key));
    if (value) {
      auto request = std::make_shared<call::Request>(*call.request);
      HF_TRY(request->body, codec_.open_body(key, *value));
      call.request = std::move(request);
    }
  }
  return add_answer_body(call);
}

// An answer whose body was dropped since says so.
Result<void> JournalReads::add_answer_body(call::Call& call) const {
  if (!call.answer || !call.answer->body_kept || call.answer->body) return {};
  if (call.answer->body_epoch != 0) {
    const std::string key = call::change_key(call.id, call.answer->body_epoch);
    HF_TRY(const auto value, kv_.get(key));
    if (value) {
      call::OpenedCall then{std::make_shared<call::Call>(call), {}, {}};
      HF_TRY_VOID(codec_.open_change(key, *value, then));
      if (then.call->answer) call.answer->body = then.call->answer->body;
      if (call.answer->body) return {};
    }
  }
  const std::string key = call::call_key(Prefix::answer_body, call.id);
  HF_TRY(const auto value, kv_.get(key));
  if (value) {
    HF_TRY(call.answer->body, codec_.open_body(key, *value));
  } else {
    call.answer->body_kept = false;
  }
  return {};
}

Result<std::shared_ptr<const call::Call>> JournalReads::read_call(const CallId& id,
                                                                  ports::Want want) const {
  HF_TRY(auto call, head(id));
  if (call && want == ports::Want::with_bodies) HF_TRY_VOID(add_bodies(*call));
  if (call && want == ports::Want::head) HF_TRY_VOID(add_answer_body(*call));
  return std::shared_ptr<const call::Call>(std::move(call));
}

Result<ports::KeyFound> JournalReads::find_key(const call::Digest& identity) const {
  const std::string key = call::key_key(identity);
  HF_TRY(const auto value, kv_.get(key));
  ports::KeyFound out;
  if (!value) return out;
  HF_TRY(out.entry, codec_.open_key_entry(key, *value));
  if (out.entry->tombstone) return HF_BUG("pass-by-a-tombstone") ? ports::KeyFound{} : out;
  HF_TRY(out.call, read_call(out.entry->call, ports::Want::with_bodies));
  if (!out.call) {
    return fail(ErrorKind::corrupt,
                "a key names call " + out.entry->call.text() + ", which the journal does not have");
  }
  out.entry->owner = out.call->owner;
  out.entry->fingerprint = out.call->fingerprint;
  return out;
}

Result<ports::LinePage> JournalReads::read_line(const call::Digest& line, std::size_t limit) const {
  const std::string prefix = call::order_prefix(line);
  ports::LinePage out;
  Result<void> seen;
  HF_TRY_VOID(kv_.scan(prefix, call::end_of(prefix), Direction::ascending,
                       [&](std::string_view key, std::string_view) {
                         const auto place = call::place_of_key(key);
                         const auto id = call::call_of_key(key);
                         if (!place.ok() || !id.ok()) {
                           seen = fail(ErrorKind::corrupt, "malformed place in a line");
                           return false;
                         }
                         out.more = out.members.size() == limit;
                         if (!out.more) out.members.emplace_back(place.value(), id.value());
                         return !out.more;
                       }));
  if (!seen.ok()) return seen.error();
  return out;
}

Result<ports::LineHeads> JournalReads::page_line_heads(const std::optional<call::Digest>& after,
                                                       std::size_t limit) const {
  const std::string all = one_letter(Prefix::order);
  std::string from = after ? call::end_of(call::order_prefix(*after)) : all;
  ports::LineHeads out;
  while (out.heads.size() < limit) {
    std::optional<CallId> first;
    Result<void> seen;
    HF_TRY_VOID(kv_.scan(from, call::end_of(all), Direction::ascending,
                         [&](std::string_view key, std::string_view) {
                           const auto id = call::call_of_key(key);
                           if (id.ok()) first = id.value();
                           if (!id.ok()) seen = fail(ErrorKind::corrupt, "malformed line");
                           return false;
                         }));
    if (!seen.ok()) return seen.error();
    if (!first) {
      out.next.reset();
      return out;
    }
    HF_TRY(auto call, head(*first));
    if (!call || !call->asked.order) {
      return fail(ErrorKind::corrupt,
                  "a line names call " + first->text() + ", which the journal does not have in it");
    }
    out.next = call->asked.order->line;
    from = call::end_of(call::order_prefix(*out.next));
    out.heads.push_back(std::move(call));
  }
  return out;
}

Result<ports::DuePage> JournalReads::page_due(const std::string& upstream, call::DueClass which,
                                              WallTime until, std::size_t limit) const {
  limit = std::min(limit, kDuePageMax);
  const std::string prefix = codec_.due_prefix(upstream, which);
  std::vector<CallId> due;
  ports::DuePage out;
  Result<void> seen;
  const std::string from = fronts_ != nullptr ? fronts_->front(prefix) : prefix;
  std::string first = call::end_of(prefix);
  HF_TRY_VOID(kv_.scan(from, call::end_of(prefix), Direction::ascending,
                       [&](std::string_view key, std::string_view) {
                         if (key < first) first = key;
                         const auto at = call::due_of_key(key);
                         const auto id = call::call_of_key(key);
                         if (!at.ok() || !id.ok()) {
                           seen = fail(ErrorKind::corrupt, "malformed due entry");
                           return false;
                         }
                         if (due.size() == limit || at.value() > until) {
                           out.next = at.value();
                           return false;
                         }
                         due.push_back(id.value());
                         return true;
                       }));
  if (!seen.ok()) return seen.error();
  if (fronts_ != nullptr) fronts_->found(prefix, first);
  for (const CallId& id : due) {
    HF_TRY(auto call, head(id));
    if (!call) {
      return fail(ErrorKind::corrupt,
                  "the due index names call " + id.text() + ", which the journal does not have");
    }
    out.calls.push_back(std::move(call));
  }
  return out;
}

Result<ports::CallPage> JournalReads::running_out(const ports::CallFilter& filter) const {
  const ports::RunningOut& wanted = *filter.running_out;
  const std::size_t limit = std::clamp<std::size_t>(filter.limit, 1, kListPageMax);
  ports::CallPage page;
  std::vector<CallId> found;
  std::size_t examined = 0;
  for (std::size_t i = 0; i < call::kDueClasses; ++i) {
    const std::string due = codec_.due_prefix(filter.upstream, static_cast<call::DueClass>(i));
    HF_TRY_VOID(kv_.scan(due, call::end_of(due), Direction::ascending,
                         [&](std::string_view key, std::string_view value) {
                           if (++examined > kRunningOutMax) {
                             page.more = true;
                             return false;
                           }
                           const call::DueEntry entry = call::parse_due_value(value);
                           const auto id = call::call_of_key(key);
                           if (!id.ok() || !entry.ends || entry.state == call::State::open)
                             return true;
                           const auto by_time =
                               call::stage_of_time(id->born(), *entry.ends, wanted.now);
                           if (std::max(entry.stage, by_time) < wanted.stage) return true;
                           page.matched += 1;
                           if (found.size() < limit) found.push_back(id.value());
                           return true;
                         }));
  }
  // A call does not cease to run out of time while it is being attempted.
  std::vector<CallId> sending;
  const std::string at_upstream = one_letter(Prefix::sending);
  HF_TRY_VOID(kv_.scan(at_upstream, call::end_of(at_upstream), Direction::ascending,
                       [&](std::string_view key, std::string_view) {
                         const auto id = call::call_of_key(key);
                         if (id.ok()) sending.push_back(id.value());
                         return sending.size() < kListPageMax;
                       }));
  for (const CallId& id : found) {
    HF_TRY(auto call, head(id));
    if (call) page.calls.push_back(std::move(call));
  }
  for (const CallId& id : sending) {
    HF_TRY(auto call, head(id));
    if (!call || !call->held || call->upstream != filter.upstream) continue;
    const auto by_time = call::stage_of_time(call->accepted.wall, call::ends_at(*call), wanted.now);
    if (std::max(call->stage, by_time) < wanted.stage) continue;
    page.matched += 1;
    if (page.calls.size() < limit) page.calls.push_back(std::move(call));
  }
  return page;
}

Result<ports::CallPage> JournalReads::blocking(const ports::CallFilter& filter) const {
  const std::size_t limit = std::clamp<std::size_t>(filter.limit, 1, kListPageMax);
  constexpr std::size_t kTail = sizeof(std::uint64_t) + CallId::kSize;  // the place, the call
  ports::CallPage page;
  std::string line;
  std::vector<std::pair<CallId, std::uint64_t>> found;  // the first of a line, how many behind it
  std::size_t examined = 0;
  const std::string all = one_letter(Prefix::order);
  const auto stands_alone = [&] { return !found.empty() && found.back().second == 0; };
  HF_TRY_VOID(kv_.scan(all, call::end_of(all), Direction::ascending,
                       [&](std::string_view key, std::string_view) {
                         if (++examined > kPlacesMax) {
                           page.more = true;
                           return false;
                         }
                         const auto id = call::call_of_key(key);
                         if (!id.ok() || key.size() <= kTail) return true;
                         if (key.substr(0, key.size() - kTail) == line) {
                           found.back().second += 1;
                           return true;
                         }
                         if (stands_alone()) found.pop_back();
                         if (found.size() == limit) {
                           page.more = true;
                           return false;
                         }
                         line.assign(key.substr(0, key.size() - kTail));
                         found.emplace_back(id.value(), 0);
                         return true;
                       }));
  if (stands_alone()) found.pop_back();
  for (const auto& [id, behind] : found) {
    HF_TRY(auto call, head(id));
    if (!call) continue;
    page.calls.push_back(std::move(call));
    page.behind.push_back(behind);
  }
  return page;
}

Result<ports::CallDetail> JournalReads::detail(const CallId& id) const {
  HF_TRY(auto opened, open_head(id));
  if (!opened) return ports::CallDetail{};
  HF_TRY_VOID(add_answer_body(*opened->call));
  return with_timeline(*std::move(opened));
}

Result<ports::CallDetail> JournalReads::with_timeline(call::OpenedCall opened) const {
  ports::CallDetail out;
  const CallId id = opened.call->id;
  out.timeline = std::move(opened.events);
  const auto full = [&] { return out.timeline.size() >= kTimelineMax; };
  Result<void> seen;
  const auto failed = [&](Error error) {
    seen = std::move(error).in("timeline of call " + id.text());
    return false;
  };
  const std::string early = call::timeline_prefix(id);
  HF_TRY_VOID(kv_.scan(early, call::end_of(early), Direction::ascending,
                       [&](std::string_view key, std::string_view value) {
                         auto event = codec_.open_event(key, value);
                         if (!event.ok()) return failed(event.take_error());
                         if (*event) out.timeline.push_back(**std::move(event));
                         return !full();
                       }));
  // Nothing ends without a word: the rest was retired early, and an end alone would mislead.
  bool whole = !out.timeline.empty();
  std::uint64_t before = opened.head_epoch;
  const std::string changes = call::call_key(Prefix::change, id);
  if (!full()) {
    HF_TRY_VOID(kv_.scan(changes, call::end_of(changes), Direction::ascending,
                         [&](std::string_view key, std::string_view value) {
                           const auto parsed = call::parse_change_key(key);
                           if (!parsed.ok()) return failed(parsed.error());
                           auto events = codec_.open_events(key, value);
                           if (!events.ok()) return failed(events.take_error());
                           whole = whole && parsed->second == before + 1;
                           before = parsed->second;
                           out.timeline.insert(out.timeline.end(), events->begin(), events->end());
                           return !full();
                         }));
  }
  if (!seen.ok()) return seen.error();
  if (!whole && call::terminal(opened.call->state)) out.timeline.clear();
  out.call = std::move(opened.call);
  return out;
}

Result<call::Recovered> JournalReads::recover() const {
  call::Recovered out;
  const std::string made = call::meta_key(call::kMetaMade);
  HF_TRY(const auto birth, kv_.get(made));
  if (!birth) {
    bool any = false;
    HF_TRY_VOID(kv_.scan(std::string_view("\0", 1), "\xff", Direction::ascending,
                         [&](std::string_view, std::string_view) {
                           any = true;
                           return false;
                         }));
    if (any) return fail(ErrorKind::corrupt, "the journal has records, but not its own first one");
    out.fresh = true;
    return out;
  }
  const auto opened = codec_.open_meta(made, *birth);
  if (!opened.ok()) return Error(opened.error()).in("the journal's first record");
  const std::string newest = call::meta_key(call::kMetaNewest);
  HF_TRY(const auto stamp, kv_.get(newest));
  if (stamp) {
    HF_TRY(out.newest, codec_.open_meta(newest, *stamp));
  }

  Result<void> seen;
  std::vector<CallId> cut;
  const std::string sending = one_letter(Prefix::sending);
  HF_TRY_VOID(kv_.scan(sending, call::end_of(sending), Direction::ascending,
                       [&](std::string_view key, std::string_view) {
                         const auto id = call::call_of_key(key);
                         if (!id.ok()) {
                           seen = id.error();
                           return false;
                         }
                         cut.push_back(id.value());
                         return true;
                       }));
  const std::string pauses = one_letter(Prefix::pause);
  HF_TRY_VOID(kv_.scan(pauses, call::end_of(pauses), Direction::ascending,
                       [&](std::string_view key, std::string_view value) {
                         auto pause = codec_.open_pause(key, value);
                         if (!pause.ok()) {
                           seen = pause.take_error().in("a pause");
                           return false;
                         }
                         out.pauses.push_back(*std::move(pause));
                         return true;
                       }));
  const std::string unknown = one_letter(Prefix::unknown);
  HF_TRY_VOID(kv_.scan(
      unknown, call::end_of(unknown), Direction::ascending,
      [&](std::string_view, std::string_view) { return ++out.unknown_calls < kUnknownCountMax; }));
  if (!seen.ok()) return seen.error();
  for (const CallId& id : cut) {
    HF_TRY(auto call, read_call(id, ports::Want::with_bodies));
    if (!call) return fail(ErrorKind::corrupt, "call " + id.text() + " is indexed but not there");
    out.sending.push_back(std::move(call));
  }
  return out;
}

namespace {

// The latest change of a call: its key and value; none where nothing has changed.
Result<std::optional<std::pair<std::string, std::string>>> last_change(const KvView& kv,
                                                                       const CallId& id) {
  const std::string prefix = call::call_key(Prefix::change, id);
  std::optional<std::pair<std::string, std::string>> out;
  HF_TRY_VOID(kv.scan(prefix, call::end_of(prefix), Direction::descending,
                      [&](std::string_view key, std::string_view value) {
                        out.emplace(key, value);
                        return false;
                      }));
  return out;
}

// The epoch of a call by its latest record.
Result<std::optional<std::uint64_t>> stored_epoch(const KvView& kv, const CallId& id) {
  HF_TRY(const auto changed, last_change(kv, id));
  if (changed) {
    HF_TRY(const auto parsed, call::parse_change_key(changed->first));
    return std::optional(parsed.second);
  }
  HF_TRY(const auto value, kv.get(call::call_key(Prefix::call_head, id)));
  if (!value) return std::optional<std::uint64_t>{};
  HF_TRY(const call::RecordHead head, call::Sealer::peek(*value));
  return std::optional(head.epoch);
}

}  // namespace

Result<bool> holds(const KvView& kv, const call::KvOps& ops, const KnownHeads& known) {
  if (ops.contradictory) return false;
  for (const call::Precondition& condition : ops.preconditions) {
    if (const auto* identity = std::get_if<call::Digest>(&condition.of)) {
      if (known.new_key && known.new_key(*identity)) continue;
      HF_TRY(const auto value, kv.get(call::key_key(*identity)));
      if (value) return false;
      continue;
    }
    const CallId& id = std::get<CallId>(condition.of);
    if (!condition.epoch) {
      if (known.new_call && known.new_call(id)) continue;
      HF_TRY(const auto value, kv.get(call::call_key(Prefix::call_head, id)));
      if (value) return false;
      continue;
    }
    std::optional<std::uint64_t> epoch;
    if (known.epoch) epoch = known.epoch(id);
    if (!epoch) {
      HF_TRY(epoch, stored_epoch(kv, id));
    }
    if (epoch != condition.epoch) return false;
  }
  return true;
}

Result<call::OpenedCall> complete_head(const KvView& kv, const call::RecordCodec& codec,
                                       std::string_view key, std::string_view value) {
  HF_TRY(auto opened, codec.open_call(key, value));
  HF_TRY(const auto changed, last_change(kv, opened.call->id));
  if (!changed) return opened;  // an amended head is never written without
  const std::string amended = call::call_key(Prefix::amended_head, opened.call->id);
  HF_TRY(const auto anew, kv.get(amended));
  if (anew) {
    HF_TRY(auto again, codec.open_call(amended, *anew));
    // The body is frozen, too.
    if (opened.call->request && opened.call->request->body && again.call->request) {
      auto request = std::make_shared<call::Request>(*again.call->request);
      request->body = opened.call->request->body;
      again.call->request = std::move(request);
    }
    opened.call = std::move(again.call);
  }
  HF_TRY_VOID(codec.open_change(changed->first, changed->second, opened));
  return opened;
}

Result<std::optional<call::OpenedCall>> read_head(const KvView& kv, const call::RecordCodec& codec,
                                                  const CallId& id) {
  const std::string key = call::call_key(Prefix::call_head, id);
  HF_TRY(const auto value, kv.get(key));
  if (!value) return std::optional<call::OpenedCall>{};
  HF_TRY(auto opened, complete_head(kv, codec, key, *value));
  return std::optional(std::move(opened));
}

}  // namespace hf::adapters
