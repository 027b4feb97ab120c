// Secrets put into injected fields at send time: ${file:/path} and ${env:NAME} inside a value.
#pragma once

#include <map>
#include <string>

#include "adapters/system/watched_file.h"
#include "base/result.h"

namespace hf::adapters {

// Files are read again when their modification time, inode or size changes; one line break at the
// end is not part of the secret. I/O thread only; values never reach an error's context.
class SecretResolver {
 public:
  // ErrorKind::invalid: a placeholder that is not one of the two, or a value that cannot stand in a
  // field (control characters); unavailable: the file or variable is missing, empty or too large
  // (64 KiB).
  Result<std::string> resolve(const std::string& value);

 private:
  Result<std::string> placeholder(const std::string& inside);
  Result<std::string> from_file(const std::string& path);

  std::map<std::string, WatchedFile> files_;  // without the line break at the end
};

// The same without memory: for `check` and for tests.
Result<std::string> resolve_secret(const std::string& value);

// True for bytes that may stand in a field's value (RFC 9110 section 5.5), without blanks at its
// ends.
bool is_field_value(std::string_view text);

}  // namespace hf::adapters
