// A few lines that one process leaves for the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace hf::adapters {

// The file's text; empty when there is none. ErrorKind::invalid when it is larger than `max`,
// unavailable when it cannot be read.
Result<std::string> read_small_file(const std::string& path, std::size_t max);

// Whoever reads it sees the old text or the new one. Not synced: a power loss may bring the old one
// back. The file is its owner's alone.
Result<void> replace_small_file(const std::string& path, const std::string& text);

// Appends whole lines to a file of its owner's alone, and gives its size afterwards. Where its last
// line was torn by a crash, they begin on a line of their own. Not synced. On an error the file is
// as it was, unless that cannot be had either.
Result<std::uint64_t> append_lines(const std::string& path, std::string lines);

}  // namespace hf::adapters
