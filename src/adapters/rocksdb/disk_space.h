// How much room the disk has, and a reserve for the last of it: a ballast file that is given back
// when space runs out, so that outcomes of calls already accepted can still be written.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "call/measure.h"

namespace hf::adapters {

struct DiskRoom {
  std::uint64_t free = 0;   // for us, in bytes
  std::uint64_t total = 0;  // of the file system
};
// statvfs of the directory.
Result<DiskRoom> disk_room(const std::string& dir);

struct DiskLimits {
  std::uint64_t watermark = 0;     // below: new durable calls are refused
  std::uint64_t ballast = 0;       // given back below half of it; 0: none
  std::uint64_t write_buffer = 0;  // of the database: it must fit several times below the watermark
};
// Limits that suit a file system of this size: on a large one 256 MiB, 64 MiB and 32 MiB.
DiskLimits limits_for(std::uint64_t total_bytes);

class DiskSpace {
 public:
  using Probe = std::function<Result<DiskRoom>()>;

  // The ballast lies at `ballast_path`.
  DiskSpace(std::string ballast_path, DiskLimits limits, Probe probe);

  // Looks, and gives the ballast back or makes it anew. True while new durable calls fit.
  bool check();
  // Why not, for people.
  [[nodiscard]] const std::string& why() const { return why_; }
  // What is left and what new calls need; nothing where the disk could not be asked.
  [[nodiscard]] const std::optional<call::Measure>& measure() const { return measure_; }
  [[nodiscard]] bool has_ballast() const { return ballast_; }
  [[nodiscard]] std::uint64_t free() const { return free_; }

 private:
  void release();
  void make();

  std::string path_;
  DiskLimits limits_;
  Probe probe_;
  bool ballast_ = false;
  bool enough_ = true;
  std::uint64_t free_ = 0;
  std::string why_;
  std::optional<call::Measure> measure_;
};

}  // namespace hf::adapters
