// Lists of calls: a page at a time, by what is asked of them. What has an index of its own is
// walked there; everything else is found by looking, so a page may be short of calls and still have
// more behind it.
#include <algorithm>
#include <utility>

#include "adapters/journal/reads.h"

namespace hf::adapters {

using call::Prefix;
using ports::CallFilter;

struct JournalReads::Listing {
  const CallFilter& filter;
  CallId low;                  // the first that is looked at
  std::optional<CallId> high;  // those from here on are not; none: there is no bound
  std::size_t limit = 0;
  std::size_t examine = 0;
  ports::CallPage page;
  std::optional<CallId> last;  // looked at
  std::uint64_t bytes = 0;     // of bodies in the page

  // Nothing further may be looked at for this page.
  [[nodiscard]] bool full() const {
    return page.calls.size() == limit || page.examined >= examine || bytes >= filter.bytes_max;
  }
  [[nodiscard]] bool holds(const CallId& id) const { return id >= low && (!high || id < *high); }
  [[nodiscard]] std::string from(const std::string& prefix) const {
    return prefix + std::string(low.raw());
  }
  [[nodiscard]] std::string until(const std::string& prefix) const {
    return high ? prefix + std::string(high->raw()) : call::end_of(prefix);
  }
  [[nodiscard]] Direction direction() const {
    return filter.oldest_first ? Direction::ascending : Direction::descending;
  }
};

namespace {

void lower(std::optional<CallId>& bound, const CallId& to) {
  if (!bound || to < *bound) bound = to;
}

std::uint64_t body_bytes(const call::Call& call) {
  const std::uint64_t request = call.request ? view(call.request->body).size() : 0;
  return request + (call.answer ? view(call.answer->body).size() : 0);
}

// Short bodies come with the record itself; a page is not to hold them unasked.
void drop_bodies(call::Call& call) {
  if (call.request && call.request->body) {
    auto request = std::make_shared<call::Request>(*call.request);
    request->body = nullptr;
    call.request = std::move(request);
  }
  if (call.answer) call.answer->body = nullptr;
}

// The states that have an index of their own; the others are found by looking.
std::optional<Prefix> index_of(const CallFilter& filter) {
  std::optional<call::State> state = filter.state;
  if (!state && filter.select.states.size() == 1) state = *filter.select.states.begin();
  if (state == call::State::unknown) return Prefix::unknown;
  if (state == call::State::sending) return Prefix::sending;
  return {};
}

}  // namespace

Result<ports::CallPage> JournalReads::list(const CallFilter& filter) const {
  if (filter.running_out) return running_out(filter);
  if (filter.blocking) return blocking(filter);
  Listing listing{filter, {}, {}, 0, 0, {}, {}, 0};
  listing.limit = std::clamp<std::size_t>(filter.limit, 1, kListPageMax);
  listing.examine = filter.examine == 0 ? kListExaminedMax
                                        : std::min<std::size_t>(filter.examine, kListExaminedMax);
  const call::Selection& select = filter.select;
  if (select.from) listing.low = call::first_born(*select.from);
  if (select.until) lower(listing.high, call::first_born(*select.until));
  if (select.as_of) lower(listing.high, call::first_born(*select.as_of + Duration::millis(1)));
  if (filter.after && filter.oldest_first) {
    listing.low = std::max(listing.low, call::just_above(*filter.after));
  } else if (filter.after) {
    lower(listing.high, *filter.after);
  }

  if (select.keys) {
    HF_TRY_VOID(list_keys(listing));
  } else if (!select.matches.empty()) {
    const call::FieldMatch& first = select.matches.front();
    std::vector<std::string> prefixes{codec_.field_prefix(first.name, first.value, false)};
    if (!first.hashed.empty()) {
      prefixes.push_back(codec_.field_prefix(first.name, first.hashed, true));
    }
    HF_TRY_VOID(list_entries(listing, prefixes));
  } else if (const auto index = index_of(filter)) {
    HF_TRY_VOID(list_entries(listing, {std::string(1, static_cast<char>(*index))}));
  } else {
    HF_TRY_VOID(list_heads(listing));
  }
  if (listing.page.more) listing.page.next = listing.last;
  return std::move(listing.page);
}

Result<void> JournalReads::list_heads(Listing& listing) const {
  const std::string prefix(1, static_cast<char>(Prefix::call_head));
  Result<void> seen;
  HF_TRY_VOID(kv_.scan(listing.from(prefix), listing.until(prefix), listing.direction(),
                       [&](std::string_view key, std::string_view value) {
                         listing.page.more = listing.full();
                         if (listing.page.more) return false;
                         const auto id = call::call_of_key(key);
                         seen = id.ok()
                                    ? look_at(listing, complete_head(kv_, codec_, key, value), *id)
                                    : Result<void>(id.error());
                         return seen.ok();
                       }));
  return seen;
}

// Entries that end in a call's id, of one index or of several.
Result<void> JournalReads::list_entries(Listing& listing,
                                        const std::vector<std::string>& prefixes) const {
  std::vector<CallId> ids;
  for (const std::string& prefix : prefixes) {
    std::size_t found = 0;
    Result<void> seen;
    HF_TRY_VOID(kv_.scan(listing.from(prefix), listing.until(prefix), listing.direction(),
                         [&](std::string_view key, std::string_view) {
                           auto id = call::call_of_key(key);
                           if (!id.ok()) {
                             seen = id.take_error();
                             return false;
                           }
                           ids.push_back(*id);
                           return ++found <= listing.examine;  // one more, to know of it
                         }));
    if (!seen.ok()) return seen.take_error();
  }
  return look_at(listing, ids);
}

Result<void> JournalReads::list_keys(Listing& listing) const {
  std::vector<CallId> ids;
  for (const call::Digest& identity : *listing.filter.select.keys) {
    const std::string key = call::key_key(identity);
    HF_TRY(const auto value, kv_.get(key));
    if (!value) continue;
    HF_TRY(const auto entry, codec_.open_key_entry(key, *value));
    if (!entry.tombstone && listing.holds(entry.call)) ids.push_back(entry.call);
  }
  return look_at(listing, ids);
}

Result<void> JournalReads::look_at(Listing& listing, const std::vector<CallId>& found) const {
  std::set<CallId> ids(found.begin(), found.end());
  while (!ids.empty()) {
    listing.page.more = listing.full();
    if (listing.page.more) return {};
    const auto next = listing.filter.oldest_first ? ids.begin() : std::prev(ids.end());
    const CallId id = *next;
    ids.erase(next);
    auto head = open_head(id);
    if (head.ok() && !*head) {
      return fail(ErrorKind::corrupt, "an index names a call that is not there");
    }
    Result<call::OpenedCall> opened =
        head.ok() ? Result<call::OpenedCall>(**std::move(head)) : head.take_error();
    HF_TRY_VOID(look_at(listing, std::move(opened), id));
  }
  return {};
}

Result<void> JournalReads::look_at(Listing& listing, Result<call::OpenedCall> opened,
                                   const CallId& id) const {
  listing.page.examined += 1;
  listing.last = id;
  Result<void> seen =
      opened.ok() ? judge(listing, *std::move(opened)) : Result<void>(opened.take_error());
  if (seen.ok() || !listing.filter.pass_over) return seen;
  const ErrorKind kind = seen.error().kind;
  if (kind != ErrorKind::corrupt && kind != ErrorKind::invalid) return seen;
  // One record is broken, or a later version's: the others are none the worse for it.
  listing.page.unreadable.emplace(id, seen.error().context);
  return {};
}

Result<void> JournalReads::judge(Listing& listing, call::OpenedCall opened) const {
  const CallFilter& filter = listing.filter;
  const call::Call& call = *opened.call;
  if (filter.state && call.state != *filter.state) return {};
  if (!filter.upstream.empty() && call.upstream != filter.upstream) return {};
  if (!call::fits(call, filter.select)) return {};
  return take(listing, std::move(opened));
}

Result<void> JournalReads::take(Listing& listing, call::OpenedCall opened) const {
  const CallFilter& filter = listing.filter;
  const bool inside = opened.call->request && opened.call->request->body;
  if (filter.find_bodiless && opened.call->body_bytes > 0 && !inside) {
    const std::string key = call::call_key(Prefix::request_body, opened.call->id);
    bool there = false;
    HF_TRY_VOID(kv_.scan(key, call::end_of(key), Direction::ascending,
                         [&](std::string_view, std::string_view) {
                           there = true;
                           return false;
                         }));
    if (!there) listing.page.bodiless.insert(opened.call->id);
  }
  if (filter.depth == CallFilter::Depth::head) {
    drop_bodies(*opened.call);
    listing.page.calls.push_back(std::move(opened.call));
    return {};
  }
  if (filter.depth == CallFilter::Depth::whole) {
    HF_TRY_VOID(add_bodies(*opened.call));
    listing.bytes += body_bytes(*opened.call);
  } else {
    HF_TRY_VOID(add_answer_body(*opened.call));  // which says whether it is kept
    drop_bodies(*opened.call);
  }
  HF_TRY(auto detail, with_timeline(std::move(opened)));
  listing.page.calls.push_back(std::move(detail.call));
  listing.page.timelines.push_back(std::move(detail.timeline));
  return {};
}

}  // namespace hf::adapters
