// A few lines that one process leaves for the next.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace hf::adapters {

// The file's text; empty when there is none. ErrorKind::invalid when it is larger than `max`,
// unavailable when it cannot be read.
Result<std::string> read_small_file(const std::string& path, std::size_t max);

// Whoever reads it sees the old text or the new one. Not synced: a power loss may bring the old one
// back. The file is its owner's alone.
Result<void> replace_small_file(const std::string& path, const std::string& text);

}  // namespace hf::adapters
