// A table in memory for records whose keys lie anywhere, such as digests. RocksDB's own skip list
// walks down a score of levels for each new key, and where keys are random and the table is larger
// than the processor's cache, most steps wait for memory. Here the bits behind the first byte say
// in which bucket a key lies; buckets are in the order of their keys, and each has a list of a key
// or two. Where many keys have the same front, their bucket becomes a skip list, so that nobody can
// make it slow.
//
// One thread writes; any read at the same time (rocksdb::MemTableRep says what is asked of it).
#pragma once

#include <rocksdb/memtablerep.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace hf::adapters {

class BucketTableFactory : public rocksdb::MemTableRepFactory {
 public:
  // What a write of these keys will look at in the newest table comes into the processor's cache,
  // where each would else wait for memory twice: first their buckets and then, once these had time
  // to come, what lies in them. To be called by the thread that writes, right before.
  virtual void expect_buckets(std::span<const std::string_view> keys) = 0;
  virtual void expect_nodes(std::span<const std::string_view> keys) = 0;
};

// For the keys of one column family that begin with `letter`: others are kept in order, but not
// fast. `write_buffer`: bytes of a full table, a sixteenth of which are its buckets. The database
// has to have allow_concurrent_memtable_write off.
std::shared_ptr<BucketTableFactory> bucket_tables(char letter, std::size_t write_buffer);

}  // namespace hf::adapters
