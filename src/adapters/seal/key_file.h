// The two secrets that Holdfast makes for itself at its first start: the key that seals the journal
// and the token of the admin API. Both are files that only their owner may read.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "call/record_seal.h"

namespace hf::adapters {

struct SealKey {
  call::Sealer::Key key{};
  std::uint32_t id = 0;
  bool made = false;  // just now
};

// Reads the key file, or makes one. ErrorKind::invalid, with what to do about it, when others may
// read the file, when it is not ours or not a key, and when it is missing although the journal in
// `data_dir` has data (a new key could not open it).
Result<SealKey> load_or_make_seal_key(const std::string& path, const std::string& data_dir);

// Reads the key file, and never makes one. ErrorKind::not_found when there is none, invalid as
// above.
Result<SealKey> load_seal_key(const std::string& path);

// Reads the token of the admin API, or makes one: "hf_" and 52 characters (256 random bits).
Result<std::string> load_or_make_admin_token(const std::string& path);

// Makes a directory (and its parents) for its owner alone; one that is there is left as it is.
Result<void> make_private_dir(const std::string& path);

}  // namespace hf::adapters
