// Whether files can be written past the page cache.
#pragma once

#include <string>

namespace hf::adapters {

// Whether the file system of this directory takes files with O_DIRECT (open(2)); makes the
// directory where it is missing, and leaves nothing else behind. False where it cannot be tried.
[[nodiscard]] bool takes_direct_writes(const std::string& dir);

}  // namespace hf::adapters
