#include "adapters/rocksdb/disk_space.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/quantity.h"

namespace hf::adapters {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

}  // namespace

Result<DiskRoom> disk_room(const std::string& dir) {
  struct statvfs about {};
  if (::statvfs(dir.c_str(), &about) != 0) {
    return fail(ErrorKind::unavailable,
                fmt::format("free space of {}: {}", dir, std::strerror(errno)));
  }
  const std::uint64_t unit = about.f_frsize;
  return DiskRoom{about.f_bavail * unit, about.f_blocks * unit};
}

DiskLimits limits_for(std::uint64_t total_bytes) {
  DiskLimits out;
  out.write_buffer = std::clamp(total_bytes / 64, kMiB, 32 * kMiB);
  out.watermark = std::clamp(total_bytes / 20, 6 * out.write_buffer, 256 * kMiB);
  out.ballast = std::clamp(total_bytes / 100, kMiB, 64 * kMiB);
  return out;
}

DiskSpace::DiskSpace(std::string ballast_path, DiskLimits limits, Probe probe)
    : path_(std::move(ballast_path)), limits_(limits), probe_(std::move(probe)) {
  struct stat about {};
  ballast_ = limits_.ballast > 0 && ::stat(path_.c_str(), &about) == 0 &&
             static_cast<std::uint64_t>(about.st_size) >= limits_.ballast;
}

void DiskSpace::release() {
  ::unlink(path_.c_str());
  ballast_ = false;
}

// Without success the next check tries again.
void DiskSpace::make() {
  const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  ballast_ = ::posix_fallocate(fd, 0, static_cast<off_t>(limits_.ballast)) == 0;
  ::close(fd);
  if (!ballast_) ::unlink(path_.c_str());
}

bool DiskSpace::check() {
  measure_.reset();
  const auto room = probe_();
  if (!room.ok()) {
    enough_ = false;
    why_ = room.error().context;
    return false;
  }
  free_ = room.value().free;
  const std::uint64_t plenty = limits_.watermark + limits_.watermark / 4;
  if (ballast_ && free_ < limits_.watermark / 2) {
    release();
  } else if (!ballast_ && limits_.ballast > 0 && free_ >= plenty + limits_.ballast) {
    make();
    if (ballast_) free_ -= limits_.ballast;
  }
  // Up again only well above the mark and with the reserve in place, so that it does not flap.
  const std::uint64_t reserve = ballast_ ? 0 : limits_.ballast;
  const std::uint64_t wanted = enough_ ? limits_.watermark : plenty + reserve;
  enough_ = free_ >= wanted && (enough_ || reserve == 0);
  why_ = enough_ ? std::string()
                 : fmt::format("the disk of the journal has {} left, new calls need {}",
                               format_size(free_), format_size(wanted));
  if (!enough_) {
    measure_ = {"journal-disk", static_cast<std::int64_t>(free_), static_cast<std::int64_t>(wanted),
                "bytes left"};
  }
  return enough_;
}

}  // namespace hf::adapters
