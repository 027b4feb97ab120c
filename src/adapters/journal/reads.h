// The read side of the Journal port over any KvView: what each question reads, and how it is
// bounded. Runs on the thread that owns the store.
#pragma once

#include <string>
#include <vector>

#include "adapters/journal/due_fronts.h"
#include "adapters/journal/kv.h"
#include "base/result.h"
#include "call/batch.h"
#include "call/record.h"
#include "ports/journal.h"

namespace hf::adapters {

// Call heads looked at for one page of a filtered list.
inline constexpr std::size_t kListExaminedMax = 10'000;
inline constexpr std::size_t kListPageMax = 1000;
inline constexpr std::size_t kDuePageMax = 4096;
// Index entries looked at for those that run out of time.
inline constexpr std::size_t kRunningOutMax = 50'000;
// Places in lines looked at for those that block.
inline constexpr std::size_t kPlacesMax = 50'000;
// Entries counted at a start, and events shown of one call.
// Entries of a field looked at for one page of a search, and of likeness for one page of a walk:
// some tens of milliseconds, in which no commit is written.
inline constexpr std::size_t kSearchExaminedMax = 50'000;
inline constexpr std::size_t kLikenessExaminedMax = 20'000;
inline constexpr std::size_t kLikePairsMax = 200;
inline constexpr std::uint64_t kUnknownCountMax = 100'000;
inline constexpr std::size_t kTimelineMax = 10'000;

class JournalReads {
 public:
  // All outlive the reader. With `fronts`, every put of a due entry is told to them.
  JournalReads(const KvView& kv, const call::RecordCodec& codec, DueFronts* fronts = nullptr)
      : kv_(kv), codec_(codec), fronts_(fronts) {}

  Result<ports::KeyFound> find_key(const call::Digest& identity) const;
  Result<std::shared_ptr<const call::Call>> read_call(const CallId& id, ports::Want want) const;
  Result<ports::DuePage> page_due(const std::string& upstream, call::DueClass which, WallTime until,
                                  std::size_t limit) const;
  Result<ports::LinePage> read_line(const call::Digest& line, std::size_t limit) const;
  Result<ports::LineHeads> page_line_heads(const std::optional<call::Digest>& after,
                                           std::size_t limit) const;
  Result<ports::CallPage> list(const ports::CallFilter& filter) const;
  Result<ports::CallDetail> detail(const CallId& id) const;
  Result<ports::CallPage> search(const ports::SearchSpec& spec) const;
  Result<ports::LikenessPage> page_likeness(const ports::LikenessSpec& spec) const;

  // What a start must know; `fresh` when there is no record at all. An error when there are records
  // but not the journal's own, or when the key is another.
  Result<call::Recovered> recover() const;

 private:
  Result<std::optional<call::OpenedCall>> open_head(const CallId& id) const;
  Result<std::shared_ptr<call::Call>> head(const CallId& id) const;
  Result<void> add_bodies(call::Call& call) const;
  Result<void> add_answer_body(call::Call& call) const;
  Result<void> like_pair(const call::LikenessEntry& before, const call::LikenessEntry& entry,
                         ports::LikenessPage& page) const;
  Result<ports::CallPage> running_out(const ports::CallFilter& filter) const;
  Result<ports::CallPage> blocking(const ports::CallFilter& filter) const;
  Result<ports::CallDetail> with_timeline(call::OpenedCall opened) const;
  // listing.cc
  struct Listing;  // one page of a list in the making
  Result<void> list_heads(Listing& listing) const;
  Result<void> list_entries(Listing& listing, const std::vector<std::string>& prefixes) const;
  Result<void> list_keys(Listing& listing) const;
  Result<void> look_at(Listing& listing, const std::vector<CallId>& ids) const;
  Result<void> look_at(Listing& listing, Result<call::OpenedCall> opened, const CallId& id) const;
  Result<void> judge(Listing& listing, call::OpenedCall opened) const;
  Result<void> take(Listing& listing, call::OpenedCall opened) const;

  const KvView& kv_;
  const call::RecordCodec& codec_;
  DueFronts* fronts_;
};

// A call as its records together tell it, without bodies; none where there is no such call. The
// second begins with its head, already read.
Result<std::optional<call::OpenedCall>> read_head(const KvView& kv, const call::RecordCodec& codec,
                                                  const CallId& id);
Result<call::OpenedCall> complete_head(const KvView& kv, const call::RecordCodec& codec,
                                       std::string_view key, std::string_view value);

// What may be known without a read: the epoch of a call, that it or a key has no entry.
struct KnownHeads {
  std::function<std::optional<std::uint64_t>(const CallId& call)> epoch;
  std::function<bool(const CallId& call)> new_call;
  std::function<bool(const call::Digest& identity)> new_key;
};
// Whether all of a commit's preconditions hold.
Result<bool> holds(const KvView& kv, const call::KvOps& ops, const KnownHeads& known);

}  // namespace hf::adapters
