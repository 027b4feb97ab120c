// For tests: a disk that loses at a power cut what was not synced, and whose log can fail to sync.
// Of each file it keeps what was synced and any prefix of the rest; renames and new names stay.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace hf::adapters::testing {

// Any thread, but for what a test calls between two lives of a database.
class PowerLossFiles final : public rocksdb::FileSystemWrapper {
 public:
  PowerLossFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  [[nodiscard]] const char* Name() const override { return "PowerLossFiles"; }

  // From here on nothing reaches the disk.
  void cut() {
    const std::lock_guard lock(mutex_);
    off_ = true;
  }
  // What the next start finds, once all files are closed. `chance` chooses how much is lost.
  void restore(std::uint64_t chance) {
    const std::lock_guard lock(mutex_);
    for (const auto& [path, synced] : synced_) {
      std::error_code gone;
      const std::uint64_t size = std::filesystem::file_size(path, gone);
      if (!gone && size > synced) {
        std::filesystem::resize_file(path, synced + chance % (size - synced + 1));
      }
    }
    synced_.clear();
    off_ = false;
    fail_sync_ = false;
  }
  // All of it may have been written, or not: cut() and restore() decide.
  void fail_next_sync() {
    const std::lock_guard lock(mutex_);
    fail_sync_ = true;
  }

  using Made = std::unique_ptr<rocksdb::FSWritableFile>;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    Made* file, rocksdb::IODebugContext* debug) override {
    return made(path, off() ? gone() : target()->NewWritableFile(path, options, file, debug), file);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       Made* file, rocksdb::IODebugContext* debug) override {
    return made(path, off() ? gone() : target()->ReopenWritableFile(path, options, file, debug),
                file);
  }
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old,
                                      const rocksdb::FileOptions& options, Made* file,
                                      rocksdb::IODebugContext* debug) override {
    return made(path, off() ? gone() : target()->ReuseWritableFile(path, old, options, file, debug),
                file);
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    return off() ? gone() : target()->DeleteFile(path, options, debug);
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (off()) return gone();
    const std::lock_guard lock(mutex_);
    if (auto moved = synced_.extract(from); !moved.empty()) {
      synced_.insert_or_assign(to, moved.mapped());
    }
    return target()->RenameFile(from, to, options, debug);
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(Made file, std::string path, PowerLossFiles& disk)
        : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), disk_(disk) {
      size_ = target()->GetFileSize({}, nullptr);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      return disk_.off() ? gone() : appended(data, target()->Append(data, options, debug));
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& info,
                             rocksdb::IODebugContext* debug) override {
      return disk_.off() ? gone() : appended(data, target()->Append(data, options, info, debug));
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      return disk_.sync(path_, size_, target(), options, debug);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return disk_.sync(path_, size_, target(), options, debug);
    }
    rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
      return disk_.off() ? gone() : target()->Truncate(size, options, debug);
    }

   private:
    rocksdb::IOStatus appended(const rocksdb::Slice& data, rocksdb::IOStatus status) {
      if (status.ok()) size_ += data.size();
      return status;
    }
    std::string path_;
    PowerLossFiles& disk_;
    std::atomic<std::uint64_t> size_ = 0;  // one thread may append while another one syncs
  };

  static rocksdb::IOStatus gone() { return rocksdb::IOStatus::IOError("the power is off"); }
  [[nodiscard]] bool off() const {
    const std::lock_guard lock(mutex_);
    return off_;
  }
  rocksdb::IOStatus made(const std::string& path, rocksdb::IOStatus status, Made* file) {
    if (!status.ok()) return status;
    const std::lock_guard lock(mutex_);
    synced_[path] = 0;
    *file = std::make_unique<File>(std::move(*file), path, *this);
    return status;
  }
  // `size`: what was appended before the sync began; more may be on the way.
  rocksdb::IOStatus sync(const std::string& path, std::uint64_t size, rocksdb::FSWritableFile* file,
                         const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) {
    const std::lock_guard lock(mutex_);
    if (off_) return gone();
    if (fail_sync_ && path.ends_with(".log")) {
      fail_sync_ = false;
      return rocksdb::IOStatus::IOError("the disk could not sync");
    }
    auto status = file->Sync(options, debug);
    if (status.ok()) synced_[path] = std::max(synced_[path], size);
    return status;
  }

  mutable std::mutex mutex_;
  bool off_ = false;
  bool fail_sync_ = false;
  std::map<std::string, std::uint64_t> synced_;  // bytes of each file that stay
};

}  // namespace hf::adapters::testing
