// The files of what was observed (docs/formats/observed.md): one for each day, below the journal's
// directory. Blocking; a missing directory is an empty one.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "control/observed.h"

namespace hf::app {

inline constexpr Duration kObservedKept = Duration::hours(24 * 31);
inline constexpr std::uint64_t kObservedFileMax = 4ULL << 20;     // then its lines are summed up
inline constexpr std::uint64_t kObservedBytesMax = 256ULL << 20;  // of all; the oldest day goes

// Where they are, below the directory of a journal.
std::string observed_folder(const std::string& journal);

class ObservedFiles {
 public:
  explicit ObservedFiles(std::string folder) : folder_(std::move(folder)) {}
  // Appends to the day's file; not synced. A line that a crash has torn ends there. Errors are for
  // people; nothing, or a part that is torn, was written then.
  Result<void> append(const control::ObservedSum& sum, WallTime now);
  // Days that are too old, and the oldest beyond the room there is.
  void prune(WallTime now) const;
  // All that was written since then, whole days.
  Result<control::ObservedSum> read(WallTime since) const;

 private:
  Result<void> shrink(const std::string& path);

  std::string folder_;
  std::uint64_t shrunk_to_ = 0;  // bytes of the present file after it was last summed up
  std::string shrunk_;           // its path
};

}  // namespace hf::app
