// Searching: by the entries of declared fields, and by likeness.
#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "adapters/journal/reads.h"
#include "base/check.h"

namespace hf::adapters {

namespace {

// One list of calls, newest first, read a few at a time.
class Posting {
 public:
  Posting(const KvView& kv, std::string prefix) : kv_(kv), prefix_(std::move(prefix)) {}

  // The newest call of the list that is older than `bound` and not born before `oldest`.
  Result<std::optional<CallId>> below(const CallId& bound, const CallId& oldest,
                                      std::size_t& examined) {
    while (!ahead_.empty() && ahead_.front() >= bound)
      ahead_.pop_front();
    if (ahead_.empty() && !ended_) HF_TRY_VOID(read_on(bound, oldest, examined));
    if (ahead_.empty()) return std::optional<CallId>{};
    return std::optional<CallId>{ahead_.front()};
  }

 private:
  static constexpr std::size_t kAhead = 64;

  Result<void> read_on(const CallId& bound, const CallId& oldest, std::size_t& examined) {
    std::string from = prefix_;
    from.append(oldest.raw());
    std::string until = prefix_;
    until.append(bound.raw());
    Result<void> seen;
    HF_TRY_VOID(
        kv_.scan(from, until, Direction::descending, [&](std::string_view key, std::string_view) {
          auto id = call::call_of_key(key);
          if (!id.ok()) {
            seen = id.take_error();
            return false;
          }
          ahead_.push_back(*id);
          return ahead_.size() < kAhead;
        }));
    ended_ = ahead_.size() < kAhead;
    examined += ahead_.size() + 1;
    return seen;
  }

  const KvView& kv_;
  std::string prefix_;
  std::deque<CallId> ahead_;
  bool ended_ = false;  // nothing older than what is in `ahead_`
};

// The calls that one match finds: by the value, or by the hash that stands for it.
class Matching {
 public:
  Matching(const KvView& kv, const call::RecordCodec& codec, const ports::FieldMatch& match) {
    lists_.emplace_back(kv, codec.field_prefix(match.name, match.value, false));
    if (!match.hashed.empty()) {
      lists_.emplace_back(kv, codec.field_prefix(match.name, match.hashed, true));
    }
  }

  Matching(const KvView& kv, const call::Digest& likeness) {
    lists_.emplace_back(kv, call::likeness_prefix(likeness));
  }

  Result<std::optional<CallId>> below(const CallId& bound, const CallId& oldest,
                                      std::size_t& examined) {
    std::optional<CallId> out;
    for (Posting& list : lists_) {
      HF_TRY(const auto found, list.below(bound, oldest, examined));
      if (found && (!out || *found > *out)) out = found;
    }
    return out;
  }

 private:
  std::vector<Posting> lists_;
};

}  // namespace

// The lists leap over one another, newest first: whichever stands at the oldest call sets the bound
// for the others, so the rarest field decides how much is looked at.
Result<ports::CallPage> JournalReads::search(const ports::SearchSpec& spec) const {
  HF_CHECK(!spec.matches.empty() || spec.likeness);
  std::vector<Matching> lists;
  if (spec.likeness) lists.emplace_back(kv_, *spec.likeness);
  for (const ports::FieldMatch& match : spec.matches)
    lists.emplace_back(kv_, codec_, match);
  const CallId oldest = call::first_born(spec.since);
  CallId bound;
  bound.bytes.fill(0xff);
  if (spec.after) bound = *spec.after;

  ports::CallPage page;
  const std::size_t limit = std::clamp<std::size_t>(spec.limit, 1, kListPageMax);
  std::size_t examined = 0;
  while (true) {
    if (page.calls.size() == limit || examined >= kSearchExaminedMax) {
      page.more = true;
      page.next = bound;
      return page;
    }
    std::optional<CallId> low;
    bool agree = true;
    for (Matching& list : lists) {
      HF_TRY(const auto found, list.below(low ? call::just_above(*low) : bound, oldest, examined));
      if (!found) return page;
      agree = agree && (!low || *found == *low);
      low = found;
    }
    if (!agree) {
      bound = call::just_above(*low);
      continue;
    }
    bound = *low;
    HF_TRY(auto call, head(*low));
    if (!call) return fail(ErrorKind::corrupt, "a field's entry names a call that is not there");
    const bool fits = std::all_of(spec.matches.begin(), spec.matches.end(),
                                  [&](const auto& match) { return call::has_field(*call, match); });
    if (fits) page.calls.push_back(std::move(call));
  }
}

// Two calls of one likeness are a pair unless a client sent them with one key.
Result<void> JournalReads::like_pair(const call::LikenessEntry& before,
                                     const call::LikenessEntry& entry,
                                     ports::LikenessPage& page) const {
  HF_TRY(auto earlier, head(before.call));
  HF_TRY(auto later, head(entry.call));
  if (!earlier || !later) return {};  // one of them is being retired
  const auto own = [](const call::Call& call) {
    return call.key && !call.key->made && !call.key->derived;
  };
  const bool one_key =
      own(*earlier) && own(*later) && earlier->key->identity == later->key->identity;
  if (!one_key) page.pairs.push_back({std::move(earlier), std::move(later), entry.caller});
  return {};
}

Result<ports::LikenessPage> JournalReads::page_likeness(const ports::LikenessSpec& spec) const {
  const std::string prefix = call::likeness_prefix();
  const std::string end = call::end_of(prefix);
  const CallId since = call::first_born(spec.since);
  ports::LikenessPage page;
  std::vector<std::pair<call::LikenessEntry, call::LikenessEntry>> found;
  std::optional<call::LikenessEntry> before;
  std::size_t examined = 0;
  Result<void> seen;
  const bool first = spec.after.empty();
  HF_TRY_VOID(kv_.scan(first ? prefix : std::max(spec.after, prefix), end, Direction::ascending,
                       [&](std::string_view key, std::string_view value) {
                         auto entry = call::parse_likeness_entry(key, value);
                         if (!entry.ok()) {
                           seen = entry.take_error();
                           return false;
                         }
                         // Where a page ends, the next one begins with its last entry, which was
                         // counted already.
                         const bool again = !first && examined == 0 && key == spec.after;
                         if (entry->call >= since && !again) {
                           page.calls[entry->caller] += 1;
                           if (before && before->likeness == entry->likeness &&
                               entry->call.born() - before->call.born() <= spec.window) {
                             found.emplace_back(*before, *entry);
                           }
                         }
                         before = *std::move(entry);
                         if (++examined < kLikenessExaminedMax && found.size() < kLikePairsMax)
                           return true;
                         page.next = std::string(key);
                         return false;
                       }));
  if (!seen.ok()) return seen.error();
  for (const auto& [earlier, later] : found)
    HF_TRY_VOID(like_pair(earlier, later, page));
  return page;
}

}  // namespace hf::adapters
