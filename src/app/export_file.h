// Where an export goes: standard output, or a file that only its owner may read and that can be
// gone on with.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace hf::app {

class ExportFile {
 public:
  // Standard output where `path` is empty. A file that is there is ErrorKind::invalid, unless
  // `go_on`: then it is read for the last call that it holds, and a line that was cut is taken
  // away.
  static Result<ExportFile> open(const std::string& path, bool go_on);
  ExportFile(ExportFile&& other) noexcept;
  ExportFile& operator=(ExportFile&&) = delete;
  ~ExportFile();

  // With go_on: the last call in it.
  [[nodiscard]] const std::optional<CallId>& last() const { return last_; }
  Result<void> write(const std::string& line);
  // Everything is on the disk after this.
  Result<void> finish();

 private:
  ExportFile(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}
  Result<void> find_last();

  std::FILE* file_;
  std::string path_;
  std::optional<CallId> last_;
};

}  // namespace hf::app
