// How the journal's database is set up: its column families, what is asked of each, and how their
// tables are kept and written.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/rocksdb/bucket_table.h"

namespace hf::adapters {

// How often it is asked of a family whether it has one key; walks use no filters.
enum class Asked { never, seldom, often, by_each_call };

// Where the keys of a family lie: they grow with time, or are digests and lie anywhere.
enum class Order { by_time, none };

// Records whose keys grow with time have families of their own, by the first byte of their keys:
// their tables hardly overlap, so that putting tables together moves what would else be written
// again and again. So have those whose keys lie anywhere, for the sake of their tables in memory.
// Everything else is in the default one. Stored: names and letters never change.
struct Family {
  char letter;
  const char* name;
  Asked asked;
  Order order;
};
inline constexpr std::array kFamilies{Family{'a', "answer-bodies", Asked::seldom, Order::by_time},
                                      Family{'b', "request-bodies", Asked::seldom, Order::by_time},
                                      Family{'c', "heads", Asked::often, Order::by_time},
                                      Family{'f', "likenesses", Asked::never, Order::none},
                                      Family{'g', "changes", Asked::never, Order::by_time},
                                      Family{'k', "keys", Asked::by_each_call, Order::none},
                                      Family{'t', "timelines", Asked::never, Order::by_time},
                                      Family{'x', "fields", Asked::never, Order::none}};

// A family whose tables in memory are buckets.
struct BucketFamily {
  std::shared_ptr<BucketTableFactory> tables;
  std::vector<std::string_view> keys;  // of the write that is being made ready
};
using Buckets = std::map<char, BucketFamily>;  // by the first byte of their keys

// Plain database, caller-made batches, one sync; away from what is known to be wrong in 7.8.3
// (DeleteRange, TransactionDB, more than two write buffers, tracking WALs in the manifest).
rocksdb::Options database_options(std::uint64_t write_buffer,
                                  std::shared_ptr<rocksdb::EventListener> watch);

// What a table has is in memory already as it is written, and will not be asked for soon. Through
// the page cache it costs a copy and the pages, and a sync of the log waits behind what the kernel
// writes of it at once. Where the disk's file system wants the cache, it is written in parts.
void write_tables_past_the_cache(rocksdb::Options& out, const std::string& path);

// The families of these names; one that is not known here is as the default one. Puts the tables in
// memory of those that have buckets into `buckets`.
std::vector<rocksdb::ColumnFamilyDescriptor> describe_families(
    const std::vector<std::string>& names, const rocksdb::Options& all, Buckets& buckets);

}  // namespace hf::adapters
