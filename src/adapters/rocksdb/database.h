// RocksDB as an ordered map with one batch in the making: what is put is seen by the view at once
// and survives once it is written and synced.
// Used by the journal thread alone, but for broken() and sync().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/journal/kv.h"
#include "base/result.h"

namespace rocksdb {
class Env;
}

namespace hf::adapters {

class Database {
 public:
  // `write_buffer` bytes of newest records stay in memory before they become a table file; `env`
  // has the files, null: the machine's. ErrorKind::unavailable when another process has it open.
  static Result<std::unique_ptr<Database>> open(const std::string& path, std::uint64_t write_buffer,
                                                rocksdb::Env* env);
  // The same to read alone: nothing in the directory is changed, and nothing can be put. What the
  // logs hold is read into memory. Whoever calls this has seen to it that nobody writes meanwhile.
  // ErrorKind::invalid for a database that a version before the families wrote in part.
  static Result<std::unique_ptr<Database>> open_to_read(const std::string& path);
  ~Database();

  // What is stored, with what has been staged since the last write() on top.
  [[nodiscard]] const KvView& view() const;
  // True where memory alone shows that no write() has brought this key. Any thread, while others
  // read and write.
  [[nodiscard]] bool surely_lacks(std::string_view key) const;
  // To be put, or without a value removed, by the next write().
  void stage(std::string key, std::optional<std::string> value);
  [[nodiscard]] std::uint64_t staged_bytes() const;

  // A key with an empty value that is worth a write only if it stays: the view has it at once, the
  // second stage_delayed() from now stages it.
  void delay(std::string key);
  // Nothing was or will be written of it. False: it is not delayed (any more).
  bool forget_delayed(std::string_view key);
  void stage_delayed();
  [[nodiscard]] std::optional<std::string> first_delayed() const;

  // One atomic write of what was staged. After an error the database is broken: it may or may not
  // be there.
  Result<void> write();
  // All that was written when this was called survives power loss when it returns; an error is as
  // one of write(). Any thread, while others read and write.
  Result<void> sync();

  // Why nothing can be written any more. Any thread.
  [[nodiscard]] std::optional<std::string> broken() const;
  // From the journal thread: a read failed in the middle of a commit.
  void declare_broken(std::string why);

  [[nodiscard]] std::uint64_t bytes_on_disk() const;
  // Gives the space of deleted keys in these ranges (first and last key) back, on a thread of its
  // own; not while reclaiming().
  void reclaim(std::vector<std::pair<std::string, std::string>> ranges);
  [[nodiscard]] bool reclaiming() const;

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::adapters
