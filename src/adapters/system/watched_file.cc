#include "adapters/system/watched_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hf::adapters {
namespace {

// Closes on every way out.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Result<std::string> read_all(int fd, std::size_t max) {
  std::string out;
  std::array<char, 4096> piece{};
  for (;;) {
    const auto n = ::read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(ErrorKind::unavailable, std::strerror(errno));
    if (n == 0) return out;
    out.append(piece.data(), static_cast<std::size_t>(n));
    if (out.size() > max) {
      return fail(ErrorKind::unavailable, fmt::format("larger than {} KiB", max / 1024));
    }
  }
}

}  // namespace

FileStamp::FileStamp(const struct stat& seen)
    : changed_(seen.st_mtim), inode_(seen.st_ino), size_(seen.st_size) {}

FileStamp FileStamp::of(const std::string& path) {
  struct stat seen {};
  return ::stat(path.c_str(), &seen) == 0 ? FileStamp(seen) : FileStamp();
}

bool FileStamp::operator==(const FileStamp& other) const {
  return inode_ == other.inode_ && size_ == other.size_ &&
         changed_.tv_sec == other.changed_.tv_sec && changed_.tv_nsec == other.changed_.tv_nsec;
}

Result<WatchedFile> read_watched_file(const std::string& path, std::size_t max) {
  // O_NONBLOCK: a FIFO in the file's place must not stop the I/O thread.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat seen {};
  if (file.fd < 0 || ::fstat(file.fd, &seen) != 0) {
    return fail(ErrorKind::unavailable, std::strerror(errno));
  }
  if (!S_ISREG(seen.st_mode)) return fail(ErrorKind::unavailable, "not a file");
  HF_TRY(auto content, read_all(file.fd, max));
  return WatchedFile{std::move(content), FileStamp(seen)};
}

}  // namespace hf::adapters
