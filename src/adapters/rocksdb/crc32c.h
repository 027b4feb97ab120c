// The checksum of RocksDB's log, by the processor. Debian's RocksDB is built for the oldest x86-64,
// where it goes by tables: a byte and a half a nanosecond, which was a sixtieth of a held call. The
// linker puts this one in the place of RocksDB's (CMakeLists.txt); it gives the same (RFC 3720
// appendix B.4 has examples), so that files are as any other RocksDB reads and writes them.
#pragma once

#include <cstdint>
#include <string_view>

namespace hf::adapters {

// Of what `before` is the checksum of, and `bytes` behind it. Any thread.
std::uint32_t crc32c(std::uint32_t before, std::string_view bytes);
// The same by RocksDB's own tables.
std::uint32_t crc32c_by_tables(std::uint32_t before, std::string_view bytes);

}  // namespace hf::adapters
