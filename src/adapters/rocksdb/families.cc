#include "adapters/rocksdb/families.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <utility>

#include "adapters/rocksdb/direct_writes.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kBlockCache = std::size_t{64} << 20;
constexpr int kBlockCacheShardBits = 2;

// Of all else.
constexpr Family kOthers{0, "default", Asked::seldom, Order::by_time};
// As many tables, or runs of them, are left alone. Of keys each is asked for each call.
constexpr int kTablesOfKeys = 6;
constexpr int kTablesOfDigests = 24;
constexpr unsigned kLikeSizePercent = 50;  // runs that differ by less are put together
// All newer ones may be so much of the oldest before everything is written anew: what was removed
// takes room until then.
constexpr unsigned kNewerPercent = 400;
constexpr std::uint64_t kSyncBytes = std::uint64_t{1} << 20;

// Most keys that are asked for are not there: that a call's key is new, above all.
rocksdb::ColumnFamilyOptions family_options(const rocksdb::Options& all,
                                            const std::shared_ptr<rocksdb::Cache>& cache,
                                            const Family& family, Buckets& buckets) {
  rocksdb::ColumnFamilyOptions out = all;
  if (family.order == Order::none) {
    const auto tables = bucket_tables(family.letter, all.write_buffer_size);
    buckets[family.letter].tables = tables;
    out.memtable_factory = tables;
    out.memtable_insert_with_hint_prefix_extractor.reset();
  }
  const Asked asked = family.asked;
  // Every table spans all keys: in levels the newest few would be put together with all there are.
  if (family.order == Order::none) {
    out.compaction_style = rocksdb::kCompactionStyleUniversal;
    out.compaction_options_universal.size_ratio = kLikeSizePercent;
    out.compaction_options_universal.max_size_amplification_percent = kNewerPercent;
    out.level0_file_num_compaction_trigger =
        asked == Asked::by_each_call ? kTablesOfKeys : kTablesOfDigests;
  }
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  if (asked != Asked::never) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  if (asked == Asked::often || asked == Asked::by_each_call) {
    out.memtable_whole_key_filtering = true;
    out.memtable_prefix_bloom_size_ratio = 0.02;
  }
  if (asked == Asked::by_each_call) {
    // Whole and always in memory, three bytes a key with the index: a way through the cache for
    // each table costs more than all else that a question costs. Who is taken for known is asked
    // for on the journal's thread and comes later than those after it, so few shall be.
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(16));
    table.cache_index_and_filter_blocks = false;
  } else {
    // In pieces, so that of many keys those that are asked for stay in memory, and what is read
    // anew is small.
    table.cache_index_and_filter_blocks = true;
    table.cache_index_and_filter_blocks_with_high_priority = true;
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = asked != Asked::never;
    table.pin_top_level_index_and_filter = true;
  }
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

const Family& family_of(std::string_view name) {
  const auto* at = std::find_if(kFamilies.begin(), kFamilies.end(),
                                [&](const Family& family) { return family.name == name; });
  return at != kFamilies.end() ? *at : kOthers;
}

}  // namespace

rocksdb::Options database_options(std::uint64_t write_buffer,
                                  std::shared_ptr<rocksdb::EventListener> watch) {
  rocksdb::Options out;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  out.paranoid_checks = true;
  out.force_consistency_checks = true;
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  out.write_buffer_size = write_buffer;
  out.max_write_buffer_number = 2;
  out.db_write_buffer_size = 3 * write_buffer;  // of all families together
  out.max_total_wal_size = 6 * write_buffer;
  out.target_file_size_base = 2 * write_buffer;
  out.max_bytes_for_level_base = 8 * write_buffer;
  out.max_background_jobs = 2;
  out.max_bgerror_resume_count = 0;  // a failed sync is never tried again: start anew from the log
  // Most keys grow with time: a new one goes beside the one before of the same letter.
  out.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  out.compression = rocksdb::kNoCompression;  // sealed bytes do not compress
  out.bottommost_compression = rocksdb::kNoCompression;
  out.max_open_files = 512;
  out.keep_log_file_num = 4;
  out.max_log_file_size = std::size_t{4} << 20;
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.manifest_preallocation_size = 64 << 10;
  out.max_manifest_file_size = std::uint64_t{64} << 20;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.skip_stats_update_on_db_open = true;
  out.allow_concurrent_memtable_write = false;  // one thread writes, and bucket tables want no more
  out.listeners.push_back(std::move(watch));
  return out;
}

void write_tables_past_the_cache(rocksdb::Options& out, const std::string& path) {
  if (takes_direct_writes(path)) {
    out.use_direct_io_for_flush_and_compaction = true;
  } else {
    out.bytes_per_sync = kSyncBytes;
    out.strict_bytes_per_sync = true;
  }
}

std::vector<rocksdb::ColumnFamilyDescriptor> describe_families(
    const std::vector<std::string>& names, const rocksdb::Options& all, Buckets& buckets) {
  // Few shards: a block larger than its shard is never kept.
  const auto cache = rocksdb::NewLRUCache(kBlockCache, kBlockCacheShardBits);
  std::vector<rocksdb::ColumnFamilyDescriptor> out;
  out.reserve(names.size());
  for (const std::string& name : names)
    out.emplace_back(name, family_options(all, cache, family_of(name), buckets));
  return out;
}

}  // namespace hf::adapters
