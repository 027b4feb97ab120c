#include "adapters/system/small_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hf::adapters {
namespace {

Error failed(const std::string& path, std::string_view what) {
  return {ErrorKind::unavailable, fmt::format("{} {}: {}", path, what, std::strerror(errno))};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::string> read_small_file(const std::string& path, std::size_t max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::string{};
    return failed(path, "cannot be opened");
  }
  std::string out(max + 1, '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t got = ::read(file.get(), out.data() + have, out.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path, "cannot be read");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  if (have > max) return fail(ErrorKind::invalid, fmt::format("{} is larger than it may be", path));
  out.resize(have);
  return out;
}

Result<void> replace_small_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  {
    const Descriptor file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return failed(fresh, "cannot be made");
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t put = ::write(file.get(), text.data() + done, text.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed(fresh, "cannot be written");
      done += static_cast<std::size_t>(put);
    }
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return failed(path, "cannot be replaced");
  return {};
}

Result<std::uint64_t> append_lines(const std::string& path, std::string lines) {
  const Descriptor file(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat found {};
  if (file.get() < 0 || ::fstat(file.get(), &found) != 0) return failed(path, "cannot be opened");
  char last = '\n';
  if (found.st_size > 0 && ::pread(file.get(), &last, 1, found.st_size - 1) != 1) {
    return failed(path, "cannot be read");
  }
  if (last != '\n') lines.insert(0, 1, '\n');
  for (std::size_t done = 0; done < lines.size();) {
    const ssize_t put = ::write(file.get(), lines.data() + done, lines.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      Error error = failed(path, "cannot be written");
      // Whoever writes it again must not find a part of it: what is counted would count twice.
      if (::ftruncate(file.get(), found.st_size) != 0) return failed(path, "cannot be cut");
      return error;
    }
    done += static_cast<std::size_t>(put);
  }
  return static_cast<std::uint64_t>(found.st_size) + lines.size();
}

}  // namespace hf::adapters
