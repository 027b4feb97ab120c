// Files that are read again when they change: secrets, certificates.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <ctime>
#include <string>

#include "base/result.h"

namespace hf::adapters {

// Whether a file is still the one that was read: modification time, inode and size.
class FileStamp {
 public:
  FileStamp() = default;  // of no file, and of one that is missing
  explicit FileStamp(const struct stat& seen);
  // Follows links: the ones that mounted secrets are swapped by.
  static FileStamp of(const std::string& path);
  bool operator==(const FileStamp& other) const;

 private:
  timespec changed_{};
  ino_t inode_ = 0;
  off_t size_ = -1;
};

struct WatchedFile {
  std::string content;
  FileStamp stamp;
};

// Blocks on the disk, never on a FIFO. ErrorKind::unavailable: it is missing, no regular file, may
// not be read, or is larger than `max`; the error does not name it.
Result<WatchedFile> read_watched_file(const std::string& path, std::size_t max);

}  // namespace hf::adapters
