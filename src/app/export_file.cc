#include "app/export_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "control/json.h"

namespace hf::app {
namespace {

constexpr std::size_t kLineMax = std::size_t{64} << 20;

Error failed(const std::string& path, std::string_view what) {
  return fail(ErrorKind::unavailable,
              fmt::format("{} {}: {}", path.empty() ? "standard output" : path, what,
                          std::strerror(errno)));
}

}  // namespace

Result<ExportFile> ExportFile::open(const std::string& path, bool go_on) {
  if (path.empty()) return ExportFile(stdout, {});
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | (go_on ? 0 : O_EXCL);
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd < 0 && errno == EEXIST) {
    return fail(ErrorKind::invalid,
                path + " is there already: go on with it by --continue, or name another");
  }
  if (fd < 0) return failed(path, "cannot be made");
  std::FILE* file = ::fdopen(fd, "r+");
  if (file == nullptr) return failed(path, "cannot be opened");
  ExportFile out(file, path);
  if (go_on) HF_TRY_VOID(out.find_last());
  return out;
}

ExportFile::ExportFile(ExportFile&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)),
      path_(std::move(other.path_)),
      last_(other.last_) {}

ExportFile::~ExportFile() {
  if (file_ != nullptr && !path_.empty()) std::fclose(file_);
}

// Line by line; whatever stands behind the last whole line is cut off.
Result<void> ExportFile::find_last() {
  long whole = 0;
  char* line = nullptr;
  std::size_t room = 0;
  Result<void> seen;
  while (seen.ok()) {
    const ssize_t size = ::getline(&line, &room, file_);
    if (size <= 0 || line[size - 1] != '\n') break;
    if (static_cast<std::size_t>(size) > kLineMax)
      seen = fail(ErrorKind::invalid, path_ + " is no export");
    const auto members =
        control::JsonMembers::read(std::string_view(line, static_cast<std::size_t>(size - 1)));
    const auto kind = members.ok() ? (*members).text("kind") : Result<std::string>(members.error());
    if (!kind.ok() || (*kind).empty()) {
      seen = fail(ErrorKind::invalid, path_ + " holds a line that is none of an export's");
    } else if (*kind == "call" || *kind == "unreadable") {
      const auto text = (*members).text("call");
      const auto id = CallId::parse(text.ok() ? *text : std::string());
      if (id.ok()) last_ = *id;
    }
    whole = std::ftell(file_);
  }
  ::free(line);
  HF_TRY_VOID(std::move(seen));
  if (std::ferror(file_) != 0) return failed(path_, "cannot be read");
  if (std::fseek(file_, whole, SEEK_SET) != 0 || ::ftruncate(::fileno(file_), whole) != 0) {
    return failed(path_, "cannot be gone on with");
  }
  return {};
}

Result<void> ExportFile::write(const std::string& line) {
  if (std::fwrite(line.data(), 1, line.size(), file_) == line.size() &&
      std::fputc('\n', file_) != EOF) {
    return {};
  }
  return failed(path_, "cannot be written");
}

Result<void> ExportFile::finish() {
  if (std::fflush(file_) != 0) return failed(path_, "cannot be written");
  if (!path_.empty() && ::fsync(::fileno(file_)) != 0) return failed(path_, "cannot be written");
  return {};
}

}  // namespace hf::app
