#include "adapters/rocksdb/upkeep.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/quantity.h"

namespace hf::adapters {
namespace {

// Index entries that a census counts: so many a second at most, in turns no closer than this and no
// longer than that. A millisecond of each is some 2,000 of them, in which nothing is committed.
constexpr std::int64_t kCensusRate = 20'000;
constexpr std::chrono::milliseconds kCensusPause{20};
constexpr std::size_t kCensusTurnMax = 5'000;

}  // namespace

Upkeep::Upkeep(const RocksdbOptions& options, Database& database, const call::RecordCodec& codec,
               DiskSpace disk, Write write)
    : options_(options),
      database_(database),
      retention_(database.view(), codec, options.retention),
      disk_(std::move(disk)),
      write_(std::move(write)),
      census_(database.view()) {}

void Upkeep::turn(const Now& now, std::optional<WallTime> newest, bool forced) {
  const auto begun = SteadyClock::now();
  if (forced || begun >= disk_due_ || room_.freed > 0) {
    disk_fits_ = disk_.check();
    counts_.disk_free_bytes = disk_.free();
    keep_size();
    disk_due_ = SteadyClock::now() + std::chrono::nanoseconds(options_.disk_every.ns);
  }
  if (forced || begun >= sweep_due_ || sweep_more_) {
    sweep(now, newest);
    sweep_due_ = SteadyClock::now() + std::chrono::nanoseconds(options_.sweep_every.ns);
  }
  if (forced || begun >= census_due_) take_census(begun, forced);
}

void Upkeep::take_census(SteadyClock::time_point begun, bool forced) {
  if (database_.broken()) return;
  const auto since = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(
                                  begun - std::exchange(census_at_, begun)),
                              kCensusPause);
  const auto share = static_cast<std::size_t>(since.count() * kCensusRate / 1000);
  const auto ended = census_.turn(forced ? kCensusTurnMax : std::min(share, kCensusTurnMax));
  census_due_ = census_.busy()
                    ? begun + kCensusPause
                    : SteadyClock::now() + std::chrono::nanoseconds(options_.census_every.ns);
  if (!ended.ok()) {
    counts_.trouble = "calls cannot be counted: " + ended.error().context;
    return;
  }
  if (*ended) counts_.standing = census_.standing();
}

// A record that cannot be read stops retention, and it alone: nothing is skipped, nothing is lost.
void Upkeep::sweep(const Now& now, std::optional<WallTime> newest) {
  sweep_more_ = false;
  if (database_.broken()) return;
  auto turn = retention_.sweep(now, newest, options_.sweep_limit);
  if (!turn.ok()) {
    counts_.trouble = "retention stands still: " + turn.error().context;
    return;
  }
  counts_.trouble.clear();
  if (turn->ops.empty() || !write_(turn->ops)) return;
  counts_.retired += turn->retired;
  sweep_more_ = turn->more;
}

// Holds the database under max_bytes by taking bodies and timelines of ended calls, a tenth more
// than needed, and then has their space reclaimed. Deleting frees nothing by itself: until that has
// ended, the size tells nothing new.
void Upkeep::keep_size() {
  const std::uint64_t size = database_.bytes_on_disk();
  counts_.database_bytes = size;
  if (size <= options_.max_bytes) {
    size_fits_ = true;
    room_ = {};
    return;
  }
  if (database_.broken() || database_.reclaiming()) return;
  const std::uint64_t over = size - options_.max_bytes;
  if (evict(over + options_.max_bytes / 10)) return;
  if (room_.freed < over) size_fits_ = false;  // the rest must be kept
  if (room_.first) reclaim();
}

// True while another turn may free more of what is wanted.
bool Upkeep::evict(std::uint64_t wanted) {
  auto turn = retention_.evict(wanted - std::min(wanted, room_.freed), options_.sweep_limit);
  if (!turn.ok()) {
    counts_.trouble = "no room can be made: " + turn.error().context;
    return false;
  }
  if (!turn->ops.empty() && !write_(turn->ops)) return false;
  counts_.evicted += turn->retired;
  room_.freed += turn->bytes_freed;
  if (turn->first) {
    room_.first = std::min(room_.first.value_or(*turn->first), *turn->first);
    room_.last = std::max(room_.last.value_or(*turn->last), *turn->last);
  }
  return room_.freed < wanted && turn->more;
}

void Upkeep::reclaim() {
  std::vector<std::pair<std::string, std::string>> ranges;
  for (const auto prefix :
       {call::Prefix::answer_body, call::Prefix::request_body, call::Prefix::call_head,
        call::Prefix::change, call::Prefix::timeline}) {
    ranges.emplace_back(call::call_key(prefix, *room_.first),
                        call::end_of(call::call_key(prefix, *room_.last)));
  }
  database_.reclaim(std::move(ranges));
  room_ = {};
}

ports::JournalHealth Upkeep::health() const {
  if (const auto why = database_.broken()) {
    return {false,
            "the journal is broken and nothing is written any more; start Holdfast again when the "
            "cause is gone: " +
                *why,
            true};
  }
  if (!disk_fits_) return {false, disk_.why(), false, disk_.measure()};
  if (!size_fits_) {
    return {false,
            fmt::format("the journal has reached max_bytes ({}) with what must be kept",
                        format_size(options_.max_bytes)),
            false,
            call::Measure{"journal.max_bytes", static_cast<std::int64_t>(counts_.database_bytes),
                          static_cast<std::int64_t>(options_.max_bytes), "bytes"}};
  }
  return {};
}

}  // namespace hf::adapters
